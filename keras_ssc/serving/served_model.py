"""What is served: two frames -> genre, with everything between in one graph."""

import functools

import keras
import tensorflow as tf

from keras_ssc import flow
from keras_ssc import models
from keras_ssc.data import resizing
from keras_ssc.films import image_limits
from keras_ssc.films.file_kinds import IMAGE_MARKS
from keras_ssc.films.file_kinds import PNG
from keras_ssc.films.image_limits import MAX_PIXELS
from keras_ssc.films.image_limits import MIN_SIDE
from keras_ssc.serving.graph_familiarity import GraphFamiliarity
from keras_ssc.training import run_familiarity

# Images of a batch whose place an error of the decoder names.
_NUM_NAMED = 32

# Images decoded at once: each can be of `MAX_PIXELS`.
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
    outputs = {"scores": task.scores(found.pop("logits"))}
    motion = found.pop("flow", motion)
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

    Both return a dict: `scores`, float32 (pairs, genres), probabilities;
    `genres`, string (pairs, genres), their names; of one genre a film `genre`,
    string (pairs,), the name, and of several `thresholds`, float32 (pairs,
    genres), the score from which on each is named; of models that see flow
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
            A dict, see the class.

        Raises:
            tf.errors.InvalidArgumentError: If an image is not a JPEG or PNG, is
                cut off, too large or too small, or its pair's two are not of
                one size; it names the input and the place in the batch.
        """
        return self._answer(
            *decode_pairs(
                frame_bytes,
                next_frame_bytes,
                self.image_size,
                *self._other_sizes,
            )
        )

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
        return self._answer(
            resizing.resize(frame, self.image_size),
            resizing.resize(next_frame, self.image_size),
            *(resizing.resize(frame, size) for size in self._other_sizes),
        )

    def signatures(self):
        """Returns the signatures by their names, for `tf.saved_model.save`."""
        return {
            "serving_default": self.from_bytes,
            "frames": self.from_frames,
        }


def decode_pairs(frame_bytes, next_frame_bytes, image_size, *other_sizes):
    """Decodes pairs of images, as a served model does.

    Args:
        frame_bytes: String tensor (pairs,): JPEG or PNG.
        next_frame_bytes: The same, the frames after them.
        image_size: Tuple of two integers, (height, width), to resize to; None
            to leave the images, which are all of one size then.
        *other_sizes: The same, of what the frame is resized to besides.

    Returns:
        A tuple of uint8 tensors (pairs, height, width, 3), RGB: the frame, the
        next frame, and the frame in each other size.

    Raises:
        tf.errors.InvalidArgumentError: See `ServedModel.from_bytes`.
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
    frame, *others, size = _decode(
        frame_bytes, "frame_bytes", image_size, *other_sizes
    )
    next_frame, next_size = _decode(
        next_frame_bytes, "next_frame_bytes", image_size
    )
    is_bad = tf.reduce_any(size != next_size, axis=-1)
    place = _first_place(is_bad)
    size, next_size = (
        _size_text(tf.reduce_sum(tf.boolean_mask(x, is_bad)[:1], axis=0))
        for x in (size, next_size)
    )
    frame = _checked(
        frame,
        tf.reduce_any(is_bad),
        "Expected both frames of a pair of one size. frame_bytes[",
        place,
        "] is ",
        size,
        ", next_frame_bytes[",
        place,
        "] is ",
        next_size,
    )
    return frame, next_frame, *others


