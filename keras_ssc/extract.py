"""Films and a film list -> a folder of clean pairs of frames.

    python -m keras_ssc.extract films.csv --out FRAMES

FRAMES then holds the report's layout (see `pair_files`), beside it
`index.csv`: one row for every pair that was kept or dropped, with the reason.
"""

import argparse

from keras_ssc import checks
from keras_ssc import command
from keras_ssc.data import extraction
from keras_ssc.films.cleaning import ExtractConfig


def summary(records, problems, num_pairs):
    """Says in a few lines what an extraction kept, dropped and left out.

    Args:
        records: List of the films' records.
        problems: List of strings.
        num_pairs: Integer, how many pairs a film were asked for.

    Returns:
        A list of lines.
    """
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
        kept = sum(row["status"] == "kept" for row in record["pairs"])
        if kept < num_pairs:
            lines.append(
                f"  film {record['film']!r}: {kept} pairs instead of "
                f"{num_pairs}: its scenes hold no more"
            )
    return lines + [f"  not used: {problem}" for problem in problems]


def main():
    """Runs the command."""
    default = ExtractConfig()
    parser = argparse.ArgumentParser(
        prog="python -m keras_ssc.extract",
        description="Extracts clean pairs of frames from a list of films.",
    )
    add = parser.add_argument
    add(
        "film_list",
        metavar="FILMS.csv",
        help="columns: film, genre, split, path, start, end; one row a scene",
    )
    add("--out", required=True, metavar="FRAMES", help="folder to fill")
    add(
        "--pairs",
        type=int,
        default=default.num_pairs,
        metavar="N",
        help="pairs a film (default: %(default)s)",
    )
    add(
        "--stride",
        type=int,
        default=default.stride,
        metavar="N",
        help="how many frames on the next frame is (default: %(default)s)",
    )
    add(
        "--size",
        type=checks.parse_size,
        metavar="WxH",
        help="size of a stored frame (default: 480x270)",
        default=(default.height, default.width),
    )
    add(
        "--seed",
        type=int,
        default=default.seed,
        metavar="N",
        help="draws other pairs (default: %(default)s)",
    )
    add(
        "--workers",
        type=int,
        metavar="N",
        help="films read at once (default: one a processor)",
    )
    add(
        "--keep-bars",
        action="store_true",
        help="do not crop letterbox and pillarbox bars",
    )
    add(
        "--keep-blank",
        action="store_true",
        help="do not drop pairs with a frame of one colour",
    )
    add("--keep-cuts", action="store_true", help="do not drop pairs over a cut")
    arguments = parser.parse_args()
    config = ExtractConfig(
        num_pairs=arguments.pairs,
        stride=arguments.stride,
        height=arguments.size[0],
        width=arguments.size[1],
        seed=arguments.seed,
        crop_bars=not arguments.keep_bars,
        drop_blank=not arguments.keep_blank,
        drop_cuts=not arguments.keep_cuts,
    )
    records, problems = extraction.extract(
        arguments.film_list, arguments.out, config, arguments.workers, True
    )
    print("\n".join(summary(records, problems, config.num_pairs)))
    print(f"frames: {arguments.out}")
    print(f"every pair, kept or dropped: {arguments.out}/index.csv")
    return 1 if problems else 0


if __name__ == "__main__":
    command.run(main)
