"""A client of a running TensorFlow Serving: pairs of images -> answers.

REST needs nothing but Python's own library, so that a client's machine can do
without TensorFlow; gRPC needs the package tensorflow-serving-api.
"""

import base64
import dataclasses
import http.client
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
import warnings

from keras_ssc import checks
from keras_ssc.errors import OutsideError
from keras_ssc.films import image_seen
from keras_ssc.metrics.unlike import is_unlike

# What the model is called if a URL does not say it.
MODEL_NAME = "scene_genre"

SIGNATURE = "serving_default"

_INPUTS = ("frame_bytes", "next_frame_bytes")

# What the signature gives, see `served_model.ServedModel`; of models of one
# genre a film this, too, and of several its thresholds; of models that see
# motion its magnitude; of those that know their training films a familiarity.
_OUTPUTS = ("scores", "genres")
_MEASURED = ("motion_magnitude", "familiarity")

_MAX_TIMEOUT = 86400.0

_REST_URL = re.compile(
    r"(?P<server>https?://[\w.:\[\]-]+)"
    r"(?:/(?P<model>v1/models/[\w.%-]+(?:/versions/\d+|/labels/[\w.%-]+)?)"
    r"(?::predict)?)?/?",
    re.ASCII,
)
_GRPC_URL = re.compile(
    r"grpc://(?P<server>[\w.:\[\]-]+:\d+)(?:/(?P<model>[\w.-]+))?/?", re.ASCII
)

# TensorFlow's two kinds of text: what `tf.debugging.Assert` was given, and
# what a decoder says, of which only the failed node's name tells the place:
# of models that earlier versions exported.
_ASSERTION = re.compile(
    r"assertion failed: \[(.*?)\](?=\s*\[\[|\s*$)", re.DOTALL
)
_DECODER = re.compile(
    r"\[\[(?:\{\{function_node [^}]*\}\})?\{\{node [^}]*?"
    r"\b((?:next_)?frame_bytes)_(\d+)(_or_later)?_is_cut_off_or_corrupt/"
)
# What batching says of requests beyond max_enqueued_batches. A server that
# cannot be reached, or loads its model yet, has the same status.
_FULL = re.compile(r"\bqueue\b.*\bis full\b", re.DOTALL)

# The words that are looked for come first. In more of them a malicious server
# could keep the search busy for hours.
_MAX_ERROR = 2**14
# What can stand before a decoder's own words in their line.
_PREFIX = re.compile(
    r"^\s*(?:\(\d+\) [A-Z_]+: |\{\{function_node [^}]*\}\}\s*)+"
)


class ServingError(OutsideError):
    """A server that cannot be reached, or that fails."""


class BusyError(ServingError):
    """A server that has more to do than it takes on; asked later, it may."""


class ResponseError(ServingError):
    """An answer that is not TensorFlow Serving's of a served model."""


