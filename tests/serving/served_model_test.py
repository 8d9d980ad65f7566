import functools
import io
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from experiments import letterbox
from keras_ssc.data import resizing
from keras_ssc.films import black_bars
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.metrics import calibration
from keras_ssc.serving import client as serving_client
from keras_ssc.serving import graph_bars
from tests.helpers import bad_images
from tests.helpers import drawn_films
from tests.helpers import tiny_served

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def signatures(served_dir):
    return tf.saved_model.load(str(served_dir)).signatures


@pytest.fixture(scope="module")
def ask(signatures):
    """Asks serving_default for encoded pairs; gives arrays."""
    return functools.partial(tiny_served.ask, signatures["serving_default"])


@pytest.fixture(scope="module")
def ask_frames(signatures):
    """Asks frames for arrays of frames; gives arrays."""

    def call(frame, next_frame):
        return plain(
            signatures["frames"](
                frame=tf.constant(frame), next_frame=tf.constant(next_frame)
            )
        )

    return call


def plain(outputs):
    return {name: value.numpy() for name, value in outputs.items()}


def refusals(ask, pairs):
    """What is said to be wrong with each pair."""
    return [text.decode() for text in ask(pairs)["error"]]


def assert_same(answer, expected, atol=1e-5):
    assert answer["genre"].tolist() == expected["genre"].tolist()
    for name in ("scores", "motion_magnitude"):
        np.testing.assert_allclose(answer[name], expected[name], atol=atol)


def pillow_decoded(image):
    return np.asarray(PIL.Image.open(io.BytesIO(image)).convert("RGB"))


def test_signatures_are_what_the_class_says(signatures):
    default, frames = signatures["serving_default"], signatures["frames"]
    assert set(signatures) == {"serving_default", "frames"}
    assert default.structured_input_signature == (
        (),
        {
            name: tf.TensorSpec([None], tf.string, name)
            for name in ("frame_bytes", "next_frame_bytes")
        },
    )
    assert frames.structured_input_signature == (
        (),
        {
            name: tf.TensorSpec([None, None, None, 3], tf.uint8, name)
            for name in ("frame", "next_frame")
        },
    )
    for signature in (default, frames):
        outputs = {
            name: (value.dtype, value.shape.as_list())
            for name, value in signature.structured_outputs.items()
        }
        if signature is default:
            assert outputs.pop("error") == (tf.string, [None])
        assert outputs == {
            "genre": (tf.string, [None]),
            "scores": (tf.float32, [None, 6]),
            "genres": (tf.string, [None, 6]),
            "motion_magnitude": (tf.float32, [None]),
        }


def test_model_that_sees_no_motion_answers_without_it(
    ask, tmp_path_factory, served_dir
):
    folder = tmp_path_factory.mktemp("still")
    tiny_served.save_model(tiny_served.build(), folder)
    expected = ask(tiny_served.pairs(2))
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    answer = tiny_served.ask(signature, tiny_served.pairs(2))
    del expected["motion_magnitude"]
    assert answer.keys() == expected.keys()
    np.testing.assert_allclose(answer["scores"], expected["scores"], atol=1e-5)
    # Nothing of the flow is in the graph.
    sizes = [
        (path / "saved_model.pb").stat().st_size
        for path in (folder, served_dir)
    ]
    assert sizes[0] < 0.55 * sizes[1]


def test_answers_are_the_models_on_frames_resized_as_for_training(
    ask, ask_frames
):
    pairs = tiny_served.frames(4)
    stacks = [np.stack(frames) for frames in zip(*pairs, strict=True)]
    resized = resizing.resize(stacks[0], tiny_served.SIZE)
    logits = tiny_served.build()({"frame": resized}, training=False).numpy()
    scores = tiny_served.TASK.scores(logits)
    answer = ask(tiny_served.pairs(4))
    np.testing.assert_allclose(answer["scores"], scores, atol=1e-5)
    np.testing.assert_allclose(answer["scores"].sum(axis=1), 1, atol=1e-6)
    expected = [
        REPORT_GENRES[place].encode() for place in logits.argmax(axis=1)
    ]
    assert answer["genre"].tolist() == expected
    assert (
        answer["genres"].tolist()
        == [[genre.encode() for genre in REPORT_GENRES]] * 4
    )
    # The temperature was a real one.
    plain_scores = calibration.probabilities(logits, 1.0)
    assert np.abs(plain_scores - scores).max() > 0.01
    assert_same(ask_frames(*stacks), answer)
    sized = [resizing.resize(x, tiny_served.SIZE) for x in stacks]
    in_full_size = ask_frames(*sized)
    assert_same(in_full_size, answer)


