"""A built data set -> a trained model in a run's folder.

    python -m keras_ssc.train --model double_stack

The run's folder then holds `model.keras`, `config.json`, `history.csv`,
`curves.png`, `checkpoints/` and `logs/` (for TensorBoard). --resume RUN
resumes an interrupted training; with --epochs, a finished one is trained on.
"""

import pathlib

from keras_ssc import command
from keras_ssc.training import train_config
from keras_ssc.training.train_config import TrainConfig


def _train_folds(config, num_folds):
    from keras_ssc.training import cross_validation

    found = cross_validation.cross_validate(config, num_folds)
    print((pathlib.Path(found["out"]) / "folds.md").read_text("utf-8"))
    print(f"runs, folds.md and folds.json: {found['out']}")


def make_parser():
    """Makes the command's argument parser."""
    parser = command.new_parser(
        "train",
        "Trains a model. What is not given is the model's default: the "
        "report's settings on films, small ones on the sample.",
    )
    train_config.add_flags(parser)
    parser.add_argument(
        "--folds",
        type=int,
        metavar="N",
        help="train and evaluate N times, each film tested on once, by a model "
        "that did not see it; repeated with --run-dir, it is resumed",
    )
    parser.add_argument(
        "--resume",
        metavar="RUN",
        help="resume an interrupted training; with --epochs N, which a "
        "finished one takes too, train on until N epochs in all",
    )
    parser.add_argument(
        "--settings",
        choices=train_config.SETTINGS,
        help="frozen: a linear head on a pretrained network, which takes "
        "minutes without a GPU; flags that are given come on top of them",
    )
    return parser


def main():
    """Runs the command."""
    parser = make_parser()
    given, _ = parser.parse_known_args()
    if given.settings:
        chosen = train_config.settings_of(given.settings, given.model)
        parser.set_defaults(**chosen)
    arguments = vars(parser.parse_args())
    del arguments["settings"]
    resumed, num_folds = arguments.pop("resume"), arguments.pop("folds")
    config = TrainConfig(**arguments)
    is_alone = config == TrainConfig(epochs=config.epochs)
    if resumed and not (is_alone and num_folds is None):
        raise ValueError(
            "Expected --resume RUN alone, or with --epochs: a run is resumed "
            "with the settings it began with."
        )
    if num_folds is not None:
        return _train_folds(config, num_folds)
    # Only now: TensorFlow takes seconds.
    from keras_ssc.training import loop
    from keras_ssc.training import runs

    if resumed:
        run_dir = loop.resume(resumed, epochs=config.epochs)
    else:
        run_dir = loop.train(config)
    print(runs.summary(run_dir))
    print(f"run: {run_dir}")
    print(f"its curves: {run_dir}/curves.png")
    print(f"next: python -m keras_ssc.evaluate {run_dir}")


if __name__ == "__main__":
    command.run(main)
