"""A run -> a folder that TF Serving serves, or a model in another format.

    python -m keras_ssc.export runs/<run> --out served/scene_genre

Each call writes the next version, `served/scene_genre/<N>/`.
"""

import time

from keras_ssc import command
from keras_ssc.serving import exported


def make_parser():
    """Makes the command's argument parser."""
    parser = command.new_parser(
        "export",
        "Writes the next version of a served model: optical flow, network "
        "and calibration in one.",
    )
    parser.add_argument("run_dir", metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--out",
        required=True,
        metavar="DIR/scene_genre",
        help="folder of the versions; its name is the served model's",
    )
    parser.add_argument(
        "--format",
        dest="model_format",
        default="savedmodel",
        metavar="FORMAT",
        help=f"{', '.join(exported.FORMATS)}; default: savedmodel",
    )
    parser.add_argument("--data-dir", metavar="DIR", help="default: the run's")
    parser.add_argument(
        "--no-familiarity",
        dest="familiarity",
        action="store_false",
        help="leave out how much a pair looks like the training films; only a "
        "savedmodel has it",
    )
    return parser


def main():
    """Runs the command."""
    arguments = make_parser().parse_args()
    # Only now: TensorFlow takes seconds.
    from keras_ssc.serving import exporting
    from keras_ssc.serving import tf_serving

    start = time.monotonic()
    version = exporting.export(**vars(arguments))
    size = sum(p.stat().st_size for p in version.rglob("*") if p.is_file())
    print(
        f"exported in {time.monotonic() - start:.0f} s: {version}, "
        f"{size / 2**20:.0f} MiB"
    )
    familiarity = exported.read_card(version)["familiarity"]
    if familiarity:
        added = familiarity["num_bytes"]
        print(
            f"{added / 2**20:.0f} MiB of it are for noticing films unlike the "
            "training films: with --no-familiarity, it is about "
            f"{(size - added) / 2**20:.0f} MiB"
        )
    print(f"what it is and what it can do: {version}/model_card.md")
    if arguments.model_format == "savedmodel":
        print(f"next: {tf_serving.docker_command(version)}")


if __name__ == "__main__":
    command.run(main)
