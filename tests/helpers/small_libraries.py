"""Small libraries without films: their features are drawn numbers."""

import pathlib

import numpy as np

from keras_ssc.library import features
from keras_ssc.library.database import Library

# Of frames, and as many of motion.
SIZE = 8

_SHOTS, _PAIRS_OF_SHOT = 2, 3


def make(path, kinds, spread=0.3, seed=0):
    """Makes a library whose films of a kind have like features.

    Args:
        path: Path of the library's database.
        kinds: Sequence of integers, the kind of each film.
        spread: Float, how much films of a kind differ; kinds differ by about
            1.
        seed: Integer.

    Returns:
        A tuple: the `Library`, open; a list of the films' `id`s.
    """
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).uniform(0, 1, (100, 2 * SIZE))
    library, ids = Library(path, create=True), []
    num_pairs = _SHOTS * _PAIRS_OF_SHOT
    for number, kind in enumerate(kinds):
        content = f"{number:064x}"
        film = library.add_file(
            pathlib.Path(f"/films/{number}.mp4").absolute(), content, 1, 1
        )
        own = centres[kind] + spread * rng.normal(size=2 * SIZE)
        pairs = own + 0.1 * rng.normal(size=(num_pairs, 2 * SIZE))
        shot = np.repeat(np.arange(_SHOTS), _PAIRS_OF_SHOT)
        seconds = np.arange(num_pairs, dtype=float)
        features.save(
            library.path, content, features.Features(pairs, seconds, shot)
        )
        shots = [(0.0, 3.0, None), (3.0, 6.0, None)]
        library.set_read(film, (6.0, 64, 36), shots, pairs.mean(axis=0), [])
        ids.append(film)
    return library, ids


def add(library, *paths):
    """Adds films, each as if it had been scanned.

    Args:
        library: A `Library`.
        *paths: `pathlib.Path`s, whose files are made if they are not there.

    Returns:
        List of integers, the films' `id`s.
    """
    films = []
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        content = f"{len(library.films()):064x}"
        films.append(library.add_file(path, content, 10, 20))
        means = np.random.default_rng(films[-1]).normal(size=2 * SIZE)
        library.set_read(films[-1], (4.0, 64, 36), [(0, 4, None)], means, [])
    return films
