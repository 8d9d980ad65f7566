"""What TF Serving wants beside a SavedModel."""

import numpy as np
import tensorflow as tf

from keras_ssc import checks
from keras_ssc import files
from keras_ssc.serving import client as serving_client

# Batches that TF Serving puts together are padded to these sizes, so that it
# runs none that the warm-up has not run.
BATCH_SIZES = (1, 2, 4, 8, 16, 32)

# A pair takes far longer than 2 milliseconds, so little is lost by waiting
# for other requests.
_BATCHING = """\
max_batch_size {{ value: {largest} }}
batch_timeout_micros {{ value: 2000 }}
max_enqueued_batches {{ value: 100 }}
{allowed}
"""


# What the model answers to the sample request.
SAMPLE_RESPONSE = "sample_response.json"


def protos():
    """Imports the modules of TF Serving's requests and of their log.

    Raises:
        ValueError: If they are not installed; says how to.
    """
    with checks.needs_extra("A model for TF Serving", "serving"):
        from tensorflow_serving.apis import predict_pb2
        from tensorflow_serving.apis import prediction_log_pb2
    return predict_pb2, prediction_log_pb2


def write_files(folder, images, answer, image_size):
    """Writes sample request and answer, warm-up requests and batching.

    Args:
        folder: `pathlib.Path` of a version's folder.
        images: Two bytes objects, a pair's encoded frames.
        answer: Dict, what `serving_default` returned for the pair.
        image_size: Tuple of two integers, (height, width), the model's.
    """
    files.write_json(
        folder / "sample_request.json", serving_client.rest_request([images])
    )
    prediction = {name: _plain(value) for name, value in answer.items()}
    files.write_json(folder / SAMPLE_RESPONSE, {"predictions": [prediction]})
    _write_warmup(folder, images, image_size)
    allowed = "\n".join(f"allowed_batch_sizes: {size}" for size in BATCH_SIZES)
    files.write_text(
        folder / "batching_parameters.txt",
        _BATCHING.format(largest=BATCH_SIZES[-1], allowed=allowed),
    )


def _plain(value):
    """Returns a value of NumPy, strings as bytes, as JSON has it."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.decode("utf-8") if isinstance(value, bytes) else value


def _write_warmup(folder, images, image_size):
    """Writes a request for each signature and batch size."""
    predict_pb2, prediction_log_pb2 = protos()
    names = ("frame_bytes", "next_frame_bytes")
    extra = folder / "assets.extra"
    extra.mkdir()
    path = str(extra / "tf_serving_warmup_requests")
    with tf.io.TFRecordWriter(path) as writer:
        for size in BATCH_SIZES:
            encoded = {
                name: _repeated(image, (size,))
                for name, image in zip(names, images, strict=True)
            }
            blank = _repeated(np.uint8(0), (size, *image_size, 3))
            frames = {"frame": blank, "next_frame": blank}
            for signature, inputs in (
                (serving_client.SIGNATURE, encoded),
                ("frames", frames),
            ):
                request = predict_pb2.PredictRequest(inputs=inputs)
                request.model_spec.name = serving_client.MODEL_NAME
                request.model_spec.signature_name = signature
                log = prediction_log_pb2.PredictLog(request=request)
                record = prediction_log_pb2.PredictionLog(predict_log=log)
                writer.write(record.SerializeToString())


def _repeated(value, shape):
    """Returns a tensor of one value; the proto holds it once."""
    proto = tf.make_tensor_proto(value)
    proto.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    return proto


def docker_command(version):
    """Returns the shell command that serves the versions of a model.

    Args:
        version: `pathlib.Path` of a version's folder.
    """
    folder = version.parent.resolve()
    name = folder.name
    return (
        f"docker run --rm -p 8501:8501 -v {folder}:/models/{name} "
        f"-e MODEL_NAME={name} tensorflow/serving --enable_batching "
        f"--batching_parameters_file=/models/{name}/{version.name}/"
        "batching_parameters.txt"
    )
