"""Frames as a viewer sees them: colours, fields, sides, palettes."""

import fractions
import struct

import av
import numpy as np
import pytest
from av.filter import Graph
from av.video.reformatter import Colorspace

from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from tests.helpers import drawn_films

# PyAV 17 cannot write BT.2020's; what is read does not depend on it.
BT2020_MATRIX = 9 if hasattr(Colorspace, "BT2020") else 1

X265 = {"crf": "2", "x265-params": "log-level=none"}

# What H.273 calls each kind of film: primaries, transfer function, matrix. Of
# each, patches: their levels in the file, in 16 bits, as FFmpeg's zscale made
# them of (128, 128, 128), (235, 235, 235), (200, 30, 30), (30, 180, 30),
# (30, 30, 200), (200, 30, 200), (120, 80, 60) and (60, 90, 140).
PLAIN = np.array(
    [
        *((128, 128, 128), (235, 235, 235), (200, 30, 30), (30, 180, 30)),
        *((30, 30, 200), (200, 30, 200), (120, 80, 60), (60, 90, 140)),
    ]
)
COLOURS = {
    "PQ": (
        (9, 16, BT2020_MATRIX),
        [
            *((27201, 27201, 27201), (36591, 36591, 36591)),
            *((31042, 19055, 14097), (25676, 31817, 18882)),
            *((17071, 13115, 33308), (31392, 19647, 33418)),
            *((24637, 21420, 17947), (20340, 22197, 28090)),
        ],
    ),
    "HLG": (
        (9, 18, BT2020_MATRIX),
        [
            *((29213, 29213, 29213), (46875, 46875, 46875)),
            *((37173, 15922, 10199), (26140, 38616, 15752)),
            *((13404, 9222, 41281), (37955, 16719, 41592)),
            *((24353, 19192, 14513), (17692, 20334, 30962)),
        ],
    ),
    "P3 of screens": (
        (12, 1, 1),
        [
            *((32790, 32790, 32790), (60215, 60215, 60215)),
            *((47485, 13895, 11538), (22999, 45480, 16431)),
            *((7485, 7586, 49383), (47225, 13766, 49703)),
            *((29201, 21047, 16213), (17114, 22854, 34944)),
        ],
    ),
    "P3 of cinemas": (
        (11, 1, 1),
        [
            *((32790, 32790, 32790), (60215, 60215, 60215)),
            *((48546, 14104, 11505), (20338, 45444, 16376)),
            *((8264, 8610, 49331), (48429, 14443, 49772)),
            *((29505, 21067, 16152), (16884, 22922, 34944)),
        ],
    ),
    "BT.2020": (
        (9, 14, BT2020_MATRIX),
        [
            *((32790, 32790, 32790), (60215, 60215, 60215)),
            *((42401, 17854, 11449), (29306, 44581, 17730)),
            *((15043, 10333, 48951), (43383, 18770, 49394)),
            *((27349, 21503, 16287), (19829, 22798, 34792)),
        ],
    ),
    "BT.709": ((1, 1, 1), 257 * PLAIN),
    "BT.601": ((6, 6, 6), 257 * PLAIN),
}


def patches(levels):
    """A picture of eight patches, 64x32 pixels each."""
    rows = np.array(levels, np.uint16).reshape(4, 2, 3)
    return rows.repeat(32, axis=0).repeat(64, axis=1)


def patch_means(frame):
    """The mean colour of each patch, without its edges."""
    tiles = frame.reshape(4, 32, 2, 64, 3)[:, 8:24, :, 8:56]
    return tiles.mean(axis=(1, 3)).reshape(8, 3)


@pytest.mark.parametrize("name", COLOURS)
def test_colours_are_those_of_a_plain_screen(tmp_path, name):
    colours, levels = COLOURS[name]
    path = drawn_films.write_film(
        tmp_path / "film.mkv",
        [patches(levels)] * 2,
        codec="libx265",
        options=X265,
        pix_fmt="yuv444p10le",
        colours=colours,
    )
    ((_, _, frame),) = frame_reading.read_frames(path, [1])
    difference = np.abs(patch_means(frame) - PLAIN)
    assert difference.mean() < 2
    assert difference.max() < 8


