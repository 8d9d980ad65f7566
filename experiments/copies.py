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
import io
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


def _hashes(library, film, hash_of):
    pictures = [
        library.picture(film, shot.number) for shot in library.shots(film)
    ]
    return np.array([hash_of(picture) for picture in pictures if picture])


def _phash(picture):
    import imagehash  # not one of the project's dependencies
    from PIL import Image

    return imagehash.phash(Image.open(io.BytesIO(picture))).hash.ravel()


def _pdq(picture):
    import pdqhash  # the same

    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    return pdqhash.compute(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))[0] > 0


def _same_bits(one, other):
    n = min(len(one), len(other))
    return float(np.mean(one[:n] == other[:n]))


def _cosine(one, other):
    norms = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / max(norms, 1e-9))


def _in_order(stored, parts, one, other):
    return copies.alike(stored[one], stored[other], parts)


def ways(library):
    """Returns a dict from ways to functions of two films' `id`s."""
    films = [film for film in library.films() if film.error is None]
    stored = {
        film.id: (features.load(library.path, film.content), film.seconds)
        for film in films
    }
    means = dict(zip(*library.means(), strict=True))
    found = {
        "mean features": lambda one, other: _cosine(means[one], means[other]),
        "frames' features at the same moments": functools.partial(
            _in_order, stored, (0,)
        ),
        "frames' and motion's features at the same moments": functools.partial(
            _in_order, stored, (0, 1)
        ),
    }
    for name, hash_of in (("imagehash's phash", _phash), ("pdqhash", _pdq)):
        try:
            hashes = {x.id: _hashes(library, x.id, hash_of) for x in films}
        except ImportError:
            continue
        found[f"{name}, picture by picture"] = (
            lambda one, other, hashes=hashes: _same_bits(
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


def measure(library, half_of):
    """Compares ways of telling copies.

    Args:
        library: A `database.Library` of the folder that `make` wrote.
        half_of: Dict from the names of the films in it to integers: 0 of
            those that choose the thresholds, 1 of those that test them.

    Returns:
        A dict of plain values: `ways`, from each way to its `threshold`,
        `precision`, `recall` and `wrong`, on pairs of files; `groups`, the
        same of the library's own groups; `kinds`, from each kind of copy to
        the share of those that are in a group with their original.
    """
    paths = {film.id: library.path_of(film.id) for film in library.films()}
    seconds = {film.id: film.seconds for film in library.films()}
    name_of = {film: path.parent.name for film, path in paths.items()}
    pairs = [
        [
            pair
            for pair in itertools.combinations(paths, 2)
            if all(half_of.get(name_of[film]) == half for film in pair)
        ]
        for half in (0, 1)
    ]
    is_copy = [
        np.array([name_of[one] == name_of[other] for one, other in half])
        for half in pairs
    ]

    def scores(way, half):
        return np.array(
            [
                way(*pair)
                if max(map(seconds.get, pair))
                <= copies.MOST_LONGER * min(map(seconds.get, pair))
                else -1.0
                for pair in half
            ]
        )

    compared = {}
    for name, way in ways(library).items():
        threshold = _best_threshold(scores(way, pairs[0]), is_copy[0])
        is_found = scores(way, pairs[1]) >= threshold
        compared[name] = {"threshold": threshold}
        compared[name] |= _rates(is_found, is_copy[1])
    group_of = {film.id: film.copies for film in library.films()}
    is_found = np.array(
        [group_of[one] == group_of[other] for one, other in pairs[1]]
    )
    by_path = {path: group_of[film] for film, path in paths.items()}
    tested = [path for path in by_path if half_of.get(path.parent.name) == 1]
    return {
        "machine": measured.machine(),
        "num_films": len(half_of),
        "num_files": len(paths),
        "ways": compared,
        "groups": _rates(is_found, is_copy[1]),
        "kinds": {
            kind: float(
                np.mean(
                    [
                        by_path[path] == by_path[path.with_name("00.mkv")]
                        for path in tested
                        if path.stem == f"{place:02d}"
                    ]
                )
            )
            for place, kind in enumerate(KINDS, start=1)
        },
    }


def text_of(found):
    """Writes what `measure` returned as Markdown."""
    percent = tables.percent
    rows = [
        [
            name,
            *(percent(x[key]) for key in ("precision", "recall")),
            x["wrong"],
        ]
        for name, x in {
            **found["ways"],
            "**the library's groups**": found["groups"],
        }.items()
    ]
    kinds = ", ".join(
        f"{kind} {percent(share)}" for kind, share in found["kinds"].items()
    )
    return (
        f"{found['num_films']} films, {found['num_files']} files; "
        "on the half of the films that chose no threshold:\n\n"
        + tables.markdown_table(
            ("way", "precision", "recall", "wrong pairs"), rows
        )
        + f"\nIn a group with their original: {kinds}.\n"
    )


def _draw(out):
    """Draws films; returns dicts from names to paths and to halves."""
    listed = sample_films.draw_sample_films(
        out, films_per_genre=3, seconds=4.0, workers=1
    )
    by_genre = {}
    for scene in film_list.read_film_list(listed):
        by_genre.setdefault(scene.genre, {})[scene.film] = scene.path
    paths, half_of = {}, {}
    for genre, films in by_genre.items():
        # Twins have the same place, and so are in one half.
        for place, (film, path) in enumerate(films.items()):
            name = f"drawn_{genre}_{film}"
            paths[name], half_of[name] = path, 1 - place % 2
    return paths, half_of


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.copies")
    add = parser.add_argument
    add("out", type=pathlib.Path, help="folder to write to")
    add("--films", nargs="*", type=pathlib.Path, default=[], metavar="FILM")
    arguments = parser.parse_args()
    paths, half_of = _draw(arguments.out / "drawn")
    for place, path in enumerate(arguments.films):
        paths[path.stem], half_of[path.stem] = path, place % 2
    folder = arguments.out / "films"
    make(folder, paths)
    path = arguments.out / "copies.sqlite"
    with database.Library(path, create=True) as library:
        scanning.scan(library, [folder])
        found = measure(library, half_of)
    files.write_json(arguments.out / "copies.json", found)
    print(text_of(found))


if __name__ == "__main__":
    command.run(main)
