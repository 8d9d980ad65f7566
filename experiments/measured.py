"""What all measurements say: the machine they were made on, and JSON."""

import json
import os
import platform
import re
import time

import av
import cv2
import keras
import tensorflow as tf


def machine():
    """Describes the machine in a line."""
    versions = {
        "Python": platform.python_version(),
        "TensorFlow": tf.__version__,
        "OpenCV": cv2.__version__,
        "PyAV": av.__version__,
    }
    if keras.backend.backend() == "jax":
        import jax  # only the JAX backend needs it

        versions = {"Keras on JAX": jax.__version__} | versions
    return ", ".join(
        [
            f"{os.cpu_count()} cores",
            platform.machine(),
            *gpus(),
            *(f"{name} {version}" for name, version in versions.items()),
        ]
    )


def gpus():
    """Returns the names of the GPUs that Keras' backend sees."""
    if keras.backend.backend() == "jax":
        import jax  # only the JAX backend needs it

        return [d.device_kind for d in jax.devices() if d.platform != "cpu"]
    return [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.get_visible_devices("GPU")
    ]


def processor_seconds():
    """Returns the time of this process and of those that it waited for."""
    times = os.times()
    # That of the children is counted in hundredths.
    return time.process_time() + times.children_user + times.children_system


def as_json(results):
    """Writes results as JSON, what is deep in them on one line."""
    text = json.dumps(results, indent=2, ensure_ascii=False)
    return re.sub(r"\n(?: {8,}| {6}(?=[\]}]))", " ", text) + "\n"
