"""A run and a split -> metrics.json, a table and figures.

python -m keras_ssc.evaluate runs/20260101-120000_double_stack
"""

from keras_ssc import command


def make_parser():
    """Makes the command's argument parser."""
    parser = command.new_parser(
        "evaluate", "Measures a run's model on the films of a split."
    )
    parser.add_argument("run_dir", metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--split", help="default: test, or validation if there is no test film"
    )
    parser.add_argument("--data-dir", metavar="DIR", help="default: the run's")
    return parser


def main():
    """Runs the command."""
    arguments = make_parser().parse_args()
    # Only now: TensorFlow takes seconds.
    from keras_ssc.training import evaluation

    metrics = evaluation.evaluate(**vars(arguments))
    print(evaluation.markdown(metrics))
    print(f"metrics and figures: {arguments.run_dir}")


if __name__ == "__main__":
    command.run(main)
