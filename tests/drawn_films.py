"""Small real film files for tests: each frame tells its own number."""

import av
import cv2
import numpy as np

from keras_ssc.genres import GENRES

SIZE = (96, 64)  # width, height


def place(number):
    """A textured place; another number is another place."""
    width, height = SIZE
    generator = np.random.default_rng(1000 + number)
    noise = generator.uniform(0, 255, (height + 32, width + 256, 3))
    smooth = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 3)
    low, high = smooth.min(), smooth.max()
    picture = 40 + 200 * (smooth - low) / (high - low)
    tint = generator.uniform(0.5, 1.0, 3)
    return (picture * tint).astype(np.uint8)


def shot(number, num_frames, speed=1):
    """A camera that moves over a place, `speed` pixels a frame."""
    width, height = SIZE
    picture = place(number)
    return [
        picture[8 : 8 + height, 8 + speed * i : 8 + speed * i + width]
        for i in range(num_frames)
    ]


def black(num_frames):
    """Frames of nothing."""
    width, height = SIZE
    return [np.zeros((height, width, 3), np.uint8)] * num_frames


def write_film(path, frames, rate=24, codec="libx264", options=None):
    """Writes frames, RGB, as a film whose bytes depend on nothing else."""
    if options is None and codec == "libx264":
        options = {"crf": "12", "preset": "veryfast"}
    # One thread: more of them cut a picture elsewhere.
    options = {**(options or {}), "threads": "1", "flags": "+bitexact"}
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"fflags": "bitexact"}) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(frame), format="rgb24"
            )
            # Not left to the encoder: now and then, early in a process, it
            # sees other bytes beside the picture, and writes others.
            container.mux(stream.encode(picture.reformat(format="yuv420p")))
        container.mux(stream.encode())
    return path


def write_sound(path):
    """Writes a file with sound and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        for place_in_time in range(8):
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
            frame.sample_rate, frame.pts = 8000, 1024 * place_in_time
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_list(path, *rows):
    """Writes a film list; a row is film, genre, split, path, start, end."""
    lines = ["film,genre,split,path,start,end", *rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_films(folder, num_films):
    """Writes films of a second of all genres and splits; returns their list.

    Films that are there are not written again.
    """
    rows = []
    for number in range(num_films):
        path = folder / f"{number:05d}.mp4"
        if not path.exists():
            write_film(path, shot(number, 24))
        # Every tenth one tests, and there is one of each genre.
        split = "test" if number // len(GENRES) % 10 == 0 else "train"
        genre = GENRES[number % len(GENRES)]
        rows.append(f"{path.stem},{genre},{split},{path.name},,")
    return write_list(folder / f"films_{num_films}.csv", *rows)
