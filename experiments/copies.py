"""How well copies of a film are found among a library's films.

    python -m experiments.copies OUT [--films FILM...]

Each film is copied as films are copied in life, all are scanned, and ways of
telling copies are compared, each with the threshold that is best on one half
of the films, on the other half. The films are those that are named, and drawn
ones: among these are twins, which have the same pictures and differ in motion
alone.
"""

import argparse
import dataclasses
import fractions
import functools
import itertools
import pathlib

import av
import cv2
import numpy as np
import tqdm

from experiments import measured
from keras_ssc import command
from keras_ssc import files
from keras_ssc.films import film_list
from keras_ssc.library import copies
from keras_ssc.library import database
from keras_ssc.library import features
from keras_ssc.library import scanning
from keras_ssc.metrics import tables
from keras_ssc.sample_films import films as sample_films
from keras_ssc.sample_films import styles

# Of a film that is named, the copies are made of its beginning.
_SECONDS = 8
_MOST_WIDE = 480


def _scaled(factor):
    def change(frame):
        height, width = (round(n * factor / 2) * 2 for n in frame.shape[:2])
        return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)

    return change


def _letterboxed(frame):
    bar = frame.shape[0] // 16 * 2
    return cv2.copyMakeBorder(frame, bar, bar, 0, 0, cv2.BORDER_CONSTANT)


def _brighter(frame):
    return cv2.convertScaleAbs(frame, alpha=1.1, beta=15)


@dataclasses.dataclass(frozen=True)
class Kind:
    """How a film is copied.

    Attributes:
        change: Function of a frame, uint8 array (height, width, 3), RGB.
        codec: String, the encoder.
        options: Dict of its options.
        rate: Fraction, frames a second; None for the film's own. With
            another, the film is as much shorter.
        trimmed: Float, which share of it is cut off at its beginning.
    """

    change: object = None
    codec: str = "libx264"
    options: tuple = (("crf", "23"), ("preset", "veryfast"))
    rate: int | None = None
    trimmed: float = 0.0


_VP9 = (("crf", "36"), ("b", "0"), ("deadline", "realtime"), ("cpu-used", "8"))

KINDS = {
    "H.264, crf 23": Kind(),
    "H.264, crf 35": Kind(options=(("crf", "35"), ("preset", "veryfast"))),
    "VP9": Kind(codec="libvpx-vp9", options=_VP9),
    "half the size": Kind(_scaled(1 / 2)),
    "a quarter of the size": Kind(_scaled(1 / 4)),
    "letterboxed": Kind(_letterboxed),
    "25 frames a second": Kind(rate=25),
    "2 % cut off at the start": Kind(trimmed=0.02),
    "brighter": Kind(_brighter),
}


