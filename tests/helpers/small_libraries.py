"""Libraries of films that nobody reads: a file each, and drawn features."""

import numpy as np

from keras_ssc.library import database

NUM_FEATURES = 8


def create(path):
    """Creates an empty library; returns it, opened."""
    return database.Library(path, create=True)


def add(library, *paths, seed=0):
    """Adds films, each as if it had been scanned.

    Args:
        library: A `database.Library`.
        *paths: `pathlib.Path`s, whose files are made if they are not there.
        seed: Integer, of the features.

    Returns:
        List of integers, the films' `id`s.
    """
    random, films = np.random.default_rng(seed), []
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        content = f"{len(library.films()):064x}"
        films.append(library.add_file(path, content, 10, 20))
        library.set_read(
            films[-1],
            (4.0, 64, 36),
            [(0.0, 4.0, None)],
            random.normal(size=NUM_FEATURES),
            [],
        )
    return films
