"""Asks an export as a program does that has TensorFlow alone.

    python experiments/ask_served.py EXPORT FOLDER

FOLDER holds pairs of encoded images, `NAME_frame` and `NAME_next`. It prints
JSON: the versions, the seconds that loading took, and a list of what is said of
each pair, in the order of their names. Nothing of this project is imported.
"""

import json
import pathlib
import platform
import sys
import time

import tensorflow as tf


def main(export, folder):
    """Returns what is printed."""
    start = time.perf_counter()
    signature = tf.saved_model.load(export).signatures["serving_default"]
    seconds = time.perf_counter() - start
    first, second = (
        [path.read_bytes() for path in sorted(folder.glob(f"*_{name}"))]
        for name in ("frame", "next")
    )
    answer = signature(
        frame_bytes=tf.constant(first), next_frame_bytes=tf.constant(second)
    )
    return {
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
        "seconds": seconds,
        "scores": answer["scores"].numpy().tolist(),
        "errors": [text.decode() for text in answer["error"].numpy()],
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], pathlib.Path(sys.argv[2]))))
