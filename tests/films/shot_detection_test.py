import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from keras_ssc.films import frame_reading
from keras_ssc.films import shot_detection
from keras_ssc.films import thumbnails

_SIZE = 320, 180


def _scene(seed):
    """A wide picture, through which a camera may pan."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (12, 90, 3), np.uint8)
    return cv2.resize(coarse, (2400, 180), interpolation=cv2.INTER_CUBIC)


def _pan(seed, num_frames, step):
    width, _ = _SIZE
    scene = _scene(seed)
    return [scene[:, n * step : n * step + width] for n in range(num_frames)]


def _look_at(frames, is_small=lambda number: True):
    """Looks at frames; those that are not small cannot be looked at closer."""
    seen, found = None, []
    for number, rgb in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb))

        def small(number=number, rgb=rgb):
            assert is_small(number)
            return rgb

        seen = shot_detection.look_at(
            frame_reading.ScannedFrame(
                number, *thumbnails.of(frame, VideoReformatter()), small, None
            ),
            seen,
        )
        found.append(seen.is_cut)
    return np.flatnonzero(found).tolist()


@pytest.mark.parametrize("step", [0, 8, 40])
def test_a_cut_stands_out_from_motion(step):
    frames = [*_pan(1, 6, step), *_pan(2, 6, step)]
    assert _look_at(frames) == [6]


def test_a_cut_after_a_flash_is_found():
    frames = [*_pan(1, 6, 8), *_pan(2, 6, 8)]
    frames[5] = cv2.convertScaleAbs(frames[5], alpha=2.5, beta=185)
    assert 6 in _look_at(frames)


def test_of_cuts_that_follow_at_once_all_are_found():
    frames = [_scene(seed)[:, :320] for seed in (1, 1, 1, 2, 3, 4, 5, 6, 6)]
    assert _look_at(frames) == [3, 4, 5, 6, 7]


def test_motion_that_goes_on_is_not_looked_at_closer():
    frames = _pan(1, 12, 70)
    assert _look_at(frames, is_small=lambda number: number < 4) == []
