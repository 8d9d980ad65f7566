"""Stored features of a library's films, a file a film beside its database."""

import dataclasses
import io

import numpy as np

from keras_ssc import files


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """What the encoder makes of a film's pairs.

    Attributes:
        pairs: float16 array (pairs, n): of each pair the frame's features,
            then as many of its motion as a picture.
        seconds: float64 array (pairs,): each frame's presentation time.
        shot: int64 array (pairs,): the number of the shot that it is in.
    """

    pairs: np.ndarray
    seconds: np.ndarray
    shot: np.ndarray


def path_of(library, content):
    """Returns where a film's features lie.

    Args:
        library: `pathlib.Path` of the library's database.
        content: String, see `identity.content_of`.
    """
    folder = library.with_name(f"{library.name}.features")
    return folder / content[:2] / f"{content}.npz"


def save(library, content, features):
    """Writes a film's features, as `files.write_bytes` does.

    Args:
        library: See `path_of`.
        content: The same.
        features: A `Features`.

    Raises:
        OSError: If they cannot be written; what was there before stays.
    """
    path = path_of(library, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = io.BytesIO()
    np.savez(
        data,
        pairs=np.float16(features.pairs),
        seconds=np.float64(features.seconds),
        shot=np.int64(features.shot),
    )
    files.write_bytes(path, data.getvalue())


def load(library, content):
    """Reads what `save` wrote.

    Returns:
        A `Features`; None if there is no such file, or it is damaged: scan
        then reads the film once more.
    """
    try:
        with np.load(path_of(library, content), allow_pickle=False) as stored:
            found = Features(
                *(stored[name] for name in ("pairs", "seconds", "shot"))
            )
    # NumPy and zipfile raise errors of as many kinds as a file can be damaged
    # in ways.
    except Exception:
        return None
    return found if found.pairs.ndim == 2 else None
