"""What a model is to say of a film: one genre, or several.

A task knows a data set's genres, and all that differs between the two: labels,
loss, scores, calibration, decision, metrics and their figures. Nobody else
asks which task it is.
"""

from keras_ssc import checks
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.tasks.one import OneGenre
from keras_ssc.tasks.several import SeveralGenres

TASKS = {task.name: task for task in (OneGenre, SeveralGenres)}

# Of what was made before genres were written down.
REPORT = OneGenre(REPORT_GENRES)


def of(name, genres):
    """Makes a task.

    Args:
        name: String, a key of `TASKS`.
        genres: Sequence of strings, in the order of the model's outputs.

    Returns:
        A `OneGenre` or a `SeveralGenres`, not calibrated.

    Raises:
        ValueError: If there is no such task.
    """
    checks.one_of("task", name, TASKS)
    return TASKS[name](tuple(genres))


def read(values):
    """Makes a task of what a file says of it.

    Args:
        values: Dict with what `described` of a task returns among other
            things; it may be malformed. Without `task` and `genres`, of an
            earlier version, it is the report's six genres.

    Returns:
        A task, not calibrated.

    Raises:
        ValueError: If it is malformed.
    """
    genres = values.get("genres", list(REPORT_GENRES))
    is_whole = isinstance(genres, list) and all(
        isinstance(genre, str) for genre in genres
    )
    if not is_whole or len(set(genres)) < len(genres) or not genres:
        raise ValueError(f"genres is {str(genres)[:80]}")
    return of(values.get("task", OneGenre.name), genres)


def of_feature(feature):
    """Makes the task of a data set's label, a TFDS feature; None if it is none.

    Args:
        feature: What the data set's features have under `label`.
    """
    import tensorflow_datasets as tfds

    name = OneGenre.name
    if isinstance(feature, tfds.features.Sequence):
        name, feature = SeveralGenres.name, feature.feature
    if not isinstance(feature, tfds.features.ClassLabel):
        return None
    return of(name, feature.names) if feature.names else None


def of_answer(answer):
    """Makes the task of a served model, calibrated but for its scores.

    Args:
        answer: A `client.Answer` of it, or anything with `scores` and
            `thresholds`.
    """
    genres = tuple(answer.scores)
    if answer.thresholds is None:
        return OneGenre(genres)
    limits = tuple(answer.thresholds[genre] for genre in genres)
    return SeveralGenres(genres, limits=limits)


def of_card(card):
    """Makes the task of an export, calibrated but for its scores.

    Args:
        card: What `exported.read_card` returned.

    Raises:
        ValueError: If it is malformed.
    """
    task = read(card)
    limits = card.get("thresholds")
    if task.thresholds is None or limits is None:
        return task
    try:
        return SeveralGenres(
            task.genres,
            limits=tuple(float(limits[genre]) for genre in task.genres),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"thresholds is {str(limits)[:80]}") from error


def of_metrics(measured, run_dir):
    """Makes the task of a run that was evaluated, calibrated.

    Args:
        measured: What its `metrics.json` has; it may be malformed.
        run_dir: Path of the run, for the error.

    Returns:
        A task.

    Raises:
        ValueError: If it was not evaluated.
    """
    try:
        return read(measured).with_calibration(measured["calibration"])
    except (KeyError, TypeError, IndexError, AttributeError, ValueError):
        pass
    raise ValueError(
        "Expected a run that was evaluated, for its scores to be "
        f"calibrated: python -m keras_ssc.evaluate {run_dir}"
    )
