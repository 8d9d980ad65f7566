"""Films, frames or nothing -> a data set: what `tfds build` does, in one line.

    python -m keras_ssc.build films.csv
    python -m keras_ssc.build FRAMES
    python -m keras_ssc.build

The last one draws the sample films and builds scene_genre/sample.
"""

import pathlib

from keras_ssc import command

_LIST = "films.csv"


def make_parser():
    """Makes the command's argument parser."""
    parser = command.new_parser(
        "build", "Builds the data set scene_genre for training."
    )
    add = parser.add_argument
    add(
        "source",
        nargs="?",
        type=pathlib.Path,
        metavar=f"{_LIST} or FRAMES",
        help="a film list of this name, or a folder that extract wrote "
        "(default: the sample films, which are drawn)",
    )
    add("--data-dir", metavar="DIR", help="where data sets are; TFDS's default")
    add(
        "--overwrite",
        action="store_true",
        help="build anew what is built already",
    )
    return parser


def _config_of(source):
    """Returns the data set's config and the folder that it is built from."""
    if source is None:
        return "sample", None
    if source.is_dir():
        return "frames", source
    if source.name == _LIST and source.is_file():
        return "films", source.parent
    raise ValueError(
        f"Expected a file called {_LIST} or a folder of frames. Received: "
        f"{source}"
    )


def main():
    """Runs the command."""
    arguments = make_parser().parse_args()
    config, folder = _config_of(arguments.source)
    # Only now: TensorFlow takes seconds.
    import tensorflow_datasets as tfds

    from tfds_builder.scene_genre import scene_genre_dataset_builder

    builder = scene_genre_dataset_builder.Builder(
        config=config, data_dir=arguments.data_dir
    )
    modes = tfds.download.GenerateMode
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(
            manual_dir=folder,
            download_mode=modes.REUSE_CACHE_IF_EXISTS
            if arguments.overwrite
            else modes.REUSE_DATASET_IF_EXISTS,
        )
    )
    name = f"{builder.name}/{config}"
    counts = ", ".join(
        f"{split}: {info.num_examples:,}"
        for split, info in builder.info.splits.items()
    )
    print(f"pairs of {name}: {counts}")
    print(f"built: {builder.data_dir}")
    where = f" --data-dir {arguments.data_dir}" if arguments.data_dir else ""
    print(f"next: python -m keras_ssc.train --dataset {name}{where}")


if __name__ == "__main__":
    command.run(main)