class ImageError(ValueError):
    """Images that the served model refuses; says which and why."""

    def at(self, place):
        """Returns the error of a pair that stands at a place in a list."""
        return ImageError(
            re.sub(r"frame_bytes\b", rf"\g<0>[{place}]", str(self))
        )

    def named(self, frame, next_frame):
        """Returns the text of a single pair's error.

        Args:
            frame: String, what the first image is called.
            next_frame: String, what the second one is called.
        """
        text = str(self).replace("next_frame_bytes[0]", next_frame)
        return text.replace("frame_bytes[0]", frame)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a served model says of a pair.

    Attributes:
        genre: String, the genre's name; of several the one with the highest
            score. None if none is named, and of a pair that is unlike the
            training films.
        scores: Dict from every genre's name to a float, its probability.
        motion_magnitude: Float, see `flow.motion_magnitude`; None of a model
            that does not see motion.
        genres: List of strings, all that are named, the highest score first;
            of a model of one genre a film it is one. Empty of a pair that is
            unlike the training films.
        thresholds: Dict from every genre's name to the score from which on it
            is named; None of a model of one genre a film.
        familiarity: Float, 0 to 1, see `familiarity.Familiarity`; None of a
            model that does not know its training films.
    """

    genre: str | None
    scores: dict
    motion_magnitude: float | None = None
    genres: list | None = None
    thresholds: dict | None = None
    familiarity: float | None = None

    def __post_init__(self):
        if self.is_unlike:
            object.__setattr__(self, "genre", None)
            object.__setattr__(self, "genres", [])
        if self.genres is None:
            object.__setattr__(self, "genres", [self.genre])

    @property
    def is_unlike(self):
        """Whether the pair is unlike the training films: no genre is named."""
        return is_unlike(self.familiarity)


class Client:
    """Asks a running TensorFlow Serving.

    Args:
        url: String. REST: `http://HOST:8501`, `https` too, with or without
            `/v1/models/NAME`, `/versions/N` or `/labels/LABEL`, `:predict`.
            gRPC: `grpc://HOST:8500` or `grpc://HOST:8500/NAME`. Without a
            name, the model is `scene_genre`.
        timeout: Float, seconds that the server may keep silent.
        batch_size: Integer, pairs of one request, at most.

    Attributes:
        url: String, the whole URL that is asked; `name`, too, as a
            `predictor.Predictor` has it.

    Raises:
        ValueError: If the URL is none of these, or a number is out of range.
        ServingError: If gRPC is asked for and its package is not installed.
    """

    def __init__(self, url, timeout=60.0, batch_size=32):
        if not 0 < timeout <= _MAX_TIMEOUT:
            raise ValueError(
                "Expected a timeout above 0 seconds, at most "
                f"{_MAX_TIMEOUT:g}. Received: {timeout}"
            )
        checks.at_least("a batch size", batch_size, 1)
        self._timeout = timeout
        self._batch_size = batch_size
        rest, grpc = _REST_URL.fullmatch(url), _GRPC_URL.fullmatch(url)
        if not (rest or grpc) or not _has_valid_port(url):
            raise ValueError(
                "Expected a URL such as http://localhost:8501, "
                "http://localhost:8501/v1/models/scene_genre/versions/1 or "
                f"grpc://localhost:8500/scene_genre. Received: {url!r}"
            )
        if rest:
            model = rest["model"] or f"v1/models/{MODEL_NAME}"
            self.url = f"{rest['server']}/{model}:predict"
            self._ask = self._ask_rest
        else:
            self._model = grpc["model"] or MODEL_NAME
            self.url = f"grpc://{grpc['server']}/{self._model}"
            self._stub = _grpc_stub(grpc["server"])
            self._ask = self._ask_grpc
        self.name = self.url

    def predict(self, pairs):
        """Asks for the answers of pairs, in as many requests as they need.

        Images are sent as people see them, see `seen_pairs`.

        Args:
            pairs: List of pairs (frame_bytes, next_frame_bytes): each the
                bytes of a JPEG or a PNG.

        Returns:
            A list of `Answer`, one a pair.

        Raises:
            ImageError: If the model refuses an image; `frame_bytes[3]` in its
                text is the frame of `pairs[3]`.
            ServingError: If the server cannot be reached, does not answer in
                time, or fails.
            BusyError: If it says that it has too much to do.
            ResponseError: If what answers is not TensorFlow Serving with a
                served model of this project.
        """
        answers = self.predict_each(pairs)
        for answer in answers:
            if isinstance(answer, ImageError):
                raise answer
        return answers

    def predict_each(self, pairs):
        """Asks as `predict` does; a refused image costs no other pair.

        Args:
            pairs: As of `predict`.

        Returns:
            A list of one result a pair: its `Answer`, or the `ImageError` that
            says why its images are refused.

        Raises:
            ImageError: If the served model was exported by an earlier version,
                which refuses all pairs of a request for one.
            ServingError: As of `predict`.
        """
        answers = []
        for start in range(0, len(pairs), self._batch_size):
            batch = seen_pairs(pairs[start : start + self._batch_size], start)
            try:
                answers += self._ask(batch)
            except ImageError as error:
                raise ImageError(shifted(str(error), start)) from error
            except ServingError as error:
                raise type(error)(f"{self.url}: {error}") from error
        return [
            answer.at(place) if isinstance(answer, ImageError) else answer
            for place, answer in enumerate(answers)
        ]

    def _ask_rest(self, pairs):
        request = urllib.request.Request(
            self.url,
            data=json.dumps(rest_request(pairs)).encode("ascii"),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        try:
            try:
                with urllib.request.urlopen(
                    request, timeout=self._timeout
                ) as response:
                    status, body = response.status, response.read()
            except urllib.error.HTTPError as response:
                with response:
                    status, body = response.code, response.read()
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise self._timeout_error() from error
            raise ServingError(
                f"no answer ({reason or type(reason).__name__}). Expected a "
                "running TensorFlow Serving, its --rest_api_port here"
            ) from error
        if status != 200:
            raise _http_error(status, body)
        return read_response(body, len(pairs))

    def _ask_grpc(self, pairs):
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = SIGNATURE
        for name, images in zip(_INPUTS, zip(*pairs, strict=True), strict=True):
            request.inputs[name].CopyFrom(tf.make_tensor_proto(images))
        try:
            response = self._stub.Predict(request, timeout=self._timeout)
        except grpc.RpcError as error:
            code, details = error.code(), error.details()
            if code == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise self._timeout_error() from error
            explained = explain_error(details)
            if code == grpc.StatusCode.INVALID_ARGUMENT and explained:
                raise ImageError(explained) from error
            if code == grpc.StatusCode.UNAVAILABLE and _FULL.search(details):
                raise _busy_error(f"{code.name}: {details}") from error
            raise ServingError(
                f"{code.name}: {details}. Expected a running TensorFlow "
                "Serving, its --port here"
            ) from error
        columns = {
            name: _plain(tf.make_ndarray(tensor))
            for name, tensor in response.outputs.items()
        }
        if any(len(column) != len(pairs) for column in columns.values()):
            expected = f"outputs of {len(pairs)} pairs"
            raise _response_error(expected, columns)
        rows = zip(*columns.values(), strict=True)
        rows = [dict(zip(columns, row, strict=True)) for row in rows]
        return _read_rows(rows, len(pairs))

    def _timeout_error(self):
        return ServingError(f"no answer within {self._timeout:g} seconds")


def seen_pairs(pairs, start=0):
    """Makes images what people see of them, as a served model does not.

    Warns of each that was partly transparent, such as `frame_bytes[3]`.

    Args:
        pairs: List of pairs of bytes, see `Client.predict`.
        start: Integer, the place of the first pair.

    Returns:
        A list of pairs of bytes, see `image_seen.as_seen`.
    """
    seen = []
    for place, pair in enumerate(pairs, start):
        images = []
        for name, image in zip(_INPUTS, pair, strict=True):
            image, note = image_seen.as_seen(image)
            if note:
                # The line of whoever handed it in.
                warnings.warn(f"{name}[{place}]: {note}", stacklevel=3)
            images.append(image)
        seen.append(tuple(images))
    return seen


def rest_request(pairs):
    """Returns a REST request in rows, as plain values.

    Args:
        pairs: List of pairs of bytes, see `Client.predict`.
    """
    instances = [
        {
            name: {"b64": base64.b64encode(image).decode("ascii")}
            for name, image in zip(_INPUTS, pair, strict=True)
        }
        for pair in pairs
    ]
    return {"signature_name": SIGNATURE, "instances": instances}


def read_response(body, num_pairs):
    """Reads the body of a REST response, in rows.

    Args:
        body: Bytes.
        num_pairs: Integer, how many pairs were sent.

    Returns:
        A list of `Answer`; of a pair that was refused, an `ImageError`.

    Raises:
        ResponseError: If the body is not of TensorFlow Serving's form, or not
            of a served model.
    """
    response = _json(body)
    if not isinstance(response, dict) or "predictions" not in response:
        raise _response_error("an object with predictions", body)
    return _read_rows(response["predictions"], num_pairs)


def explain_error(text):
    """Says what a served model has against the images it was given.

    One that was exported by an earlier version fails for a whole batch, with
    the places of the images in it.

    Args:
        text: String, the text of TensorFlow's error: of TensorFlow Serving,
            of a session, or of a SavedModel that was called.

    Returns:
        String, one sentence or two without TensorFlow's own words around
        them; or None if the error is about something else.
    """
    text = text[:_MAX_ERROR]
    found = _ASSERTION.search(text)
    if found:
        return found[1]
    found = _DECODER.search(text)
    if found:
        name, place, or_later = found.groups()
        said = text[: found.start()].rstrip().rpartition("\n")[2]
        place = f"{place} or later" if or_later else place
        said = _PREFIX.sub("", said).rstrip(".")
        return f"{name}[{place}] is cut off or corrupt ({said})"
    return None


def _has_valid_port(url):
    try:
        return urllib.parse.urlsplit(url).port != 0
    except ValueError:
        return False


def _grpc_stub(server):
    with checks.needs_extra("grpc://", "serving"):
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc
    # A batch of large frames is more than gRPC lets through by itself.
    options = [("grpc.max_send_message_length", -1)]
    channel = grpc.insecure_channel(server, options)
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def _json(body):
    """Returns what the body says, or None if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _http_error(status, body):
    """Returns the exception for a status that is not 200."""
    response = _json(body)
    error = response.get("error") if isinstance(response, dict) else None
    if not isinstance(error, str):
        return _response_error(f"HTTP {status} with an error", body)
    explained = explain_error(error) if status == 400 else None
    if explained:
        return ImageError(explained)
    if status == 429 or (status == 503 and _FULL.search(error)):
        return _busy_error(f"HTTP {status}: {error}")
    return ServingError(f"HTTP {status}: {error}")


