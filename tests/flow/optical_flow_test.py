"""The layer `OpticalFlow` against OpenCV, and against drawn motion."""

import os
import re
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from experiments import flow_parity
from experiments.flow_parity import opencv_flow
from keras_ssc import flow
from keras_ssc.flow import optical_flow
from tests.helpers import drawn_pairs


def layer_flow(frame, next_frame):
    return np.array(flow.OpticalFlow()([frame, next_frame]))


@pytest.fixture(scope="module")
def large():
    """A drawn batch at the models' size, and OpenCV's flow of it."""
    frames = drawn_pairs.drawn_batch()
    return frames, opencv_flow(*frames)


@pytest.mark.parametrize("motion", ["translation", "zoom", "rotation"])
@pytest.mark.parametrize("implementation", [opencv_flow, layer_flow])
def test_the_flow_is_the_motion_that_was_drawn(implementation, motion):
    size = (120, 144)
    frames = drawn_pairs.batch_of([drawn_pairs.drawn_pair(motion, size)])
    error = implementation(*frames)[0] - drawn_pairs.true_flow(motion, size)
    inside = np.hypot(*np.moveaxis(error, -1, 0))[16:-16, 16:-16]
    assert np.median(inside) < 0.1


def test_the_layer_equals_opencv_to_rounding(large):
    frames, expected = large
    parity = flow_parity.compare(layer_flow(*frames), expected)
    assert parity.holds, parity
    # What it moves by is far more than what the bar forgives.
    assert flow.motion_magnitude(expected)[0] > 0.005


# 480x270 has other levels than 299x299; the others are odd, and of fewer.
@pytest.mark.parametrize(
    "size", [(270, 480), (150, 97), (75, 80), (63, 64), (33, 47), (10, 21)]
)
def test_the_layer_equals_opencv_at_other_sizes(size):
    frames = drawn_pairs.drawn_batch(size)
    parity = flow_parity.compare(layer_flow(*frames), opencv_flow(*frames))
    assert parity.holds, parity


def test_flat_and_wild_pairs_equal_opencv_too():
    size = (64, 70, 3)
    generator = np.random.default_rng(0)
    noise, other_noise = generator.integers(0, 2, (2, *size)) * 255
    pairs = [
        (np.full(size, 0), np.full(size, 0)),
        (np.full(size, 30), np.full(size, 220)),
        (noise, other_noise),
        (np.full(size, 255), noise),
    ]
    frames = [part.astype(np.uint8) for part in drawn_pairs.batch_of(pairs)]
    measured, expected = layer_flow(*frames), opencv_flow(*frames)
    assert np.isfinite(measured).all()
    assert flow_parity.compare(measured, expected).holds
    assert np.abs(measured[:2]).max() < 1e-3


def test_grey_is_cvtcolors_for_every_colour():
    green_blue = np.mgrid[:256, :256].transpose(1, 2, 0)
    for red in range(0, 256, 32):
        colours = np.empty((32, 256, 256, 3), np.uint8)
        colours[..., 0] = np.arange(red, red + 32)[:, None, None]
        colours[..., 1:] = green_blue
        grey = cv2.cvtColor(
            colours.reshape(-1, 256, 3), cv2.COLOR_RGB2GRAY
        ).reshape(colours.shape[:3])
        np.testing.assert_array_equal(optical_flow._grey(colours), grey)


def zeros_beyond(margin_of_mistake):
    """Zero padding, in the filter that has this margin."""
    repeat_edge = optical_flow._repeat_edge

    def pad(x, margin, axis):
        if margin != margin_of_mistake:
            return repeat_edge(x, margin, axis)
        widths = [(0, 0)] * len(x.shape)
        widths[axis] = (margin, margin)
        return ops.pad(x, widths)

    return pad


def grey_without_rounding(frame):
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return ops.sum(ops.cast(frame, "float32") * weights, axis=-1)


def in_bfloat16(function):
    return lambda *inputs: ops.cast(
        ops.cast(function(*inputs), "bfloat16"), "float32"
    )


def no_blur_at_the_finest(scale):
    return np.ones(1) if scale == 1 else BLUR_KERNEL(scale)


GREY, BLUR_KERNEL = optical_flow._grey, optical_flow._blur_kernel

