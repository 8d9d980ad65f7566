"""Small real film files for tests: each frame tells its own number."""

import fractions
import os

import av
import cv2
import numpy as np

from keras_ssc.data import pair_files
from keras_ssc.films import image_files
from keras_ssc.genres import REPORT_GENRES

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


def write_film(
    path,
    frames,
    rate=24,
    codec="libx264",
    options=None,
    muxer=None,
    ticks=None,
    pix_fmt="yuv420p",
    colours=None,
    pixel_aspect=None,
):
    """Writes RGB frames as a film.

    `colours` are numbers of H.273 that the file says: primaries, transfer
    function, matrix.
    """
    if options is None and codec == "libx264":
        options = {"crf": "12", "preset": "veryfast"}
    # The bytes depend on the frames alone: several threads cut a picture at
    # other places.
    options = {**(options or {}), "threads": "1", "flags": "+bitexact"}
    muxer = {"fflags": "bitexact", **(muxer or {})}
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w", options=muxer) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.pix_fmt = pix_fmt
        stream.height, stream.width = frames[0].shape[:2]
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if colours is not None:
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace = (
                colours
            )
        for place, picture in enumerate(frames):
            deep = picture.dtype == np.uint16
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(picture),
                format="rgb48le" if deep else "rgb24",
            ).reformat(format=pix_fmt, dst_colorspace=colours and colours[2])
            frame.pts = place if ticks is None else int(ticks[place])
            frame.time_base = 1 / fractions.Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_frames(root, genre, split, movie, frames):
    """Writes a film's frames into its folder of a folder of frames."""
    folder = root / pair_files.folder_name(genre, split)
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames, start=1):
        name = pair_files.frame_name(genre, movie, number)
        (folder / name).write_bytes(image_files.encode_frame(frame))


def copy_film(source, path, change=None, muxer=None, rotation=0):
    """Copies packets; `change` gets each and gives a packet or None."""
    change = change or (lambda packet: packet)
    with (
        av.open(source) as film,
        av.open(path, "w", options=muxer or {}) as container,
    ):
        stream = container.add_stream_from_template(film.streams.video[0])
        if rotation:
            stream.set_display_rotation(rotation)
        for packet in film.demux(film.streams.video[0]):
            if packet.size and (packet := change(packet)) is not None:
                packet.stream = stream
                container.mux(packet)
    return path


def write_sound(path, cover=None):
    """Writes a file with sound and no picture, or only a cover."""
    with av.open(path, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        if cover is not None:
            add_cover(container, cover)
        for place_in_time in range(8):
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
            frame.sample_rate, frame.pts = 8000, 1024 * place_in_time
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def add_cover(container, picture):
    """Writes a picture as a film's cover: a second, still video track."""
    cover = container.add_stream("mjpeg", rate=1)
    cover.height, cover.width = picture.shape[:2]
    cover.pix_fmt = "yuvj420p"
    cover.disposition = av.stream.Disposition.attached_pic
    container.mux(cover.encode(av.VideoFrame.from_ndarray(picture)))
    container.mux(cover.encode(None))


def write_list(path, *rows):
    """Writes a film list; a row is film, genre, split, path, start, end."""
    lines = ["film,genre,split,path,start,end", *rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# When films were written, seconds since 1970: not just now.
LONG_AGO = 1_600_000_000


def write_library(folder):
    """Writes two films, and a file that is none, as if long ago."""
    for number, name in enumerate(["harbour", "wood"]):
        write_film(folder / f"{name}.mp4", shot(number, 24 + number))
    (folder / "broken.mp4").write_bytes(b"no film at all")
    for path in folder.iterdir():
        os.utime(path, (LONG_AGO, LONG_AGO))


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
        split = "test" if number // len(REPORT_GENRES) % 10 == 0 else "train"
        genre = REPORT_GENRES[number % len(REPORT_GENRES)]
        rows.append(f"{path.stem},{genre},{split},{path.name},,")
    return write_list(folder / f"films_{num_films}.csv", *rows)
