import os
import pickle

import av
import numpy as np
import pytest

from keras_ssc.errors import VideoError
from keras_ssc.films import black_bars
from keras_ssc.films import container
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from tests.helpers import drawn_films

WIDTH, HEIGHT, BLOCK = 96, 64, 16
NUM_FRAMES = 130
RATE = 24

# How each film is written: file name, encoder, its options, container's.
LONG_GOP = {"g": "250", "bf": "3", "preset": "veryfast"}
FILMS = {
    "h264.mp4": ("libx264", LONG_GOP, {}),
    "short groups.mp4": ("libx264", {"g": "12", "bf": "3"}, {}),
    "fragments.mp4": (
        "libx264",
        {"g": "24", "bf": "2"},
        {"movflags": "frag_keyframe+empty_moov"},
    ),
    "open groups.mkv": (
        "libx264",
        {"g": "20", "bf": "3", "x264-params": "open-gop=1:scenecut=0"},
        {},
    ),
    "refresh.mp4": (
        "libx264",
        {"bf": "0", "g": "20", "x264-params": "intra-refresh=1"},
        {},
    ),
    "no cues.mkv": ("libx264", {"g": "30", "bf": "3"}, {"live": "1"}),
    "h264.ts": ("libx264", {"g": "24", "bf": "3"}, {}),
    "h264.avi": ("libx264", {"g": "24", "bf": "3"}, {}),
    "h264.flv": ("libx264", {"g": "24", "bf": "3"}, {}),
    "raw.h264": ("libx264", {"g": "24", "bf": "3"}, {}),
    "mpeg4.mp4": ("mpeg4", {"g": "25", "bf": "2", "b": "900k"}, {}),
    "mpeg4.avi": ("mpeg4", {"g": "25", "bf": "2", "b": "900k"}, {}),
    "vp8.webm": ("libvpx", {"g": "30", "b": "900k", "cpu-used": "8"}, {}),
    "vp9.webm": (
        "libvpx-vp9",
        {"g": "30", "cpu-used": "8", "deadline": "realtime", "b": "900k"},
        {},
    ),
    "variable rate.mp4": ("libx264", {"g": "30", "bf": "3"}, {}),
}