# What is wrong, the private name it hides in, what stands there then, and the
# least mean error that it makes, in pixels: half of what was measured.
MISTAKES = {
    "frames scaled to 0..1": ("_grey", lambda x: GREY(x) / 255, 1.0),
    "three resolutions": ("_NUM_LEVELS", 2, 0.3),
    "no border weights": ("_border_weights", np.ones, 0.4),
    "zeros beyond the expansion": ("_repeat_edge", zeros_beyond(5), 0.2),
    "zeros beyond the box": ("_repeat_edge", zeros_beyond(7), 6e-4),
    "no blur at the finest": ("_blur_kernel", no_blur_at_the_finest, 0.3),
    "grey not rounded": ("_grey", grey_without_rounding, 0.018),
    "border repeated": (
        "_mirrored_places",
        lambda size, margin: np.pad(np.arange(size), margin, mode="edge"),
        8e-4,
    ),
    "bfloat16": ("_box_sum", in_bfloat16(optical_flow._box_sum), 2.5e-3),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_no_known_mistake_would_meet_the_bar(monkeypatch, large, mistake):
    frames, expected = large
    name, wrong, least_error = MISTAKES[mistake]
    monkeypatch.setattr(optical_flow, name, wrong)
    parity = flow_parity.compare(layer_flow(*frames), expected)
    assert not parity.holds
    assert parity.mean > least_error


def op_types(function):
    """The kinds of operations in a traced function, loops included."""
    graph = function.get_concrete_function().graph.as_graph_def()
    return set(re.findall(r'^ *op: "(\w+)"$', str(graph), re.MULTILINE))


def traced(size, **options):
    frames = tf.TensorSpec((None, *size, 3), tf.uint8)
    layer = flow.OpticalFlow()
    return tf.function(
        lambda frame, next_frame: layer([frame, next_frame]),
        input_signature=[frames, frames],
        **options,
    )


def test_no_operation_uses_tf32():
    found = op_types(traced((64, 64)))
    assert {"GatherV2", "Maximum"} <= found  # the loop was looked into
    for kind in ("conv", "matmul", "einsum"):
        assert not [op for op in found if kind in op.lower()]


def test_xla_computes_the_same():
    frames = drawn_pairs.drawn_batch((75, 80))
    measured = traced((75, 80), jit_compile=True)(*frames).numpy()
    assert flow_parity.compare(measured, opencv_flow(*frames)).holds


def test_a_saved_model_computes_the_same_at_every_batch_size(tmp_path):
    size = (75, 80)
    frames = [
        np.tile(part, (4, 1, 1, 1))[:16]
        for part in drawn_pairs.drawn_batch(size)
    ]
    expected = opencv_flow(*frames)
    flow_parity.flow_model(size).export(tmp_path, verbose=False)
    saved = tf.saved_model.load(tmp_path)
    for batch_size in (1, 3, 16):
        places = [slice(n, n + batch_size) for n in range(0, 16, batch_size)]
        measured = [saved.serve([part[p] for part in frames]) for p in places]
        assert flow_parity.compare(np.concatenate(measured), expected).holds
    nothing = saved.serve([part[:0] for part in frames])
    assert nothing.shape == (0, *size, 2)


def test_no_pairs_have_no_flow():
    frames = np.zeros((0, 32, 40, 3), np.uint8)
    assert layer_flow(frames, frames).shape == (0, 32, 40, 2)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_leaves_the_flow_in_float32(policy, tmp_path):
    size = (64, 70)
    frames = drawn_pairs.drawn_batch(size)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = flow_parity.flow_model(size)
        model.save(tmp_path / "model.keras")
        reloaded = keras.saving.load_model(tmp_path / "model.keras")
    finally:
        keras.config.set_dtype_policy(before)
    assert not reloaded.weights
    measured = reloaded.predict(frames, verbose=0)
    assert measured.dtype == np.float32
    assert flow_parity.compare(measured, opencv_flow(*frames)).holds


JAX_PROGRAM = """
import sys
import keras
import numpy as np
from keras_ssc import flow

assert keras.backend.backend() == "jax"
frames = list(np.load(sys.argv[1], mmap_mode="r"))
inputs = [keras.Input(frames[0].shape[1:], dtype="uint8") for _ in range(2)]
model = keras.Model(inputs, flow.OpticalFlow()(inputs))
np.save(sys.argv[2], model.predict(frames, 16, verbose=0))
assert "tensorflow" not in sys.modules
"""


def test_jax_computes_the_same(tmp_path):
    pytest.importorskip("jax")
    frames = drawn_pairs.drawn_batch((140, 150))
    paths = [tmp_path / "frames.npy", tmp_path / "flow.npy"]
    np.save(paths[0], frames)
    subprocess.run(
        [sys.executable, "-c", JAX_PROGRAM, *paths],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        check=True,
    )
    measured = np.load(paths[1])
    assert flow_parity.compare(measured, opencv_flow(*frames)).holds


def inputs(shape, dtype="uint8", next_shape=None):
    return [
        keras.Input(shape, dtype=dtype),
        keras.Input(next_shape or shape, dtype=dtype),
    ]


@pytest.mark.parametrize(
    "pair, message",
    [
        (inputs((32, 32, 3), "float32"), "uint8.*float32"),
        (inputs((32, 32, 1)), r"height, width, 3\).*32, 1\)"),
        (inputs((32, 3)), r"batch, height.*\(None, 32, 3\)"),
        (inputs((32, 32, 3), next_shape=(32, 33, 3)), "one shape.*33"),
        (inputs((9, 32, 3)), "10 pixels or more"),
        (inputs((None, 32, 3)), "known height and width"),
        (inputs((32, 32, 3))[:1], "two tensors.*list of 1"),
    ],
)
def test_other_inputs_are_refused_when_the_model_is_built(pair, message):
    with pytest.raises(ValueError, match=message):
        flow.OpticalFlow()(pair)


def test_another_dtype_is_refused():
    with pytest.raises(ValueError, match="float32.*mixed_float16"):
        flow.OpticalFlow(dtype="mixed_float16")


def test_the_magnitude_of_a_tensor_is_the_arrays():
    motion = np.random.default_rng(0).normal(0, 3, (3, 90, 120, 2))
    motion = motion.astype(np.float32)
    motion[2] = 0
    expected = flow.motion_magnitude(motion)
    measured = flow.motion_magnitude(ops.convert_to_tensor(motion))
    np.testing.assert_allclose(measured, expected, rtol=1e-5)
    symbolic = flow.motion_magnitude(keras.Input((90, 120, 2)))
    assert symbolic.shape == (None,)
