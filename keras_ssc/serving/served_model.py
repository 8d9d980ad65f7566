"""What is served: two frames -> genre, with everything between in one graph."""

import keras
import tensorflow as tf
from keras import ops

from keras_ssc import flow
from keras_ssc import models
from keras_ssc.data import resizing
from keras_ssc.films import image_limits
from keras_ssc.films.file_kinds import IMAGE_MARKS
from keras_ssc.films.file_kinds import PNG
from keras_ssc.films.image_limits import MAX_PIXELS
from keras_ssc.films.image_limits import MIN_SIDE
from keras_ssc.serving import graph_bars
from keras_ssc.serving.graph_familiarity import GraphFamiliarity
from keras_ssc.training import run_familiarity

# What is said of a pair, not of the model.
_OF_PAIRS = {"genre", "scores", "motion_magnitude", "familiarity"}

# Pairs decoded at once: each image can be of `MAX_PIXELS`.
_NUM_PARALLEL = 4


def frames_model(model, task, with_features=False):
    """Builds the functional model from two frames to scores.

    Args:
        model: A `keras.Model` of `models.MODELS`.
        task: Its task, calibrated, see `tasks`.
        with_features: Boolean, whether the model's `frame_features`, float32
            (batch, n), are an output, too.

    Returns:
        A `keras.Model` of `frame` and `next_frame`, uint8 (batch, height,
        width, 3), RGB, of the model's size. Its outputs, a dict: `scores`,
        float32 (batch, genres), probabilities; and of models that see flow
        `motion_magnitude`, float32 (batch,).
    """
    image_size = model.input["frame"].shape[1:3]
    inputs = {
        name: keras.Input((*image_size, 3), dtype="uint8", name=name)
        for name in ("frame", "next_frame")
    }
    given, motion = dict(inputs), None
    if "flow" in model.input:
        motion = flow.OpticalFlow(name="flow")(list(inputs.values()))
        given["flow"] = motion
    given = {name: given[name] for name in model.input}
    wanted, inside = {"logits": model.output}, flow_layer(model)
    if inside:  # trained with the flow in its graph
        wanted["flow"] = inside.output
    if with_features:
        name = models.EMBEDDED_FEATURES
        wanted[name] = model.get_layer(name).output
    found = keras.Model(model.input, wanted)(given)
    scores = task.scores(found.pop("logits"))
    motion = found.pop("flow", motion)
    if motion is None and "next_frame" not in given:
        # Before 3.13 Keras takes no input that nothing depends on.
        corner = ops.cast(inputs["next_frame"][:, 0, 0, :1], scores.dtype)
        scores = scores + 0 * corner
    outputs = {"scores": scores}
    outputs |= found
    if motion is not None:
        outputs["motion_magnitude"] = flow.motion_magnitude(motion)
    return keras.Model(inputs, outputs, name="frames")


def flow_layer(model):
    """Returns the layer that computes the flow inside a model; None if none."""
    layers = (x for x in model.layers if isinstance(x, flow.OpticalFlow))
    return next(layers, None)