def _read(path):
    """Returns a film's first frames, and frames a second."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        rate = fractions.Fraction(stream.average_rate).limit_denominator(1001)
        decoded = itertools.islice(
            container.decode(stream), round(_SECONDS * rate)
        )
        frames = [frame.to_ndarray(format="rgb24") for frame in decoded]
    factor = min(1, _MOST_WIDE / frames[0].shape[1])
    return [_scaled(factor)(frame) for frame in frames], rate


def _write(path, frames, rate, kind):
    frames = frames[round(kind.trimmed * len(frames)) :]
    temporary = path.with_name(f".{path.name}")
    with av.open(temporary, "w") as container:
        stream = container.add_stream(
            kind.codec, rate=kind.rate or rate, options=dict(kind.options)
        )
        stream.pix_fmt = "yuv420p"
        for number, frame in enumerate(frames):
            frame = kind.change(frame) if kind.change else frame
            if number == 0:
                stream.height, stream.width = frame.shape[:2]
            picture = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(frame), format="rgb24"
            )
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    temporary.rename(path)


def make(out, paths):
    """Writes copies of films, unless they are there.

    Args:
        out: `pathlib.Path` of a folder; each film gets a folder in it.
        paths: Dict from films' names to paths.
    """
    original = Kind(options=(("crf", "12"), ("preset", "veryfast")))
    for name, path in tqdm.tqdm(paths.items(), "copying", unit="film"):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        read = None
        for place, kind in enumerate([original, *KINDS.values()]):
            copy = folder / f"{place:02d}.mkv"
            if not copy.exists():
                read = read or _read(path)
                _write(copy, *read, kind)


# ---- ways of telling copies ----


def _pdq(picture):
    import pdqhash  # not one of the project's dependencies

    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    return pdqhash.compute(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))[0] > 0


def _cosines(one, other):
    """Returns the mean cosine of the rows of two arrays (rows, n)."""
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(np.mean((one * other).sum(axis=1) / np.maximum(norms, 1e-9)))


def _in_order(stored, parts, one, other):
    """Returns the mean cosine of features, of pair by pair.

    Args:
        stored: Dict from films' `id`s to arrays (pairs, n).
        parts: Tuple of integers: 0, the frames' features; 1, their motion's.
        one: Integer, a film's `id`.
        other: Another's.
    """
    num_pairs = min(len(stored[one]), len(stored[other]))
    halves = [np.split(stored[x][:num_pairs], 2, axis=1) for x in (one, other)]
    return np.mean([_cosines(*(x[part] for x in halves)) for part in parts])


def ways(library):
    """Returns a dict from ways to functions of two films' `id`s."""
    films = [film for film in library.films() if film.error is None]
    stored = {
        film.id: np.float32(features.load(library.path, film.content).pairs)
        for film in films
    }
    means = {film: x.mean(axis=0, keepdims=True) for film, x in stored.items()}
    found = {
        "mean features": lambda one, other: _cosines(means[one], means[other]),
        "frames' features, pair by pair": functools.partial(
            _in_order, stored, (0,)
        ),
        "motion's features, pair by pair": functools.partial(
            _in_order, stored, (1,)
        ),
        "frames' and motion's features, pair by pair": functools.partial(
            _in_order, stored, (0, 1)
        ),
    }
    for name, hash_of in (("phash", copies.phash), ("pdqhash", _pdq)):
        try:
            hashes = {
                film.id: copies.hashes_of(library, film, hash_of)
                for film in films
            }
        except ImportError:
            continue
        found[f"{name}, picture by picture"] = (
            lambda one, other, hashes=hashes: copies.alike(
                hashes[one], hashes[other]
            )
        )
    return found


# ---- how right they are ----


def _best_threshold(scores, is_copy):
    """Returns the threshold of the highest F1, between two scores."""
    order = np.argsort(-scores)
    right = np.cumsum(is_copy[order])
    f1 = 2 * right / (np.arange(1, len(order) + 1) + is_copy.sum())
    best = int(f1.argmax())
    following = scores[order][min(best + 1, len(order) - 1)]
    return float(scores[order][best] + following) / 2


def _rates(is_found, is_copy):
    right = int((is_found & is_copy).sum())
    return {
        "precision": right / max(int(is_found.sum()), 1),
        "recall": right / int(is_copy.sum()),
        "wrong": int((is_found & ~is_copy).sum()),
    }


def _in_groups(pairs, is_found):
    """Says of each pair whether others, that were found, join it."""
    groups = copies.Groups()
    for one, other in itertools.compress(pairs, is_found):
        if groups.of(one) is not groups.of(other):
            groups.join(one, other)
    return np.array(
        [groups.of(one) is groups.of(other) for one, other in pairs]
    )