@pytest.mark.parametrize("size, matrix", [((1280, 720), 1), ((720, 576), 6)])
def test_a_film_that_does_not_say_its_matrix_has_that_of_its_size(
    tmp_path, size, matrix
):
    frame = av.VideoFrame.from_ndarray(
        np.full((size[1], size[0], 3), (30, 180, 30), np.uint8), "rgb24"
    ).reformat(format="yuv420p", dst_colorspace=matrix)
    path = tmp_path / "silent.mp4"
    with av.open(path, "w") as film:
        stream = film.add_stream("libx264", rate=24, options={"crf": "4"})
        stream.width, stream.height = size
        frame.colorspace = 2  # not said
        film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    ((_, _, shown),) = frame_reading.read_frames(path, [0])
    np.testing.assert_allclose(shown[50, 50], (30, 180, 30), atol=4)


def test_a_transfer_function_that_nobody_knows_is_told(tmp_path):
    picture = 257 * patches(PLAIN)
    path = drawn_films.write_film(
        tmp_path / "log.mp4", [picture] * 2, colours=(1, 10, 1)
    )
    index = frame_index.index_frames(path)
    (note,) = index.notes
    assert "transfer function, number 10 of H.273, is not known" in note
    ((_, _, frame),) = frame_reading.read_frames(path, [1], index)
    np.testing.assert_allclose(patch_means(frame), PLAIN, atol=5)


# ----- fields


def moved(number):
    """Stripes and a square that move by 6 pixels a field."""
    columns, rows = np.meshgrid(np.arange(128), np.arange(96))
    picture = 128 + 60 * np.sin((columns + 6 * number) / 9 + rows / 30)
    left = 6 * number % 96
    picture[40:60, left : left + 20] = 240
    return picture.astype(np.uint8)[..., np.newaxis].repeat(3, axis=2)


def woven(number):
    """A frame of two fields: the lower lines of each two come first."""
    frame = moved(2 * number + 1)
    frame[1::2] = moved(2 * number)[1::2]
    return frame


@pytest.fixture(scope="module")
def interlaced(tmp_path_factory):
    return drawn_films.write_film(
        tmp_path_factory.mktemp("fields") / "film.mkv",
        [woven(number) for number in range(16)],
        options={"crf": "4", "g": "8", "x264-params": "bff=1"},
        pix_fmt="yuv444p",
    )


def read(path, numbers, **settings):
    return {
        number: frame.astype(int)
        for number, _, frame in frame_reading.read_frames(
            path, numbers, **settings
        )
    }


@pytest.mark.parametrize("way", ["forward", "seek"])
def test_interlaced_frames_are_deinterlaced_as_ffmpeg_does(interlaced, way):
    graph = Graph()
    with av.open(interlaced) as film:
        source = graph.add_buffer(template=film.streams.video[0])
        sink = graph.add("buffersink")
        graph.link_nodes(source, graph.add("bwdif", "send_frame"), sink)
        graph.configure()
        expected = []
        for frame in [*film.decode(video=0), None]:
            source.push(frame)
            while True:
                try:
                    expected.append(sink.pull().to_ndarray(format="rgb24"))
                except (BlockingIOError, EOFError):
                    break
    assert len(expected) == 16
    # One frame a frame: the numbers stay.
    for number, frame in read(interlaced, [0, 5, 6, 11, 15], way=way).items():
        np.testing.assert_array_equal(frame, expected[number])


def test_a_deinterlaced_frame_is_the_moment_of_its_first_field(interlaced):
    inner = (slice(4, -4), slice(4, -4))
    combed = read(interlaced, [6, 7], deinterlace="no")
    for number, frame in read(interlaced, [6, 7]).items():
        truth = moved(2 * number).astype(int)[inner]
        assert np.abs(frame[inner] - truth).mean() < 3
        assert np.abs(combed[number][inner] - truth).mean() > 6


def test_small_frames_of_a_scan_mix_the_fields(interlaced):
    for frame in frame_reading.scan_frames(interlaced, long_side=64):
        assert frame.small().shape == (48, 64, 3)
        if frame.number == 6:
            expected = read(interlaced, [6])[6]
            np.testing.assert_array_equal(frame.whole(), expected)


@pytest.mark.parametrize("deinterlace", ["auto", "no", "yes"])
def test_fields_of_one_moment_stay_as_they_are(tmp_path, deinterlace):
    path = drawn_films.write_film(
        tmp_path / "progressive.mkv",
        [moved(number) for number in range(6)],
        options={"crf": "4", "x264-params": "tff=1"},
        pix_fmt="yuv444p",
    )
    assert frame_index.index_frames(path).interlaced
    plain = read(path, [2, 3], deinterlace="no")
    for number, frame in read(path, [2, 3], deinterlace=deinterlace).items():
        same = (frame == plain[number]).all()
        assert same == (deinterlace != "yes")