def test_motion_magnitude_is_that_of_the_motion(ask):
    # The drawn shots move by 0, 1, 2 and 3 pixels.
    magnitude = ask(tiny_served.pairs(4))["motion_magnitude"]
    assert magnitude[0] == pytest.approx(0, abs=1e-4)
    assert (np.diff(magnitude) > 0.002).all()


def test_jpeg_answers_are_those_of_the_decoded_pixels(ask):
    pairs = tiny_served.pairs(4, ".jpg")
    decoded = [
        tuple(tiny_served.encode(pillow_decoded(image)) for image in pair)
        for pair in pairs
    ]
    # Decoders round differently; swapped colours change a score by 0.1.
    assert_same(ask(pairs), ask(decoded), atol=0.02)


def test_a_pairs_answer_does_not_depend_on_its_batch(ask):
    pairs = tiny_served.pairs(16)
    whole = ask(pairs)
    for start, stop in ((0, 1), (5, 8), (3, 3)):
        part = {name: value[start:stop] for name, value in whole.items()}
        assert_same(ask(pairs[start:stop]), part)
    assert ask([])["scores"].shape == (0, 6)
    assert ask([])["genres"].shape == (0, 6)


def test_frames_of_no_pair_have_no_answer(ask_frames):
    none = np.zeros((0, 64, 96, 3), np.uint8)
    assert ask_frames(none, none)["scores"].shape == (0, 6)


@pytest.mark.parametrize("name", ["frame_bytes", "next_frame_bytes"])
def test_what_is_no_image_is_refused_and_costs_no_other_pair(ask, name):
    (frame, next_frame), *others = tiny_served.pairs(3)
    bad = bad_images.bad_images()
    pairs = {
        "frame_bytes": [(image, next_frame) for image, _ in bad.values()],
        "next_frame_bytes": [(frame, image) for image, _ in bad.values()],
    }[name]
    answer = ask([others[0], *pairs, others[1]])
    said = [text.decode() for text in answer["error"]]
    assert said[0] == said[-1] == ""
    for text, (which, (_, expected)) in zip(
        said[1:-1], bad.items(), strict=True
    ):
        assert expected.replace("frame_bytes[1]", name) in text, which
        assert re.search(rf"\b{name}\b", text)
    assert not answer["scores"][1:-1].any()
    assert not answer["motion_magnitude"][1:-1].any()
    assert set(answer["genre"][1:-1]) == {b""}
    both = {key: value[[0, -1]] for key, value in answer.items()}
    assert_same(both, ask(others))


def test_frames_of_two_sizes_are_told_with_them(ask):
    (frame, next_frame), good = tiny_served.pairs(2)
    other = tiny_served.encode(np.zeros((64, 95, 3), np.uint8))
    said = refusals(ask, [(frame, other), good, (other, next_frame)])
    assert said == [
        "Expected both frames of a pair of one size. frame_bytes is 96x64, "
        "next_frame_bytes is 95x64",
        "",
        "Expected both frames of a pair of one size. frame_bytes is 95x64, "
        "next_frame_bytes is 96x64",
    ]


def test_two_bad_images_of_a_pair_are_told_as_one(ask):
    bad = tiny_served.pairs(1)[0][0][:3000]
    assert refusals(ask, [(bad, bad)]) == ["frame_bytes is cut off or corrupt"]


BARS = {
    "2.39:1": (0.128, 0),
    "1.85:1": (0.02, 0),
    "pillarbox": (0, 0.125),
    "windowbox": (0.128, 0.125),
}


@pytest.mark.parametrize("bars", BARS)
def test_bars_of_both_frames_are_cropped(ask, ask_frames, bars):
    pairs = [
        letterbox.barred(frame, (480, 270), *BARS[bars])
        for frame in drawn_films.shot(5, 2)
    ]
    cropped = black_bars.crop_pair(*pairs)
    assert cropped[0].shape < pairs[0].shape
    encoded = [
        tuple(map(tiny_served.encode, each)) for each in (pairs, cropped)
    ]
    barred, plain = (ask([pair]) for pair in encoded)
    assert_same(barred, plain)
    # Beside one without bars, and as frames.
    both = ask(encoded)
    assert_same({name: value[:1] for name, value in both.items()}, plain)
    stacks = [np.stack([frame]) for frame in pairs]
    assert_same(ask_frames(*stacks), plain)


