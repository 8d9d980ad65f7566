"""Fits the weights of `films.transitions` on corpora with known transitions.

On other sources than those that are reported on: see `make --half`.
"""

import contextlib

import numpy as np
import sklearn.linear_model

from keras_ssc.films import frame_index
from keras_ssc.films import shot_detection
from keras_ssc.films import transitions

# Frames that are looked at at once, and of these the rim that only decides.
_NUM_FRAMES, _RIM = 600, 80

# A stretch is a transition if its ends are off by so many frames at most, or
# by this share of its length; one that is further off is left out.
_MOST_OFF, _MOST_SHARE_OFF = 2, 0.15


def fit(films, progress):
    """Fits logistic regressions of what stretches of films show.

    Args:
        films: List of `scoring.Film`.
        progress: Function of a string, called for each film.

    Returns:
        A dict from `blend` and `wipe` to a tuple (weights, offset, number of
        stretches, how many of them are transitions).
    """
    rows = {"blend": [], "wipe": []}
    for film in films:
        progress(f"{film.path}: looked at")
        for first, middles, part in _parts(film.path):
            for kind, before, after, evidence in _stretches(part):
                if (before + after) // 2 not in middles:
                    continue
                name = {"blend": "dissolve"}.get(kind, kind)
                label = _label(film, name, first + before, first + after)
                if label is not None:
                    rows[kind].append((label, evidence))
    return {
        kind: _regression(*zip(*found, strict=True))
        for kind, found in rows.items()
    }


def text_of(found):
    """Returns what `fit` found, as lines for `films.transitions`."""
    return "\n".join(
        f"{kind}: weights {[round(float(x), 2) for x in weights]}, offset "
        f"{offset:.2f} ({number} stretches, {num_true} of them transitions)"
        for kind, (weights, offset, number, num_true) in found.items()
    )


def _parts(path):
    """Yields (first frame, the middles that it decides, `Part`) of a film."""
    index = frame_index.index_frames(path)
    with contextlib.closing(shot_detection.look_at_all(index)) as looked:
        seen = [
            (each.frame.colours, each.is_blank, each.is_cut) for each in looked
        ]
    for first in range(0, len(seen), _NUM_FRAMES - 2 * _RIM):
        part = seen[first : first + _NUM_FRAMES]
        is_last = first + _NUM_FRAMES >= len(seen)
        yield (
            first,
            range(
                _RIM if first else 0,
                len(part) if is_last else len(part) - _RIM,
            ),
            transitions.Part(*map(np.array, zip(*part, strict=True))),
        )


def _stretches(part):
    """Yields (kind, before, after, evidence) of all that may be one."""
    for length in transitions.LENGTHS:
        if length < part.num_frames:
            found = transitions.blend_evidence(
                part, length, *part.stretches(length)
            )
            for before, after, evidence in zip(*found, strict=True):
                yield "blend", int(before), int(after), evidence
    for length in transitions.WIPE_LENGTHS:
        if length < part.num_frames:
            for before, after, *around in zip(
                *transitions.wipe_candidates(part, length), strict=True
            ):
                edge = transitions.edge_evidence(part, before, after)
                if edge is not None:
                    evidence, start, end = edge
                    yield "wipe", start, end, np.array([*evidence, *around])


def _label(film, kind, before, after):
    """Says whether a stretch is a transition; None if it is one in part."""
    for each in film.transitions:
        if each.kind == "cut" or not (
            before < each.end_frame and after > each.first_frame
        ):
            continue
        most_off = max(_MOST_OFF, _MOST_SHARE_OFF * each.num_frames)
        is_it = (
            each.kind == kind
            and abs(before + 1 - each.first_frame) <= most_off
            and abs(after - each.end_frame) <= most_off
        )
        return True if is_it else None
    return False


def _regression(labels, evidence):
    fitted = sklearn.linear_model.LogisticRegression(max_iter=5000)
    fitted.fit(np.stack(evidence), labels)
    return (
        fitted.coef_[0],
        float(fitted.intercept_[0]),
        len(labels),
        int(sum(labels)),
    )
