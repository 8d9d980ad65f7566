"""Makes corpora with known transitions, and scores detectors on corpora.

python -m experiments.shots propose CLIPS PIECES.csv
python -m experiments.shots make PIECES.csv CORPUS --seed 1
python -m experiments.shots fit CORPUS...
python -m experiments.shots score CORPUS...
python -m experiments.shots --corpus bbc FOLDER
"""

import argparse
import pathlib
import sys

from experiments.measured import as_json
from experiments.shots import comparing
from experiments.shots import corpus
from experiments.shots import detectors
from experiments.shots import fit
from experiments.shots import pieces
from experiments.shots import public
from experiments.shots import scoring
from keras_ssc import checks
from keras_ssc import command
from keras_ssc import files


def _parser():
    parser = argparse.ArgumentParser(prog="python -m experiments.shots")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    add = _add(
        commands, "propose", _propose, "writes a list of pieces of clips"
    )
    add("clips", help="a folder of film files")
    add("pieces", metavar="PIECES.csv", help="the list to write")

    add = _add(commands, "make", _make, "writes films with known transitions")
    add("pieces", metavar="PIECES.csv", help="see experiments/README.md")
    add("out", metavar="CORPUS", help="the folder to write")
    add("--seed", type=int, default=1, metavar="N", help="default: 1")
    add("--sources", nargs="+", metavar="NAME", help="only of these films")
    add(
        "--half",
        type=int,
        choices=(0, 1),
        help="only of one half of the films: one to fit, one to report",
    )

    add = _add(commands, "fit", _fit, "fits the weights of films.transitions")
    add("folders", nargs="+", metavar="CORPUS", help="not those reported on")

    add = _add(commands, "score", _score, "scores detectors on corpora")
    add("folders", nargs="+", metavar="CORPUS")
    add(
        "--corpus",
        choices=public.CORPORA,
        default="made",
        help="what the folders are (default: made by this command)",
    )
    add(
        "--detectors",
        metavar="A,B",
        help=f"default: all that are installed of {', '.join(_NAMES)}",
    )
    add(
        "--tolerance",
        type=int,
        default=scoring.TOLERANCE,
        metavar="N",
        help="frames that one may be off (default: %(default)s)",
    )
    add("--out", default="results/shots.json", metavar="FILE")
    add(
        "--keep",
        action="store_true",
        help="keep what FILE has of other detectors on the same films",
    )
    return parser


_NAMES = tuple(detectors.DETECTORS)


def _add(commands, name, function, words):
    parser = commands.add_parser(name, help=words, description=words)
    parser.set_defaults(function=function)
    return parser.add_argument


def _propose(arguments):
    count = pieces.propose(arguments.clips, arguments.pieces, print)
    print(
        f"written: {arguments.pieces}, {count} pieces; look at each, and "
        "delete its note or the line"
    )


def _make(arguments):
    listed, num_proposed = pieces.read_pieces(
        arguments.pieces, arguments.sources, arguments.half
    )
    if num_proposed:
        print(
            f"{num_proposed} of {len(listed)} pieces are proposed and nobody "
            "looked at them: the truth may be wrong"
        )
    path = corpus.make_corpus(
        listed, arguments.out, arguments.seed, progress=print
    )
    print(f"written: {path}")


def _fit(arguments):
    films = [
        film
        for folder in arguments.folders
        for film in public.read("made", folder)
    ]
    print(fit.text_of(fit.fit(films, print)))


def _score(arguments):
    checks.at_least("--tolerance", arguments.tolerance, 0)
    given = arguments.detectors
    names, lines = comparing.chosen(given.split(",") if given else None)
    for line in lines:
        print(line)
    films = [
        film
        for folder in arguments.folders
        for film in public.read(arguments.corpus, folder)
    ]
    path = pathlib.Path(arguments.out)
    earlier = files.read_json(path) if arguments.keep else None
    found = comparing.measure(films, names, arguments.tolerance, earlier, print)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, as_json(found))
    print(comparing.text_of(found))
    print(f"written: {path}")


def main():
    """Runs the command."""
    given = sys.argv[1:]
    # A public corpus can only be scored.
    if given and given[0].startswith("--corpus"):
        given = ["score", *given]
    arguments = _parser().parse_args(given)
    arguments.function(arguments)


if __name__ == "__main__":
    command.run(main)