def measure(library, half_of):
    """Compares ways of telling copies.

    Args:
        library: A `database.Library` of the folder that `make` wrote.
        half_of: Dict from the names of the films in it to integers: 0 of
            those that choose the thresholds, 1 of those that test them.

    Returns:
        A dict of plain values: `ways`, from each way to its `threshold`, the
        `precision`, `recall` and number `wrong` of pairs of files of the half
        that tests, and the same of the `groups` that it makes of all; `groups`,
        the same of the library's own; `kinds`, from each kind of copy to the
        share of those that are in a group with their original.
    """
    films = [film for film in library.films() if film.seconds is not None]
    seconds = {film.id: film.seconds for film in films}
    paths = {film.id: library.path_of(film.id) for film in films}
    name_of = {film: path.parent.name for film, path in paths.items()}
    pairs = list(itertools.combinations(paths, 2))
    is_copy = np.array([name_of[one] == name_of[other] for one, other in pairs])
    halves = np.array([[half_of[name_of[x]] for x in pair] for pair in pairs])
    chooses, tests = ((halves == half).all(axis=1) for half in (0, 1))
    lengths = np.array([[seconds[x] for x in pair] for pair in pairs])
    may_be = lengths.max(axis=1) <= copies.MOST_LONGER * lengths.min(axis=1)
    compared = {}
    for name, way in ways(library).items():
        scores = np.full(len(pairs), -1.0)
        scores[may_be] = [
            way(*pair) for pair in itertools.compress(pairs, may_be)
        ]
        threshold = _best_threshold(scores[chooses], is_copy[chooses])
        is_found = scores >= threshold
        compared[name] = {
            "threshold": threshold,
            **_rates(is_found[tests], is_copy[tests]),
            "groups": _rates(_in_groups(pairs, is_found), is_copy),
        }
    group_of = {film.id: film.copies for film in films}
    by_path = {path: group_of[film] for film, path in paths.items()}
    found = {
        kind: [
            by_path[path] == by_path[path.with_name("00.mkv")]
            for path in by_path
            if path.stem == f"{place:02d}"
        ]
        for place, kind in enumerate(KINDS, start=1)
    }
    in_one = [group_of[one] == group_of[other] for one, other in pairs]
    return {
        "machine": measured.machine(),
        "num_films": len(half_of),
        "num_files": len(paths),
        "ways": compared,
        "groups": _rates(np.array(in_one), is_copy),
        "kinds": {kind: float(np.mean(x)) for kind, x in found.items()},
    }


def text_of(found):
    """Writes what `measure` returned as Markdown."""
    percent = tables.percent
    rows = [
        [
            name,
            *(
                percent(rates[key])
                for rates in (way, way["groups"])
                for key in ("precision", "recall")
            ),
        ]
        for name, way in found["ways"].items()
    ]
    own = [percent(found["groups"][x]) for x in ("precision", "recall")]
    rows.append(["**the library's own groups**", "-", "-", *own])
    kinds = ", ".join(
        f"{kind} {percent(share)}" for kind, share in found["kinds"].items()
    )
    return (
        f"{found['num_films']} films, {found['num_files']} files; "
        "on the half of the films that chose no threshold:\n\n"
        + tables.markdown_table(
            (
                "way",
                "precision",
                "recall",
                "precision of groups, all",
                "recall of groups, all",
            ),
            rows,
        )
        + f"\nIn a group with their original: {kinds}.\n"
    )


def _draw(out):
    """Draws films; returns dicts from names to paths and to halves."""
    listed = sample_films.draw_sample_films(
        out, films_per_genre=2, seconds=4.0, workers=1
    )
    worlds = sorted({style.world for style in styles.STYLES.values()})
    paths, half_of = {}, {}
    for scene in film_list.read_film_list(listed):
        name = f"drawn_{scene.genre}_{scene.film}"
        paths[name] = scene.path
        # Twins, and films of one style, are the likest: each half has some.
        world = worlds.index(styles.STYLES[scene.genre].world)
        half_of[name] = 2 * world // len(worlds)
    return paths, half_of


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.copies")
    add = parser.add_argument
    add("out", type=pathlib.Path, help="folder to write to")
    add("--pairs", type=int, default=12, metavar="N", help="default: 12")
    add("--films", nargs="*", type=pathlib.Path, default=[], metavar="FILM")
    arguments = parser.parse_args()
    paths, half_of = _draw(arguments.out / "drawn")
    for place, path in enumerate(sorted(arguments.films)):
        paths[path.stem] = path
        # In order, so that those of a series are in one half.
        half_of[path.stem] = 2 * place // len(arguments.films)
    folder = arguments.out / "films"
    plan = dataclasses.replace(scanning.DEFAULT_PLAN, num_pairs=arguments.pairs)
    make(folder, paths)
    path = arguments.out / "copies.sqlite"
    with database.Library(path, create=True) as library:
        scanning.scan(library, [folder], plan)
        found = measure(library, half_of)
    files.write_json(arguments.out / "copies.json", found)
    print(text_of(found))


if __name__ == "__main__":
    command.run(main)
