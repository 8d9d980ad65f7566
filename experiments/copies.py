"""How well copies of a film are found among a library's films.

    python -m experiments.copies OUT [FILM...]

Each film (drawn ones, among them twins that have the same pictures and differ
in motion alone, and those that are named) is copied as films are copied in
life, all are scanned, and ways of telling that two films are copies are
compared: each with the threshold that is best on one half of the films, on the
other half.
"""

import argparse
import collections
import dataclasses
import fractions
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
from keras_ssc.library import copies
from keras_ssc.library import database
from keras_ssc.library import features
from keras_ssc.library import scanning
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
        library.picture(film.id, shot.number) for shot in library.shots(film.id)
    ]
    return [hash_of(picture) for picture in pictures if picture]


def _phash(picture):
    import imagehash  # not one of the project's dependencies
    from PIL import Image

    found = imagehash.phash(Image.open(io.BytesIO(picture)))
    return found.hash.ravel()


def _pdq(picture):
    import pdqhash  # the same

    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    return pdqhash.compute(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))[0] > 0


def _alike_hashes(one, other):
    n = min(len(one), len(other))
    return float(np.mean(np.equal(one[:n], other[:n])))


def _cosines(one, other):
    """Returns the mean cosine of vectors in order, (n, m) each."""
    n = min(len(one), len(other))
    one, other = one[:n], other[:n]
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(np.mean((one * other).sum(axis=1) / np.maximum(norms, 1e-9)))


def _halves(pairs):
    return np.split(np.float32(pairs), 2, axis=1)


def _frames(pairs):
    return _halves(pairs)[0]


def _flow(pairs):
    return _halves(pairs)[1]


def ways(library, films):
    """Returns a dict from ways to functions of two films that score them."""
    stored = {
        film.id: features.load(library.path, film.content).pairs
        for film in films
    }
    center = np.mean(
        [x.mean(axis=0, dtype=np.float64) for x in stored.values()], 0
    )
    center = np.float32(center)
    moved = {k: np.float32(x) - center for k, x in stored.items()}

    def of(parts, table):
        return lambda one, other: min(
            _cosines(part(table[one]), part(table[other])) for part in parts
        )

    def of_means(table):
        means = {
            k: x.mean(axis=0, keepdims=True, dtype=np.float32)
            for k, x in table.items()
        }
        return lambda one, other: _cosines(means[one], means[other])

    found = {
        "means of all features": of_means(stored),
        "means of all features, centred": of_means(moved),
        "frames in order": of([_frames], stored),
        "frames in order, centred": of([_frames], moved),
        "frames and motion in order": of([_frames, _flow], stored),
        "frames and motion in order, centred": of([_frames, _flow], moved),
    }
    for name, hash_of in (("imagehash.phash", _phash), ("pdqhash", _pdq)):
        try:
            hashes = {x.id: _hashes(library, x, hash_of) for x in films}
        except ImportError:
            continue
        found[f"{name} of the pictures, in order"] = (
            lambda one, other, hashes=hashes: _alike_hashes(
                hashes[one], hashes[other]
            )
        )
    return found