class ServedModel(tf.Module):
    """A model with TF Serving's signatures.

    Both crop the bars that both frames of a pair have, see `black_bars`, and
    return a dict: `scores`, float32 (pairs, genres), probabilities; `genres`,
    string (pairs, genres), their names; of one genre a film `genre`, string
    (pairs,), the name, and of several `thresholds`, float32 (pairs, genres),
    the score from which on each is named; of models that see flow
    `motion_magnitude`, float32 (pairs,), see `flow.motion_magnitude`; and of
    models that know their training films `familiarity`, float32 (pairs,), see
    `familiarity.Familiarity`.

    Args:
        model: A `keras.Model` of `models.MODELS`.
        task: Its task, calibrated, see `tasks`.
        familiarity: A `familiarity.Familiarity` of its training films and the
            embedded encoder; None if it is not known.

    Attributes:
        image_size: Tuple of two integers, (height, width), the model's.
        familiarity: The `GraphFamiliarity`, or None.
    """

    def __init__(self, model, task, familiarity=None):
        super().__init__(name="scene_genre")
        self.image_size = tuple(model.input["frame"].shape[1:3])
        # Only these are stored: the Keras model itself would be written with
        # all that it was trained with, each weight twice.
        self.weights = [variable.value for variable in model.variables]
        self.familiarity, has_encoder = None, False
        # What the frame is needed in beside the model's size.
        self._other_sizes = ()
        if familiarity is not None:
            has_encoder = run_familiarity.has_encoder(model)
            self.familiarity = GraphFamiliarity(familiarity, not has_encoder)
            if self.image_size != models.EMBEDDED_SIZE:
                self._other_sizes = (models.EMBEDDED_SIZE,)
        frames = frames_model(model, task, has_encoder)
        sizes = [self.image_size, self.image_size, *self._other_sizes]
        # One function for both signatures, so that it is stored once.
        self._answer = tf.function(
            lambda *images: _answer(frames, task, self.familiarity, *images),
            input_signature=[
                tf.TensorSpec((None, *size, 3), tf.uint8) for size in sizes
            ],
        )

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "frame_bytes"),
            tf.TensorSpec([None], tf.string, "next_frame_bytes"),
        ]
    )
    def from_bytes(self, frame_bytes, next_frame_bytes):
        """Classifies pairs of JPEG or PNG images.

        Grey, palette and 16-bit images and CMYK JPEGs are converted to RGB of
        8 bits; transparency is dropped.

        Args:
            frame_bytes: String tensor (pairs,), the encoded frames.
            next_frame_bytes: String tensor (pairs,), the frames after them.

        Returns:
            A dict, see the class, and `error`, string (pairs,): what is wrong
            with a pair, empty if nothing is. An image may be no JPEG or PNG,
            cut off, too large or too small, or its pair's two not of one
            size. Such a pair has no genre, and all its scores are 0.

        Raises:
            tf.errors.InvalidArgumentError: If there are more of the ones than
                of the others.
        """
        error, *images = decode_pairs(
            frame_bytes,
            next_frame_bytes,
            self.image_size,
            *self._other_sizes,
        )
        answer = _without_bad(self._answer(*images), error != "")
        return {**answer, "error": error}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, 3], tf.uint8, "frame"),
            tf.TensorSpec([None, None, None, 3], tf.uint8, "next_frame"),
        ]
    )
    def from_frames(self, frame, next_frame):
        """Classifies pairs of frames.

        Args:
            frame: uint8 tensor (pairs, height, width, 3), RGB, of any size.
            next_frame: uint8 tensor of the same shape.

        Returns:
            A dict, see the class.

        Raises:
            tf.errors.InvalidArgumentError: If the two are not of one shape.
        """
        shape, next_shape = tf.shape(frame), tf.shape(next_frame)
        frame = _checked(
            frame,
            tf.reduce_any(shape != next_shape),
            "Expected frame and next_frame of one shape. Received: ",
            tf.strings.format("{} and {}", (shape, next_shape)),
        )
        frame = _checked(
            frame,
            tf.reduce_min(shape[1:3]) < MIN_SIDE,
            f"Expected frames of {MIN_SIDE} pixels or more on both sides. "
            "Received: ",
            tf.strings.format("{}", shape),
        )
        sizes = (self.image_size, self.image_size, *self._other_sizes)
        return self._answer(
            *tf.map_fn(
                lambda pair: _resized(
                    graph_bars.crop_pair(*pair),
                    self.image_size,
                    *self._other_sizes,
                ),
                (frame, next_frame),
                fn_output_signature=[
                    tf.TensorSpec((*size, 3), tf.uint8) for size in sizes
                ],
                parallel_iterations=_NUM_PARALLEL,
            )
        )

    def signatures(self):
        """Returns the signatures by their names, for `tf.saved_model.save`."""
        return {
            "serving_default": self.from_bytes,
            "frames": self.from_frames,
        }


