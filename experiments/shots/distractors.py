"""What changes a shot's pictures much and is no transition."""

import cv2
import numpy as np

from experiments.shots.transitions import mixed

# Frames that any of them takes at most, but for those that take a whole shot.
MOST_FRAMES = 26


def put(kind, frames, start, rng, other):
    """Puts a distractor into a shot.

    Args:
        kind: String, a key of `DISTRACTORS`.
        frames: uint8 array (num_frames, height, width, 3), RGB; changed in
            place.
        start: Integer, the frame that it begins with.
        rng: `numpy.random.Generator`.
        other: uint8 array (height, width, 3), a picture of another shot.

    Returns:
        Integer, how many frames it takes from `start` on.
    """
    return DISTRACTORS[kind](frames, start, rng, other)


def _flash(frames, start, rng, other):
    num_frames = int(rng.integers(1, 4))
    for place in range(start, start + num_frames):
        frames[place] = mixed(frames[place], np.full_like(other, 255), 0.8)
    return num_frames


def _strobe(frames, start, rng, other):
    for place in range(24):
        if place % 4 < 2:
            frames[start + place] = _lit(frames[start + place], 0.25, 185)
    return 24


def _lightning(frames, start, rng, other):
    gains = (2.6, 1.2, 2.2, 2.0, 1.6, 1.3, 1.1)
    for place, gain in enumerate(gains):
        frames[start + place] = _lit(frames[start + place], gain, 20)
    return len(gains)


def _explosion(frames, start, rng, other):
    height, width = other.shape[:2]
    y, x = np.mgrid[:height, :width]
    centre = rng.uniform(0.25, 0.75) * width, rng.uniform(0.3, 0.7) * height
    distance = np.hypot(x - centre[0], y - centre[1]) / width
    fire = 0.75 + 0.35 * cv2.resize(
        rng.random((12, 20), np.float32), (width, height)
    )
    strengths = (0.35, 0.8, 0.97, 0.95, 0.85, 0.72, 0.6, 0.5)
    strengths += (0.4, 0.32, 0.25, 0.2, 0.15, 0.1, 0.05)
    for place, strength in enumerate(strengths):
        radius = 0.2 + 0.25 * min(place, 4)
        mask = np.clip(1.4 - distance / radius, 0, 1)[..., None] * strength
        colour = np.float32([255, 190 - 8 * place, 80 - 4 * place])
        burning = np.clip(colour * fire[..., None], 0, 255)
        frames[start + place] = mixed(frames[start + place], burning, mask)
    return len(strengths)


def _whip_pan(frames, start, rng, other):
    width, num_frames = other.shape[1], 10
    reach = 0.49 * width
    for place in range(len(frames)):
        way = _eased((place - start) / num_frames)
        frames[place] = _moved(frames[place], 2.0, reach * (1 - 2 * way))
        if start < place < start + num_frames:
            blur = int(1.2 * reach / num_frames)
            frames[place] = cv2.blur(frames[place], (max(blur, 1), 1))
    return num_frames


def _zoom(frames, start, rng, other):
    for place in range(len(frames)):
        way = _eased((place - start) / 12)
        frames[place] = _moved(frames[place], 1 + 1.3 * way)
    return 12


def _near_object(frames, start, rng, other):
    width = other.shape[1]
    thing = cv2.GaussianBlur(other, (0, 0), width / 50) // 2
    x, num_frames = np.arange(width) / width, 16
    for place in range(num_frames):
        left = -0.8 + 1.8 * (place + 0.5) / num_frames
        mask = np.clip((x - left) * 25, 0, 1)
        mask *= np.clip((left + 0.8 - x) * 25, 0, 1)
        mask = mask[None, :, None]
        frames[start + place] = mixed(frames[start + place], thing, mask)
    return num_frames


def _hand_held(frames, start, rng, other):
    unit, drift = other.shape[1] / 640, np.zeros(3)
    for place in range(len(frames)):
        drift = 0.75 * drift + rng.normal(0, (9 * unit, 7 * unit, 0.6))
        frames[place] = _moved(frames[place], 1.15, *drift)
    return len(frames) - start


def _subtitle(frames, start, rng, other):
    for place in range(start, start + 22):
        write(frames[place], "And what did he say to you then?", 0.92)
    return 22


def _lower_third(frames, start, rng, other):
    height, width = other.shape[:2]
    rows = slice(int(0.65 * height), int(0.95 * height))
    columns = slice(int(0.05 * width), int(0.95 * width))
    for place in range(start, start + 24):
        part = frames[place, rows, columns]
        part[:] = mixed(part, np.full_like(part, (20, 60, 160)), 0.85)
        write(frames[place], "CHANNEL 5  LIVE REPORT", 0.85)
    return 24


def _exposure(frames, start, rng, other):
    for place in range(len(frames)):
        gain = 1 - 0.6 * np.clip((place - start) / 14, 0, 1)
        frames[place] = _lit(frames[place], gain, 0)
    return 14


DISTRACTORS = {
    "flash": _flash,
    "strobe": _strobe,
    "lightning": _lightning,
    "explosion": _explosion,
    "whip_pan": _whip_pan,
    "zoom": _zoom,
    "near_object": _near_object,
    "hand_held": _hand_held,
    "subtitle": _subtitle,
    "lower_third": _lower_third,
    "exposure": _exposure,
}


def write(frame, text, height, scale=1.4, left=0.1):
    """Writes a line into a frame, in place.

    Args:
        frame: uint8 array (height, width, 3), RGB.
        text: String.
        height: Float, where its foot is, a share of the frame's height.
        scale: Float, how large, for a frame of 1,000 pixels' width.
        left: Float, where it begins, a share of the frame's width.
    """
    scale *= frame.shape[1] / 1000
    place = int(left * frame.shape[1]), int(height * frame.shape[0])
    thickness = max(round(2 * scale), 1)
    for colour, width in (
        ((0, 0, 0), thickness + 2),
        ((255, 255, 200), thickness),
    ):
        cv2.putText(frame, text, place, 0, scale, colour, width, cv2.LINE_AA)


def _lit(frame, gain, offset):
    return cv2.convertScaleAbs(frame, alpha=float(gain), beta=float(offset))


def _eased(part):
    part = np.clip(part, 0, 1)
    return part * part * (3 - 2 * part)


def _moved(frame, scale, right=0.0, down=0.0, angle=0.0):
    height, width = frame.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    matrix[:, 2] += right, down
    return cv2.warpAffine(
        frame, matrix, (width, height), borderMode=cv2.BORDER_REFLECT
    )