def test_bars_of_one_frame_alone_are_none(ask):
    frame, next_frame = drawn_films.shot(5, 2)
    barred = letterbox.barred(frame, frame.shape[1::-1])
    assert not black_bars.find_bars((barred, next_frame))
    found = graph_bars.find_bars(tf.constant(barred), tf.constant(next_frame))
    assert found.numpy().tolist() == [0] * 4


def test_unequal_batches_are_refused(signatures):
    image = tiny_served.pairs(1)[0][0]
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        signatures["serving_default"](
            frame_bytes=tf.constant([image]),
            next_frame_bytes=tf.constant([image] * 3),
        )
    assert serving_client.explain_error(raised.value.message) == (
        "Expected as many frame_bytes as next_frame_bytes. Received: 1 and 3"
    )


@pytest.mark.parametrize(
    "shape,next_shape,expected",
    [
        ((1, 64, 96, 3), (1, 64, 95, 3), "[1 64 96 3] and [1 64 95 3]"),
        ((1, 64, 96, 3), (2, 64, 96, 3), "[1 64 96 3] and [2 64 96 3]"),
        ((1, 9, 96, 3), (1, 9, 96, 3), "10 pixels or more"),
    ],
)
def test_frames_of_wrong_shapes_are_refused(
    ask_frames, shape, next_shape, expected
):
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        ask_frames(np.zeros(shape, np.uint8), np.zeros(next_shape, np.uint8))
    assert expected in serving_client.explain_error(raised.value.message)


def converted():
    """Images of other kinds: name -> (image, the same in RGB)."""
    frame = tiny_served.frames(1)[0][0]
    png = tiny_served.encode(frame)
    grey = np.asarray(PIL.Image.fromarray(frame).convert("L"))
    grey_png = tiny_served.encode(np.stack([grey] * 3, axis=-1))
    palette = PIL.Image.fromarray(frame).quantize(200).convert("RGB")
    black_white = PIL.Image.fromarray(frame).convert("1").convert("RGB")
    best = {"quality": 98, "subsampling": 0}
    deep = frame.astype(np.uint16) * 257
    return {
        "grey PNG": (bad_images.pillow(frame, "L", "PNG"), grey_png),
        "grey PNG of 16 bits": (
            bad_images.pillow(grey.astype(np.uint16) * 257, None, "PNG"),
            grey_png,
        ),
        "grey PNG of 1 bit": (
            bad_images.pillow(frame, "1", "PNG"),
            tiny_served.encode(np.asarray(black_white)),
        ),
        "grey PNG with alpha": (
            bad_images.pillow(frame, "LA", "PNG"),
            grey_png,
        ),
        "PNG of 16 bits": (tiny_served.encode(deep), png),
        "palette PNG": (
            bad_images.pillow(frame, "P", "PNG"),
            tiny_served.encode(np.asarray(palette)),
        ),
        "PNG with alpha": (bad_images.pillow(frame, "RGBA", "PNG"), png),
        "grey JPEG": (bad_images.pillow(frame, "L", "JPEG", **best), grey_png),
        "CMYK JPEG": (bad_images.pillow(frame, "CMYK", "JPEG", **best), png),
        "progressive JPEG": (
            bad_images.pillow(frame, None, "JPEG", progressive=True, **best),
            png,
        ),
    }


@pytest.mark.parametrize("kind", converted())
def test_other_kinds_of_pixels_are_converted(ask, kind):
    image, rgb = converted()[kind]
    other = tiny_served.encode(tiny_served.frames(1)[0][1])
    answer, expected = ask([(image, other)]), ask([(rgb, other)])
    is_jpeg = "JPEG" in kind
    assert_same(answer, expected, atol=0.03 if is_jpeg else 1e-5)


BOMBS = """
import json, resource, sys
import tensorflow as tf
from tests.helpers import bad_images, tiny_served
signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
png, jpeg = (tiny_served.pairs(1, end)[0][0] for end in (".png", ".jpg"))
tiny_served.ask(signature, [(png, png), (jpeg, jpeg)])
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for which, (image, _) in bad_images.bad_images().items():
    if "bomb" in which:
        before = peak()
        for pair in ((image, png), (png, image)):
            [said] = tiny_served.ask(signature, [pair])["error"]
            grown = peak() - before
            print(json.dumps([which, bool(said), grown]))
"""


def test_headers_that_tell_of_huge_images_take_no_memory(served_dir):
    ended = subprocess.run(
        [sys.executable, "-c", BOMBS, str(served_dir)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(told) == 8
    for which, is_refused, grown_kilobytes in told:
        assert is_refused, which
        assert grown_kilobytes < 200_000, which
