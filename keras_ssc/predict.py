"""Two frames -> their genre, by a model that TensorFlow Serving runs.

python -m keras_ssc.predict --server http://localhost:8501 1.png 2.png
"""

import argparse
import dataclasses
import json
import pathlib

from keras_ssc import command
from keras_ssc import serving_client

# Of what --json prints; another number means other names or other meanings.
VERSION = 1

# An image of the largest size that is served takes half of it at most.
_MAX_BYTES = 2**28


def read_image(path):
    """Reads an image file as it is; what is in it, the model judges.

    Args:
        path: The file's path.

    Returns:
        Bytes.

    Raises:
        ValueError: If there is no such file, or it is too large for an image.
        OSError: If it cannot be read.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        received = "a folder" if path.is_dir() else "no such file"
        raise ValueError(
            f"Expected the path of a JPEG or PNG file. Received: {path}, "
            f"{received}"
        )
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ValueError(
            f"Expected a JPEG or PNG file. Received: {path}, of {size:,} bytes"
        )
    return path.read_bytes()


def predict(client, frame, next_frame):
    """Classifies a pair of image files.

    Args:
        client: A `serving_client.Client`.
        frame: Path of a JPEG or PNG file.
        next_frame: Path of the frame after it.

    Returns:
        A `serving_client.Answer`.

    Raises:
        ValueError: If a file is missing or is no image; names the file.
        OSError: If a file cannot be read.
        ServingError: If the server cannot be reached, or fails.
    """
    pair = (read_image(frame), read_image(next_frame))
    try:
        return client.predict([pair])[0]
    except serving_client.ImageError as error:
        message = str(error).replace("next_frame_bytes[0]", str(next_frame))
        message = message.replace("frame_bytes[0]", str(frame))
        raise ValueError(message) from error


def _text(answer):
    """Returns an answer as lines for people."""
    scores = sorted(answer.scores.items(), key=lambda item: -item[1])
    return "\n".join(
        [
            f"genre: {answer.genre}",
            *(f"  {genre:<16}{100 * score:5.1f} %" for genre, score in scores),
            f"motion magnitude: {answer.motion_magnitude:.4g}",
        ]
    )


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_ssc.predict",
        description="Tells the genre of two consecutive frames.",
    )
    parser.add_argument(
        "--server",
        required=True,
        metavar="URL",
        help="TensorFlow Serving: http://HOST:8501, its REST API, or "
        "grpc://HOST:8500; a model that is not called scene_genre, or one "
        "version: http://HOST:8501/v1/models/NAME/versions/N",
    )
    parser.add_argument("frame", metavar="FRAME", help="a JPEG or PNG file")
    parser.add_argument(
        "next_frame", metavar="NEXT_FRAME", help="the frame after it"
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON, for programs"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for an answer (default: 60)",
    )
    arguments = parser.parse_args()
    client = serving_client.Client(arguments.server, arguments.timeout)
    answer = predict(client, arguments.frame, arguments.next_frame)
    if not arguments.json:
        print(_text(answer))
        return
    result = {
        "version": VERSION,
        "server": client.url,
        "predictions": [
            {
                "frame": arguments.frame,
                "next_frame": arguments.next_frame,
                **dataclasses.asdict(answer),
            }
        ],
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    command.run(main)