def decode_pairs(frame_bytes, next_frame_bytes, image_size, *other_sizes):
    """Decodes pairs of images and crops their bars, as a served model does.

    Args:
        frame_bytes: String tensor (pairs,): JPEG or PNG.
        next_frame_bytes: The same, the frames after them.
        image_size: Tuple of two integers, (height, width), to resize to; None
            to leave the images, which are all of one size then.
        *other_sizes: The same, of what the frame is resized to besides.

    Returns:
        A tuple: what is wrong with each pair, string (pairs,), empty if
        nothing is; and uint8 tensors (pairs, height, width, 3), RGB: the
        frame, the next frame, and the frame in each other size. Black where
        something is wrong.

    Raises:
        tf.errors.InvalidArgumentError: If there are more of the ones than of
            the others.
    """
    num_frames, num_next = tf.size(frame_bytes), tf.size(next_frame_bytes)
    frame_bytes = _checked(
        frame_bytes,
        num_frames != num_next,
        "Expected as many frame_bytes as next_frame_bytes. Received: ",
        num_frames,
        " and ",
        num_next,
    )

    def decode(images):
        error, *pair = _decode_pair(*images)
        return error, *_resized(pair, image_size, *other_sizes)

    sizes = (image_size, image_size, *other_sizes)
    return tf.map_fn(
        decode,
        (frame_bytes, next_frame_bytes),
        fn_output_signature=(
            tf.TensorSpec((), tf.string),
            *(
                tf.TensorSpec((*(each or (None, None)), 3), tf.uint8)
                for each in sizes
            ),
        ),
        parallel_iterations=_NUM_PARALLEL,
    )


def _resized(pair, image_size, *other_sizes):
    """Returns both frames in the first size, and the frame in the others."""
    frames = [*pair, *pair[:1] * len(other_sizes)]
    sizes = (image_size, image_size, *other_sizes)
    return [
        frame if size is None else resizing.resize(frame, size)
        for frame, size in zip(frames, sizes, strict=True)
    ]


def _decode_pair(image, next_image):
    """Decodes a pair and crops its bars.

    Returns:
        A tuple: what is wrong, and the two frames.
    """
    error, frame, size = _decode(image, "frame_bytes")
    next_error, next_frame, next_size = _decode(next_image, "next_frame_bytes")
    error = tf.where(error == "", next_error, error)
    differ = _text(
        "Expected both frames of a pair of one size. frame_bytes is ",
        *(_size_text(size), ", next_frame_bytes is ", _size_text(next_size)),
    )
    is_other = (error == "") & tf.reduce_any(size != next_size)
    error = tf.where(is_other, differ, error)
    black = tf.zeros((MIN_SIDE, MIN_SIDE, 3), tf.uint8)
    return error, *tf.cond(
        error == "",
        lambda: graph_bars.crop_pair(frame, next_frame),
        lambda: (black, black),
    )


def _answer(frames, task, familiarity, frame, next_frame, *others):
    """Returns what the signatures do, of frames of the model's size.

    The others are the frame in the embedded encoder's, if that is another.
    """
    outputs = frames({"frame": frame, "next_frame": next_frame}, training=False)
    features = outputs.pop(models.EMBEDDED_FEATURES, None)
    if familiarity is not None:
        given = (frame, *others)[-1] if features is None else features
        outputs["familiarity"] = familiarity.judge(given)
    scores, names = outputs["scores"], tf.constant(task.genres)
    return {
        **outputs,
        **task.served(scores),
        # A row for each pair: TF Serving splits a batch's answers so.
        "genres": tf.tile(names[tf.newaxis], [tf.shape(scores)[0], 1]),
    }


def _without_bad(answer, is_bad):
    """Returns an answer in which bad pairs have neither genre nor numbers."""
    cleared = {}
    for name in _OF_PAIRS & answer.keys():
        value = answer[name]
        shape = (-1, *[1] * (value.shape.rank - 1))
        cleared[name] = tf.where(
            tf.reshape(is_bad, shape), tf.zeros_like(value), value
        )
    return {**answer, **cleared}