def _decode(images, name, *image_sizes):
    """Returns a batch of images in each size, and the sizes that they had."""
    images = _check_formats(images, name)

    def decode(given):
        frame, size = _decode_one(*given, name)
        resized = [
            frame if each is None else resizing.resize(frame, each)
            for each in image_sizes
        ]
        return *resized, size

    return tf.map_fn(
        decode,
        (tf.range(tf.size(images)), images),
        fn_output_signature=(
            *(
                tf.TensorSpec((*(each or (None, None)), 3), tf.uint8)
                for each in image_sizes
            ),
            tf.TensorSpec((2,), tf.int32),
        ),
        parallel_iterations=_NUM_PARALLEL,
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


def _checked(value, is_bad, *words):
    """Returns a tensor, or fails with a message if a condition holds."""
    words = [
        word
        if isinstance(word, str) or word.dtype == tf.string
        else tf.strings.as_string(word)
        for word in words
    ]
    message = tf.strings.join(words)
    is_good = tf.debugging.Assert(tf.logical_not(is_bad), [message])
    with tf.control_dependencies([is_good]):
        return tf.identity(value)


def _first_place(is_bad):
    """Returns the place of the first image that is bad; 0 if none is."""
    return tf.reduce_sum(tf.where(is_bad)[:1])


def _check_formats(images, name):
    """Fails if an image is not a JPEG or PNG; says which one and what it is."""
    # The head alone, long enough for every mark.
    heads = tf.strings.substr(images, 0, 256)
    padded = tf.strings.join([heads, "\0" * 16])
    kinds = tf.fill(tf.shape(images), "neither JPEG nor PNG")
    is_svg = tf.strings.regex_full_match(heads, r"\C*<svg\C*")
    kinds = tf.where(is_svg, "an SVG", kinds)
    for start, mark, kind in IMAGE_MARKS:
        is_kind = tf.strings.substr(padded, start, len(mark)) == mark
        kinds = tf.where(is_kind, kind, kinds)
    kinds = tf.where(images == "", "empty", kinds)
    is_bad = (kinds != "JPEG") & (kinds != "PNG")
    return _checked(
        images,
        tf.reduce_any(is_bad),
        f"Expected JPEG or PNG images. {name}[",
        _first_place(is_bad),
        "] is ",
        tf.strings.reduce_join(tf.boolean_mask(kinds, is_bad)[:1]),
    )


def _size_text(size):
    height, width = (tf.strings.as_string(size[axis]) for axis in (0, 1))
    return tf.strings.join([width, "x", height])


def _decode_one(place, image, name):
    """Decodes one image; returns it and its size, (height, width)."""
    naming_errors = functools.partial(_naming_errors, place, name)
    size = tf.cond(
        tf.strings.substr(image, 0, len(PNG)) == PNG,
        lambda: _png_size(place, image, name),
        lambda: naming_errors(lambda: tf.io.extract_jpeg_shape(image))[:2],
    )
    size = tf.ensure_shape(size, (2,))
    num_pixels = tf.reduce_prod(tf.cast(size, tf.int64))
    image = _checked(
        image,
        (num_pixels > MAX_PIXELS) | (tf.reduce_min(size) < MIN_SIDE),
        f"Expected images of {image_limits.RULE}. {name}[",
        place,
        "] is ",
        _size_text(size),
    )
    frame = naming_errors(
        lambda: tf.io.decode_image(image, 3, expand_animations=False)
    )
    return tf.ensure_shape(frame, (None, None, 3)), size


def _png_size(place, image, name):
    """Reads a PNG's size from its first chunk."""
    # Padded, since a place behind a string's end would be an error.
    head = tf.strings.substr(image, 0, 24)
    head = tf.strings.substr(tf.strings.join([head, "\0" * 24]), 0, 24)
    # A decoder skips chunks before the header that it does not know; a size
    # in one of them is not the image's.
    is_bad = tf.strings.length(image) < 24
    is_bad |= tf.strings.substr(head, 12, 4) != "IHDR"
    head = _checked(
        head,
        is_bad,
        f"{name}[",
        place,
        "] is a PNG whose header is missing or cut off",
    )
    numbers = tf.strings.substr(head, 16, 8)
    numbers = tf.io.decode_raw(numbers, tf.int32, little_endian=False)
    return tf.reshape(numbers, (2,))[::-1]


def _naming_errors(place, name, decode):
    """Calls a decoder so that its errors say which image it was.

    The decoders' own say nothing of the kind; but they end with the name of
    the node that failed. So each place of a batch has a node of its own.
    """

    def branch(number):
        which = f"{number}" if number < _NUM_NAMED else f"{number}_or_later"

        def call():
            with tf.name_scope(f"{name}_{which}_is_cut_off_or_corrupt"):
                return decode()

        return call

    return tf.switch_case(
        tf.minimum(place, _NUM_NAMED),
        [branch(number) for number in range(_NUM_NAMED + 1)],
    )
