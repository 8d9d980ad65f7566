"""Films and a film list -> a folder of clean pairs of frames.

    python -m keras_ssc.extract films.csv --out FRAMES

FRAMES then holds the report's layout (see `pair_files`), beside it
`index.csv`: one row for every pair that was kept or dropped, with the reason.
"""

import dataclasses

from keras_ssc import checks
from keras_ssc import command
from keras_ssc import genres
from keras_ssc.films import deinterlacing
from keras_ssc.films import splitting
from keras_ssc.films.cleaning import ExtractConfig


def summary(records, problems, num_pairs, notes=()):
    """Says in a few lines what an extraction kept, dropped and left out.

    Args:
        records: List of the films' records.
        problems: List of strings.
        num_pairs: Integer, how many pairs a film were requested.
        notes: List of strings, what the film list says.

    Returns:
        A list of lines.
    """
    # Only now, here and below: what reads films takes a moment to import.
    from keras_ssc.data import extraction
    from keras_ssc.prediction import words

    rows = [row for record in records for row in record["pairs"]]
    reasons = [row["reason"] for row in rows if row["reason"]]
    num_kept = len(rows) - len(reasons)
    line = (
        f"{num_kept:,} pairs kept of {len(records)} films, "
        f"{len(reasons):,} dropped"
    )
    line += f" ({extraction.count_reasons(reasons)})" if reasons else ""
    num_barred = sum(bool(record["bars"]) for record in records)
    lines = [f"{line}, bars cropped in {num_barred} films"]
    for record in records:
        kept = [row for row in record["pairs"] if row["status"] == "kept"]
        name = f"  film {record['film']!r}"
        if len(kept) < num_pairs:
            lines.append(
                f"{name}: {len(kept)} pairs instead of {num_pairs}: its "
                "scenes hold no more"
            )
        repeated = sum(bool(row.get("repeated")) for row in kept)
        if repeated:
            lines.append(
                f"{name}: {words.repeated(repeated, len(kept))}; "
                "--drop-repeated leaves them out"
            )
        lines += [
            f"  {path}: {note}"
            for path, notes in record.get("notes", {}).items()
            for note in notes
        ]
    lines += [f"  note: {note}" for note in notes]
    return lines + [f"  not used: {problem}" for problem in problems]


def make_parser():
    """Makes the command's argument parser."""
    default = ExtractConfig()
    parser = command.new_parser(
        "extract", "Extracts clean pairs of frames from a list of films."
    )
    add = parser.add_argument
    add(
        "film_list",
        metavar="FILMS.csv",
        help="columns: film, genre, path, and if need be split, start, end; "
        "one row per scene",
    )
    add("--out", required=True, metavar="FRAMES", help="folder to fill")
    add(
        "--interval",
        type=float,
        default=default.interval,
        metavar="SECONDS",
        help="from a pair's first frame to its next (default: 1/24)",
    )
    add(
        "--stride",
        type=int,
        metavar="N",
        help="instead of --interval: the next frame is N frames on, at any "
        "frame rate",
    )
    add(
        "--deinterlace",
        choices=deinterlacing.WAYS,
        default=default.deinterlace,
        help="auto: frames of two fields that differ (default: %(default)s)",
    )
    for flag, name, text in (
        ("--pairs", "num_pairs", "pairs per film"),
        ("--seed", "seed", "seed of the random draw"),
    ):
        add(
            flag,
            dest=name,
            type=int,
            default=getattr(default, name),
            metavar="N",
            help=f"{text} (default: %(default)s)",
        )
    add(
        "--split",
        type=splitting.parse_shares,
        default=splitting.DEFAULT_SHARES,
        metavar="TRAIN/VALIDATION/TEST",
        help="shares of the films whose list says no split (default: 70/15/15)",
    )
    add(
        "--task",
        choices=(genres.ONE, genres.SEVERAL),
        help="one: a film has one genre, the first of its cell; several: any "
        "number (default: several if a film of the list has several)",
    )
    add(
        "--size",
        type=checks.parse_size,
        metavar="WxH",
        help="size of a stored frame (default: 480x270)",
        default=(default.height, default.width),
    )
    add(
        "--workers",
        type=int,
        metavar="N",
        help="films read at once (default: one per processor)",
    )
    for flag, name, text in (
        ("--keep-bars", "crop_bars", "crop letterbox and pillarbox bars"),
        ("--keep-blank", "drop_blank", "drop pairs with a frame of one colour"),
        ("--keep-cuts", "drop_cuts", "drop pairs over a cut"),
        (
            "--keep-transitions",
            "drop_transitions",
            "drop pairs in a dissolve, a fade or a wipe",
        ),
    ):
        add(flag, dest=name, action="store_false", help=f"do not {text}")
    add(
        "--drop-repeated",
        action="store_true",
        help="drop pairs of one picture that is shown twice or stands still",
    )
    return parser


def main():
    """Runs the command."""
    arguments = make_parser().parse_args()
    settings = vars(arguments) | dict(
        zip(("height", "width"), arguments.size, strict=True)
    )
    config = ExtractConfig(
        **{
            field.name: settings[field.name]
            for field in dataclasses.fields(ExtractConfig)
        }
    )
    from keras_ssc.data import extraction

    records, problems, notes = extraction.extract(
        arguments.film_list,
        arguments.out,
        config,
        arguments.workers,
        True,
        arguments.split,
        arguments.task,
    )
    print("\n".join(summary(records, problems, config.num_pairs, notes)))
    print(f"frames: {arguments.out}")
    print(f"every pair, kept or dropped: {arguments.out}/index.csv")
    return 1 if problems else 0


if __name__ == "__main__":
    command.run(main)