def test_an_unknown_way_to_deinterlace_is_refused(interlaced):
    with pytest.raises(ValueError, match=r"auto, no, yes.*'bob'"):
        frame_reading.read_frames(interlaced, [0], deinterlace="bob")


# ----- sides


def with_matrix(source, path, a, b, c, d):
    """Copies an mp4 and writes its display matrix."""
    data = bytearray(source.read_bytes())
    start = data.find(b"tkhd") + 44
    values = [round(65536 * value) for value in (a, b, 0, c, d, 0, 0, 0)]
    data[start : start + 36] = struct.pack(">9i", *values, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def lying(tmp_path_factory):
    """A film without a matrix: four corners of unlike brightness."""
    picture = np.zeros((48, 80, 3), np.uint8)
    picture[:24, :40], picture[:24, 40:] = 230, 160
    picture[24:, :40], picture[24:, 40:] = 90, 20
    folder = tmp_path_factory.mktemp("sides")
    drawn_films.write_film(folder / "film.mp4", [picture] * 3)
    return folder / "film.mp4", picture


@pytest.mark.parametrize(
    "a, b, c, d",
    [
        *((1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1)),
        *((0, 1, -1, 0), (0, -1, 1, 0), (0, 1, 1, 0), (0, -1, -1, 0)),
    ],
)
def test_a_display_matrix_is_applied_whole(lying, tmp_path, a, b, c, d):
    source, stored = lying
    path = with_matrix(source, tmp_path / "film.mp4", a, b, c, d)
    # Each pixel moved as the matrix says.
    rows, columns = np.mgrid[:48, :80]
    across, down = a * columns + c * rows, b * columns + d * rows
    across, down = across - across.min(), down - down.min()
    upright = np.zeros((down.max() + 1, across.max() + 1, 3), np.uint8)
    upright[down, across] = stored
    index = frame_index.index_frames(path)
    assert (index.height, index.width) == upright.shape[:2]
    assert index.notes == ()
    ((_, _, frame),) = frame_reading.read_frames(path, [1], index)
    assert np.abs(frame.astype(int) - upright).mean() < 4


def test_a_matrix_of_nonsense_is_told(lying, tmp_path):
    source, stored = lying
    path = with_matrix(source, tmp_path / "film.mp4", 0.9, 0.5, -0.5, 0.9)
    index = frame_index.index_frames(path)
    (note,) = index.notes
    assert "display matrix is no turn by right angles" in note
    ((_, _, frame),) = frame_reading.read_frames(path, [1], index)
    assert np.abs(frame.astype(int) - stored).mean() < 4


@pytest.mark.parametrize("aspect", ["16/15", "1/20"])
def test_pixels_have_their_shape_unless_it_is_nonsense(tmp_path, aspect):
    path = drawn_films.write_film(
        tmp_path / "film.mkv",
        drawn_films.shot(1, 3),
        pixel_aspect=fractions.Fraction(aspect),
    )
    index = frame_index.index_frames(path)
    if aspect == "16/15":
        assert index.pixel_aspect == pytest.approx(16 / 15)
        assert index.notes == ()
    else:
        assert index.pixel_aspect == 1
        assert "they are taken as square" in index.notes[0]


# ----- what a stream hands over once


@pytest.mark.parametrize("way", ["forward", "seek", "auto"])
@pytest.mark.parametrize("name", ["film.avi", "film.mov"])
def test_a_palette_is_there_after_a_seek(tmp_path, name, way):
    path = tmp_path / name
    places = np.arange(256, dtype=np.uint8)
    palette = np.stack([0 * places + 255, places, 255 - places, places // 2])
    palette = np.ascontiguousarray(palette.T)  # ARGB
    with av.open(path, "w") as film:
        stream = film.add_stream("rawvideo", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "pal8"
        for number in range(24):
            levels = np.full((32, 64), 10 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray((levels, palette), "pal8")
            frame.pts = number
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    for number, frame in read(path, [3, 11, 20], way=way).items():
        level = 10 * number
        assert frame[16, 32].tolist() == [level, 255 - level, level // 2]