def _busy_error(said):
    return BusyError(f"The server is busy, ask again later ({said})")


def _response_error(expected, received):
    # The beginning is enough to know a login page or another server by.
    if isinstance(received, bytes):
        received = received[:200].decode("utf-8", "replace")
    received = " ".join(str(received).split())[:200]
    return ResponseError(
        f"Expected TensorFlow Serving's answer, {expected}. Received: "
        f"{received or 'nothing'}"
    )


def _plain(array):
    """Returns a list of an array's rows, as JSON has them; of a scalar none."""
    if array.dtype == object:
        decoded = [item.decode("utf-8", "replace") for item in array.flat]
        array = array.copy()
        array.flat = decoded
    return array.tolist() if array.ndim else []


def _read_rows(rows, num_pairs):
    if not isinstance(rows, list) or len(rows) != num_pairs:
        raise _response_error(f"predictions of {num_pairs} pairs", rows)
    return [_read_row(row) for row in rows]


def _read_row(row):
    if not isinstance(row, dict) or not set(_OUTPUTS) <= set(row):
        raise _response_error(f"{', '.join(_OUTPUTS)} of each pair", row)
    if row.get("error"):
        return ImageError(str(row["error"])[:_MAX_ERROR])
    scores, genres = (row[name] for name in _OUTPUTS)
    limits = row.get("thresholds", scores)
    measured = [row[name] for name in _MEASURED if name in row]
    if not (
        isinstance(genres, list)
        and all(isinstance(name, str) for name in genres)
        and ("thresholds" in row or row.get("genre") in genres)
        and isinstance(scores, list)
        and isinstance(limits, list)
        and len(scores) == len(limits) == len(genres) == len(set(genres))
        and all(map(_is_finite, [*scores, *limits, *measured]))
    ):
        raise _response_error(
            "a score for each genre and what is measured, all finite", row
        )
    scores = dict(zip(genres, map(float, scores), strict=True))
    magnitude, familiarity = (
        float(row[name]) if name in row else None for name in _MEASURED
    )
    if "thresholds" not in row:
        return Answer(row["genre"], scores, magnitude, familiarity=familiarity)
    limits = dict(zip(genres, map(float, limits), strict=True))
    named = [genre for genre in genres if scores[genre] >= limits[genre]]
    named.sort(key=lambda genre: -scores[genre])
    first = named[0] if named else None
    return Answer(first, scores, magnitude, named, limits, familiarity)


def _is_finite(value):
    # JSON's whole numbers can be larger than a float.
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def shifted(text, start):
    """Counts the places in an error's text on from those of a batch.

    Args:
        text: String, such as `frame_bytes[0] is a WebP`.
        start: Integer, the place of the batch's first pair.
    """
    return re.sub(
        r"(?<=frame_bytes\[)\d+",
        lambda place: str(int(place[0]) + start),
        text,
    )