def _checked(value, is_bad, *words):
    """Returns a tensor, or fails with a message if a condition holds."""
    is_good = tf.debugging.Assert(tf.logical_not(is_bad), [_text(*words)])
    with tf.control_dependencies([is_good]):
        return tf.identity(value)


def _text(*words):
    """Joins strings, and tensors of strings or numbers."""
    return tf.strings.join(
        [
            word
            if isinstance(word, str) or word.dtype == tf.string
            else tf.strings.as_string(word)
            for word in words
        ]
    )


def _size_text(size):
    height, width = tf.unstack(size)
    return _text(width, "x", height)


def _decode(image, name):
    """Decodes an image.

    Returns:
        A tuple: what is wrong, its frame, and its size, (height, width).
    """
    kind = _kind(image)
    is_image = (kind == "JPEG") | (kind == "PNG")
    frame, size = _decode_or_none(tf.where(is_image, image, ""))
    num_pixels = tf.reduce_prod(tf.cast(size, tf.int64))
    is_out = (num_pixels > MAX_PIXELS) | (tf.reduce_min(size) < MIN_SIDE)
    return (
        tf.case(
            [
                (
                    tf.logical_not(is_image),
                    lambda: _text(
                        f"Expected JPEG or PNG images. {name} is ", kind
                    ),
                ),
                (
                    tf.reduce_all(size == 0),
                    lambda: tf.constant(f"{name} is cut off or corrupt"),
                ),
                (
                    is_out,
                    lambda: _text(
                        f"Expected images of {image_limits.RULE}. {name} is ",
                        _size_text(size),
                    ),
                ),
            ],
            default=lambda: tf.constant(""),
        ),
        frame,
        size,
    )


def _kind(image):
    """Returns what an image is by its first bytes."""
    # Long enough for every mark.
    head = tf.strings.substr(image, 0, 256)
    padded = tf.strings.join([head, "\0" * 16])
    is_svg = tf.strings.regex_full_match(head, r"\C*<svg\C*")
    kind = tf.where(is_svg, "an SVG", "neither JPEG nor PNG")
    for start, mark, name in IMAGE_MARKS:
        is_kind = tf.strings.substr(padded, start, len(mark)) == mark
        kind = tf.where(is_kind, name, kind)
    return tf.where(image == "", "empty", kind)


def _decode_or_none(image):
    """Decodes an image; one that cannot be is of no size.

    An error in a graph ends it for a whole batch. A data set can go on
    without the element that has it.
    """
    decoded = tf.data.Dataset.from_tensors(image).map(_decode_by_size)
    none = tf.zeros((0, 0, 3), tf.uint8), tf.zeros(2, tf.int32)
    decoded = decoded.ignore_errors().concatenate(
        tf.data.Dataset.from_tensors(none)
    )
    return decoded.take(1).get_single_element()


def _decode_by_size(image):
    """Returns an image and its size; only a small image is decoded."""
    size = tf.cond(
        tf.strings.substr(image, 0, len(PNG)) == PNG,
        lambda: _png_size(image),
        lambda: tf.io.extract_jpeg_shape(image)[:2],
    )
    size = tf.ensure_shape(size, (2,))
    num_pixels = tf.reduce_prod(tf.cast(size, tf.int64))
    # By the header, before memory is taken.
    frame = tf.cond(
        (num_pixels > MAX_PIXELS) | (tf.reduce_min(size) < MIN_SIDE),
        lambda: tf.zeros((0, 0, 3), tf.uint8),
        lambda: tf.io.decode_image(image, 3, expand_animations=False),
    )
    return tf.ensure_shape(frame, (None, None, 3)), size


def _png_size(image):
    """Reads a PNG's size from its first chunk."""
    # A decoder skips chunks before the header that it does not know; a size
    # in one of them is not the image's.
    head = _checked(
        tf.strings.substr(image, 0, 24),
        tf.strings.substr(image, 12, 4) != "IHDR",
        "no header",
    )
    numbers = tf.strings.substr(head, 16, 8)
    numbers = tf.io.decode_raw(numbers, tf.int32, little_endian=False)
    return tf.reshape(numbers, (2,))[::-1]