def drawn(number):
    """A frame that carries its number, as ten blocks, and moving grey."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    texture = 128 + 60 * np.sin((columns + 3 * number) / 7 + rows / 5)
    frame = np.repeat(texture[..., None], 3, axis=2)
    for bit in range(10):
        top, left = 16 + bit // 5 * BLOCK, 8 + bit % 5 * BLOCK
        frame[top : top + BLOCK, left : left + BLOCK] = (
            255 if number >> bit & 1 else 0
        )
    return frame.astype(np.uint8)


def number_in(frame):
    """The number that `drawn` put into a frame."""
    number = 0
    for bit in range(10):
        top, left = 16 + bit // 5 * BLOCK, 8 + bit % 5 * BLOCK
        block = frame[top + 4 : top + 12, left + 4 : left + 12]
        number |= int(block.mean() > 128) << bit
    return number


def ticks_of(name, num_frames=NUM_FRAMES):
    """When each frame is shown, in 24ths of a second."""
    if name == "variable rate.mp4":
        steps = 1 + np.arange(num_frames) ** 2 % 5
        return np.concatenate([[0], np.cumsum(steps)[:-1]])
    return np.arange(num_frames)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    pictures = [drawn(number) for number in range(NUM_FRAMES)]
    for name, (codec, options, muxer) in FILMS.items():
        ticks = ticks_of(name)
        drawn_films.write_film(
            folder / name, pictures, RATE, codec, options, muxer, ticks
        )
    return folder


@pytest.fixture
def h264(films):
    return films / "h264.mp4"


@pytest.fixture
def num_decoded(monkeypatch):
    """Counts the packets that are given to the decoder."""
    count = [0]
    decode = container.decode

    def counted(stream, packets, on_error):
        def passed_on():
            for packet in packets:
                count[0] += 1
                yield packet

        return decode(stream, passed_on(), on_error)

    monkeypatch.setattr(container, "decode", counted)
    return count


@pytest.mark.parametrize("name", FILMS)
def test_every_frame_is_listed_at_its_time(films, name):
    index = frame_index.index_frames(films / name)
    assert index.num_frames == NUM_FRAMES
    assert index.path == films / name
    assert (index.width, index.height, index.rotation) == (WIDTH, HEIGHT, 0)
    # Matroska and flv write times in whole milliseconds.
    np.testing.assert_allclose(
        index.seconds, ticks_of(name) / RATE, rtol=0, atol=0.00101
    )
    assert index.seconds[0] == 0
    assert index.is_key_frame[0]
    assert index.seconds.dtype == np.float64
    assert index.pts.dtype == np.int64
    assert index.is_key_frame.dtype == bool


@pytest.mark.parametrize("way", ["auto", "forward", "seek"])
@pytest.mark.parametrize("name", FILMS)
def test_the_frame_asked_for_is_the_frame_read(films, name, way):
    path = films / name
    index = frame_index.index_frames(path)
    scattered = [129, 3, 4, 77, 78, 19, 20, 21, 60, 101]
    for wanted in (range(NUM_FRAMES), scattered, [0], [59], [NUM_FRAMES - 1]):
        read = list(frame_reading.read_frames(path, wanted, index, way))
        assert [number for number, _, _ in read] == sorted(wanted)
        for number, seconds, frame in read:
            assert number_in(frame) == number
            assert seconds == index.seconds[number]
            assert frame.shape == (HEIGHT, WIDTH, 3)
            assert frame.dtype == np.uint8
            assert frame.flags.c_contiguous


@pytest.mark.parametrize("name", FILMS)
def test_every_way_gives_the_same_pixels(films, name):
    path = films / name
    index = frame_index.index_frames(path)
    wanted = range(1, NUM_FRAMES, 7)
    forward, seek, auto = (
        [
            frame
            for _, _, frame in frame_reading.read_frames(
                path, wanted, index, way
            )
        ]
        for way in ("forward", "seek", "auto")
    )
    np.testing.assert_array_equal(seek, forward)
    np.testing.assert_array_equal(auto, forward)


@pytest.mark.parametrize("name", ["h264.mp4", "h264.ts"])
def test_a_scan_of_some_frames_is_that_of_all(films, name):
    path = films / name
    every = {
        frame.number: (frame.luma, frame.colours, frame.small())
        for frame in frame_reading.scan_frames(path, long_side=32)
    }
    some = frame_reading.scan_frames(
        path, long_side=32, frame_numbers=[101, 3, 4, 77, 3]
    )
    for number, frame in zip((3, 4, 77, 101), some, strict=True):
        assert frame.number == number
        assert number_in(frame.whole()) == number
        found = frame.luma, frame.colours, frame.small()
        for one, other in zip(found, every[number], strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=f"0 to {NUM_FRAMES - 1}"):
        frame_reading.scan_frames(path, frame_numbers=[NUM_FRAMES])


def test_numbers_come_once_in_order_and_none_is_nothing(h264):
    read = frame_reading.read_frames(h264, np.array([9, 2, 9, 5]))
    assert [number for number, _, _ in read] == [2, 5, 9]
    assert list(frame_reading.read_frames(h264, [])) == []


@pytest.mark.parametrize("numbers", [[-1], [0, NUM_FRAMES], [10**9]])
def test_numbers_outside_the_film_are_refused(h264, numbers):
    with pytest.raises(ValueError, match=f"0 to {NUM_FRAMES - 1}"):
        frame_reading.read_frames(h264, numbers)


def test_an_unknown_way_is_refused(h264):
    with pytest.raises(ValueError, match=r"auto, forward, seek.*'fast'"):
        frame_reading.read_frames(h264, [0], way="fast")


def test_a_seek_decodes_one_group_of_pictures(films, num_decoded):
    path = films / "short groups.mp4"
    index = frame_index.index_frames(path)
    num_decoded[0] = 0
    list(frame_reading.read_frames(path, [100, 101], index))
    assert 0 < num_decoded[0] <= 12 + 4
    num_decoded[0] = 0
    list(frame_reading.read_frames(path, [100, 101], index, "forward"))
    assert num_decoded[0] > 100


def test_wanted_frames_close_together_are_read_forward(films, num_decoded):
    path = films / "short groups.mp4"
    index = frame_index.index_frames(path)
    num_decoded[0] = 0
    list(frame_reading.read_frames(path, range(NUM_FRAMES), index))
    # Every packet once: no group of pictures is decoded twice.
    assert num_decoded[0] == NUM_FRAMES


def test_transport_streams_are_never_sought(films):
    index = frame_index.index_frames(films / "h264.ts")
    assert not index.seekable
    assert frame_index.index_frames(films / "h264.mp4").seekable


def test_colours_are_rgb(tmp_path):
    red = np.full((HEIGHT, WIDTH, 3), (220, 30, 40), np.uint8)
    path = drawn_films.write_film(tmp_path / "red.mp4", [red] * 3)
    ((_, _, frame),) = frame_reading.read_frames(path, [1])
    np.testing.assert_allclose(frame[32, 48], (220, 30, 40), atol=6)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_film_shot_on_its_side_comes_upright(films, tmp_path, degrees):
    upright = np.full((48, 80, 3), 20, np.uint8)
    upright[:24, :40] = 230  # bright at the top left
    stored = np.rot90(upright, -degrees // 90)
    plain = drawn_films.write_film(tmp_path / "plain.mp4", [stored] * 4)
    path = drawn_films.copy_film(
        plain, tmp_path / "phone.mp4", rotation=degrees
    )
    index = frame_index.index_frames(path)
    assert (index.rotation, index.width, index.height) == (degrees, 80, 48)
    ((_, _, frame),) = frame_reading.read_frames(path, [2], index)
    np.testing.assert_allclose(frame, upright, atol=30)


@pytest.mark.parametrize("way", ["forward", "seek"])
def test_frames_before_an_edit_lists_start_do_not_count(films, tmp_path, way):
    num_cut = 30  # inside the first group of pictures

    def shift(packet):
        step = int(num_cut / RATE / packet.time_base)
        packet.pts, packet.dts = packet.pts - step, packet.dts - step
        return packet

    path = drawn_films.copy_film(
        films / "h264.mp4",
        tmp_path / "cut.mp4",
        shift,
        {"avoid_negative_ts": "disabled"},
    )
    index = frame_index.index_frames(path)
    assert index.num_frames == NUM_FRAMES - num_cut
    assert index.seconds[0] == 0
    read = frame_reading.read_frames(path, [0, 1, 50, 99], index, way)
    assert [number_in(frame) for _, _, frame in read] == [30, 31, 80, 129]


def test_packets_that_are_not_shown_do_not_count(films, tmp_path):
    hidden = 50

    def hide(packet):
        copy = av.Packet(bytes(packet))
        copy.pts, copy.dts = packet.pts, packet.dts
        copy.time_base = packet.time_base
        copy.is_keyframe = packet.is_keyframe
        if round(packet.pts * packet.time_base * RATE) == hidden:
            data = bytearray(bytes(packet))
            data[0] &= ~0x10  # show_frame, as in VP8's alt-ref frames
            copy.update(bytes(data))
        return copy

    path = drawn_films.copy_film(
        films / "vp8.webm", tmp_path / "hidden.webm", hide
    )
    for way in ("forward", "seek"):
        read = list(frame_reading.read_frames(path, [49, 50, 51], way=way))
        assert [number_in(frame) for _, _, frame in read] == [49, 51, 52]
    assert frame_index.index_frames(path).num_frames == NUM_FRAMES - 1


def test_recordings_put_together_are_one_film(films, tmp_path):
    path = tmp_path / "twice.ts"
    path.write_bytes((films / "h264.ts").read_bytes() * 2)
    index = frame_index.index_frames(path)
    assert index.num_frames == 2 * NUM_FRAMES
    assert (np.diff(index.seconds) > 0).all()
    read = frame_reading.read_frames(path, [5, 129, 130, 200], index)
    assert [number_in(frame) for _, _, frame in read] == [5, 129, 0, 70]


def test_a_film_of_one_frame(tmp_path):
    path = drawn_films.write_film(tmp_path / "one.mp4", [drawn(7)])
    index = frame_index.index_frames(path)
    assert index.num_frames == 1
    assert index.seconds.tolist() == [0.0]
    for way in ("auto", "forward", "seek"):
        ((number, _, frame),) = frame_reading.read_frames(path, [0], index, way)
        assert (number, number_in(frame)) == (0, 7)
    assert len(list(frame_reading.sample_frames(path, 5, index))) == 1


@pytest.mark.parametrize(
    "name", ["봄날은 간다.mp4", 'it\'s "quoted" %03d.mp4', "concat:a|b.mp4"]
)
def test_names_of_all_kinds_are_read(h264, tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(h264.read_bytes())
    monkeypatch.chdir(tmp_path)
    ((_, _, frame),) = frame_reading.read_frames(name, [64])
    assert number_in(frame) == 64


def no_pictures_left(path):
    drawn_films.write_film(path, [drawn(0)] * 5)
    spoil(path, path, range(5))


def picture(path):
    drawing = path.with_name("one.png")
    with av.open(drawing, "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "rgb24"
        frame = av.VideoFrame.from_ndarray(drawn(1), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    drawing.rename(path)


FAULTS = {
    "missing": (lambda path: None, "no such file"),
    "folder": (lambda path: path.mkdir(), "not a file"),
    "pipe": (os.mkfifo, "not a file"),
    "empty": (lambda path: path.touch(), "is empty"),
    "text": (lambda path: path.write_text("a film\n" * 99), "not a film"),
    "noise": (
        lambda path: path.write_bytes(np.random.default_rng(0).bytes(1 << 16)),
        "not a film",
    ),
    "sound only": (drawn_films.write_sound, "no moving pictures"),
    "cover": (
        lambda path: drawn_films.write_sound(path, cover=drawn(1)),
        "no moving pictures",
    ),
    "no pictures": (no_pictures_left, "none of its pictures"),
    "picture": (picture, "holds no film"),
}


@pytest.mark.parametrize("make, words", [*FAULTS.values()], ids=[*FAULTS])
def test_what_is_no_film_is_one_clear_line(tmp_path, capfd, make, words):
    path = tmp_path / "film.mp4"
    make(path)
    with pytest.raises(VideoError, match=words) as caught:
        frame_index.index_frames(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    # Films are read in other processes: the error must travel.
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile 'h264.mp4'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nh264.ts\n"
        "#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\n"
        "t=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    ],
    ids=["concat", "hls", "sdp"],
)
@pytest.mark.parametrize("suffix", ["mp4", "m3u8", "ffconcat", "sdp"])
def test_files_that_open_other_files_are_refused(films, text, suffix):
    path = films / f"list.{suffix}"
    path.write_text(text)
    with pytest.raises(VideoError, match="not a film"):
        frame_index.index_frames(path)


def spoil(source, path, numbers):
    """Zeroes the pictures of some frames, by their place in the file."""
    data = bytearray(source.read_bytes())
    with av.open(source) as container:
        spans = [
            (packet.pos, packet.size)
            for packet in container.demux(container.streams.video[0])
            if packet.size
        ]
    for number in numbers:
        start, size = spans[number]
        data[start : start + size] = bytes(size)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("way", ["auto", "forward", "seek"])
def test_frames_behind_damage_are_read_and_none_is_wrong(
    films, tmp_path, capfd, way
):
    source = films / "short groups.mp4"
    path = spoil(source, tmp_path / "damaged.mp4", range(60, 64))
    index = frame_index.index_frames(path)
    assert index.num_frames == NUM_FRAMES
    sound = {
        number: frame
        for number, _, frame in frame_reading.read_frames(
            source, range(NUM_FRAMES)
        )
    }
    read = {
        number: frame
        for number, _, frame in frame_reading.read_frames(
            path, range(NUM_FRAMES), index, way
        )
    }
    # Groups of 12 pictures: what lies well before and behind is whole.
    assert {*range(45), *range(90, NUM_FRAMES)} <= set(read)
    assert not {60, 61, 62, 63} <= set(read)
    for number, frame in read.items():
        np.testing.assert_array_equal(frame, sound[number])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["open groups.mkv", "h264.ts", "vp8.webm"])
def test_what_is_there_of_a_film_cut_short_is_read(films, tmp_path, name):
    path = tmp_path / name
    data = (films / name).read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    index = frame_index.index_frames(path)
    assert NUM_FRAMES // 3 < index.num_frames < NUM_FRAMES
    read = list(frame_reading.read_frames(path, range(index.num_frames), index))
    assert len(read) >= index.num_frames - 3
    for _, seconds, frame in read:
        assert number_in(frame) == round(seconds * RATE)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.97])
def test_an_mp4_cut_short_is_no_film(h264, tmp_path, share):
    # Its table of contents stands at the end.
    path = tmp_path / "short.mp4"
    data = h264.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(VideoError, match="incomplete"):
        frame_index.index_frames(path)


def test_samples_are_key_frames_spread_over_the_film(films, num_decoded):
    path = films / "short groups.mp4"
    index = frame_index.index_frames(path)
    num_decoded[0] = 0
    samples = list(frame_reading.sample_frames(path, 5, index))
    assert num_decoded[0] == 5
    numbers = [number for number, _, _ in samples]
    assert len(numbers) == 5
    assert index.is_key_frame[numbers].all()
    assert numbers[0] == 0
    assert numbers[-1] > 100
    assert all(number_in(frame) == number for number, _, frame in samples)
    assert numbers == [n for n, _, _ in frame_reading.sample_frames(path, 5)]


def test_samples_of_a_transport_stream_decode_key_frames_only(
    films, num_decoded
):
    path = films / "h264.ts"
    index = frame_index.index_frames(path)
    num_decoded[0] = 0
    samples = list(frame_reading.sample_frames(path, 4, index))
    assert num_decoded[0] <= index.is_key_frame.sum()
    assert len(samples) == 4
    assert all(number_in(frame) == number for number, _, frame in samples)


@pytest.mark.parametrize("name", FILMS)
def test_samples_are_the_frames_they_say(films, name):
    for num_frames in (1, 3):
        samples = list(frame_reading.sample_frames(films / name, num_frames))
        assert len(samples) == num_frames
        assert all(number_in(frame) == number for number, _, frame in samples)


def test_samples_of_a_film_with_few_key_frames(h264):
    samples = list(frame_reading.sample_frames(h264, 24))
    assert len(samples) == 24
    assert samples[-1][0] == NUM_FRAMES - 1
    assert all(number_in(frame) == number for number, _, frame in samples)
    with pytest.raises(ValueError, match="1 or more"):
        frame_reading.sample_frames(h264, 0)


# ----- bars


def pictures(height=180, width=320, brightest=255, num_frames=8):
    """Moments of a film without bars: blurred random light, all different."""
    generator = np.random.default_rng(5)
    for _ in range(num_frames):
        coarse = generator.integers(0, brightest + 1, (6, 9, 3))
        rows = np.linspace(0, 5, height).round().astype(int)
        columns = np.linspace(0, 8, width).round().astype(int)
        yield coarse[rows][:, columns].astype(np.uint8)


def with_bars(picture, top=0, bottom=0, left=0, right=0, level=0):
    return np.pad(
        picture,
        ((top, bottom), (left, right), (0, 0)),
        constant_values=level,
    )


def noisy(frames, sigma):
    generator = np.random.default_rng(6)
    return [
        np.clip(frame + generator.normal(0, sigma, frame.shape), 0, 255).astype(
            np.uint8
        )
        for frame in frames
    ]


@pytest.mark.parametrize(
    "sides",
    [
        {"top": 24, "bottom": 24},
        {"left": 40, "right": 40},
        {"left": 41, "right": 39},
        {"top": 12, "bottom": 14, "left": 30, "right": 31},
        {"bottom": 9},
        {},
    ],
    ids=str,
)
@pytest.mark.parametrize("level, sigma", [(0, 0), (16, 2), (26, 6)])
def test_bars_are_found_to_the_pixel(sides, level, sigma):
    frames = [with_bars(p, **sides, level=level) for p in pictures()]
    bars = black_bars.find_bars(noisy(frames, sigma))
    assert bars == black_bars.Bars(**sides)
    assert bool(bars) == bool(sides)
    assert bars.crop(frames[0]).shape == (180, 320, 3)


def test_soft_edges_are_cropped_with_the_bars():
    frames = [with_bars(p, top=20, bottom=20) for p in pictures()]
    for frame in frames:
        frame[20] = frame[22] // 4
        frame[21] = frame[22] // 2
    assert black_bars.find_bars(frames) == black_bars.Bars(top=22, bottom=20)


def test_bars_survive_compression(tmp_path):
    frames = [
        with_bars(p, left=38, right=42)
        for p in pictures(128, 160)
        for _ in range(6)
    ]
    path = drawn_films.write_film(
        tmp_path / "bars.mp4", frames, options={"crf": "32", "g": "6"}
    )
    samples = [frame for _, _, frame in frame_reading.sample_frames(path, 8)]
    bars = black_bars.find_bars(samples)
    assert 38 <= bars.left <= 40
    assert 42 <= bars.right <= 44
    assert (bars.top, bars.bottom) == (0, 0)


def test_a_bar_beside_a_dark_picture_is_known_by_its_twin():
    frames = []
    for picture in pictures():
        picture[150:, 80:] = 3  # a black desk along most of the lower edge
        frames.append(with_bars(picture, top=24, bottom=24))
    assert black_bars.find_bars(frames) == black_bars.Bars(top=24, bottom=24)
    # Without a bar above, the same darkness below is the picture's.
    assert not black_bars.find_bars([frame[24:] for frame in frames])


def test_a_bar_is_in_all_frames():
    frames = [with_bars(p, top=24, bottom=24) for p in pictures()]
    full = next(pictures(228, 320))
    assert not black_bars.find_bars([*frames, full])


def test_blank_frames_say_nothing():
    frames = [with_bars(p, top=24, bottom=24) for p in pictures()]
    bars = black_bars.Bars(top=24, bottom=24)
    black, white = np.zeros_like(frames[0]), np.full_like(frames[0], 255)
    assert black_bars.find_bars([black, *frames, white, black]) == bars
    assert not black_bars.find_bars([black] * 5)
    assert not black_bars.find_bars([])


def test_a_night_scene_is_not_a_bar():
    # A street at night: black sky, fading into lamps that stand still.
    rows, columns = np.mgrid[:180, :320]
    frames = []
    for moment in range(8):
        fade = 90 * np.clip((rows - 60) / 120, 0, 1) ** 2
        lamp = 220 * np.exp(
            -((rows - 120) ** 2 + (columns - 40 * moment) ** 2) / 900
        )
        gray = np.clip(fade + lamp, 0, 255).astype(np.uint8)
        frames.append(np.repeat(gray[..., None], 3, axis=2))
    assert not black_bars.find_bars(frames)
    assert not black_bars.find_bars(noisy(frames, 4))


def test_a_dark_skyline_is_not_a_bar():
    # Black houses of unequal height before a bright sky, in every frame.
    heights = np.repeat([30, 60, 45, 80, 25, 70, 50, 90], 40)
    rows = np.arange(180)[:, None]
    frames = [
        np.where((rows < 180 - heights)[..., None], picture, 4)
        for picture in pictures()
    ]
    assert not black_bars.find_bars(
        [frame.astype(np.uint8) for frame in frames]
    )


def test_a_picture_that_is_mostly_dark_is_left_whole():
    frame = np.zeros((180, 320, 3), np.uint8)
    frame[80:100, 120:200] = 240  # a title card
    assert not black_bars.find_bars([frame] * 4)


def test_frames_of_unlike_shapes_are_refused():
    frames = [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)]
    with pytest.raises(ValueError, match="one shape"):
        black_bars.find_bars(frames)
