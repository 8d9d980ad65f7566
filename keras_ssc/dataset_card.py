"""A built data set -> its card: what it holds, and shortcuts in it.

    python -m keras_ssc.dataset_card --dataset scene_genre/sample

The card's folder holds card.md for people, card.json for programs and the
figures.
"""

import argparse
import pathlib

from keras_ssc import command


def make_parser():
    """Makes the command's argument parser."""
    parser = command.new_parser(
        "dataset_card",
        "Writes what a built data set holds, with warnings of shortcuts: "
        "what a model could learn instead of the genre.",
    )
    add = parser.add_argument
    add("--dataset", default="scene_genre/sample", help="default: %(default)s")
    add("--data-dir", metavar="DIR", help="where data sets are")
    add(
        "--frames",
        type=pathlib.Path,
        metavar="DIR",
        help="folder that extract wrote and the data set was built from: adds "
        "dropped pairs and cropped bars",
    )
    add(
        "--out",
        type=pathlib.Path,
        metavar="FOLDER",
        help="default: results/dataset_card/ and the config's name",
    )
    add(
        "--pairs",
        dest="most_pairs",
        type=int,
        default=argparse.SUPPRESS,
        metavar="N",
        help="pairs of a film that are looked at; fewer are quicker",
    )
    add("--seed", type=int, default=0, metavar="N", help="draws other pairs")
    return parser


def main():
    """Runs the command."""
    arguments = make_parser().parse_args()
    # Only now: TensorFlow takes seconds.
    from keras_ssc.data import card

    if arguments.out is None:
        config = arguments.dataset.partition("/")[2].replace("/", "_")
        arguments.out = pathlib.Path("results/dataset_card") / (
            config or "default"
        )
    written = card.write_card(**vars(arguments), progress=True)
    print(f"\nwarnings: {len(written['warnings'])}")
    print(card.warnings_text(written))
    out = arguments.out
    print(f"written: {out}/card.md, {out}/card.json and figures")


if __name__ == "__main__":
    command.run(main)
