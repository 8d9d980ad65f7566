"""What a run's training films look like: fitted by evaluate, read by predict.

They are told by what the embedded encoder makes of them, whatever model was
trained. Its features are stored beside the data set, as those of a run with
the same frozen trunk are.
"""

import sys

import numpy as np

from keras_ssc import models
from keras_ssc.data import resizing
from keras_ssc.genres import listing
from keras_ssc.metrics import familiarity
from keras_ssc.metrics import scoring
from keras_ssc.metrics.tables import percent
from keras_ssc.metrics.unlike import UNLIKE
from keras_ssc.metrics.unlike import is_unlike

FILE = "familiarity.npz"

# Genres that a text lists.
_MOST_TOLD = 21


def measure(run_dir, splits, split, films, progress=False):
    """Fits the familiarity of a run's training films, and judges a split.

    Where that cannot be done, it says why, and removes what an earlier
    evaluation wrote.

    Args:
        run_dir: `pathlib.Path` of the run's folder, which gets `FILE`.
        splits: See `datasets.DatasetSplits`.
        split: String, the split that is judged.
        films: List of dicts, its films as `metrics.json` has them.
        progress: Boolean, whether to show a progress bar.

    Returns:
        A dict of plain values for `metrics.json`: `familiarity`, a dict of
        `num_films` and `num_rows`, what it was fitted on, `strength`, from
        each genre to what `familiarity.strength` says of it, and
        `num_unlike`, how many of `films` are unlike the training films; or
        None. And `films`, each with `familiarity`, the median of its pairs',
        or None.

    Raises:
        OSError: If features or the file cannot be stored.
    """
    path = run_dir / FILE
    try:
        train, features = _encode_split(splits, "train", progress)
        fitted = familiarity.Familiarity.fit(features, train.film, _key())
    # Weights that are not installed, no training split, or a single film.
    except ValueError as error:
        print(
            "note: which films are unlike the training films is not known: "
            f"{error}",
            file=sys.stderr,
        )
        path.unlink(missing_ok=True)
        films = [{**film, "familiarity": None} for film in films]
        return {"familiarity": None, "films": films}
    fitted.save(path)
    strength = familiarity.strength(
        features, train.film, splits.task.is_of(train.label)
    )
    medians = _medians(fitted, *_encode_split(splits, split, progress))
    films = [{**film, "familiarity": medians[film["film"]]} for film in films]
    return {
        "familiarity": {
            "num_films": len(fitted.num_rows),
            "num_rows": len(fitted.rows),
            "strength": dict(zip(splits.task.genres, strength, strict=True)),
            "num_unlike": sum(is_unlike(film["familiarity"]) for film in films),
        },
        "films": films,
    }


def _medians(fitted, prepared, features):
    """Returns a dict from each film to the median familiarity of its pairs."""
    judged = fitted.judge(features)
    return {
        str(prepared.film[places[0]]): float(np.median(judged[places]))
        for places in scoring.places_of(prepared.film)
    }


def read(run_dir):
    """Reads what `measure` wrote.

    Args:
        run_dir: `pathlib.Path` of a run's folder.

    Returns:
        A `familiarity.Familiarity`; None if there is none, or it is of
        another encoder than the embedded one.

    Raises:
        ValueError: If the file is malformed.
        WeightsError: If the encoder's weights cannot be had.
    """
    path = run_dir / FILE
    if not path.exists():
        return None
    found = familiarity.Familiarity.load(path)
    return found if found.encoder == _key() else None


def find(run_dir, metrics):
    """Reads what `measure` wrote; tells what to do if there is nothing.

    Args:
        run_dir: `pathlib.Path` of a run's folder.
        metrics: Dict, the run's metrics.

    Returns:
        See `read`; None if the encoder's weights cannot be had, too.

    Raises:
        ValueError: If the file is malformed.
    """
    if "familiarity" in metrics and metrics["familiarity"] is None:
        # It could not be fitted, and evaluate said why.
        return None
    try:
        found = read(run_dir)
        remedy = f"python -m keras_ssc.evaluate {run_dir}"
    except models.WeightsError as error:
        found, remedy = None, str(error)
    if found is None:
        print(
            "note: which films are unlike the training films is not known: "
            f"{remedy}",
            file=sys.stderr,
        )
    return found


def encode(frame):
    """Returns the embedded encoder's features of frames.

    Args:
        frame: uint8 array (pairs, height, width, 3), RGB, of any size.

    Returns:
        float32 array (pairs, n), what `familiarity.Familiarity` judges.
    """
    name = models.EMBEDDED_FEATURES
    frame = resizing.resize(frame, models.EMBEDDED_SIZE).numpy()
    return models.embedded_encoder()({"frame": frame}, [name])[name]


def has_encoder(model):
    """Says whether a model's own features are the embedded encoder's.

    Args:
        model: A `keras.Model` of `models.MODELS`.
    """
    if tuple(model.input["frame"].shape[1:3]) != models.EMBEDDED_SIZE:
        return False
    name, own = models.EMBEDDED_FEATURES, models.Encoder(model)
    return own.keys.get(name) == models.embedded_encoder().keys[name]


def text(found, num_judged):
    """Says in some sentences what `measure` found.

    Args:
        found: Dict, the `familiarity` of what it returned.
        num_judged: Integer, how many films were judged.
    """
    if found is None:
        return "Which films are unlike the training films is not known."
    told = (
        f"{found['num_unlike']} of {num_judged:,} films are unlike "
        f"the {found['num_films']:,} training films (familiarity below "
        f"{UNLIKE})."
    )
    noticed = [
        f"{genre} {percent(share)}"
        for genre, share in found["strength"].items()
        if share is not None
    ]
    if noticed:
        told += (
            " If a genre is left out of the training films, this share of its "
            f"pairs is unlike the others: {listing(noticed, _MOST_TOLD)}."
        )
    return told


def _encode_split(splits, split, progress):
    """Returns a split, and the embedded encoder's features of its pairs."""
    encoder = models.embedded_encoder()
    prepared = splits.encode(
        split, models.EMBEDDED_SIZE, encoder, progress=progress
    )
    return prepared, prepared.features[models.EMBEDDED_FEATURES]


def _key():
    return models.embedded_encoder().keys[models.EMBEDDED_FEATURES]
