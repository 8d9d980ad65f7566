"""A stand-in for TensorFlow Serving's binary, which tests cannot have.

It runs an exported model in a session, as the binary does, so answers and the
texts of errors are TensorFlow's own. Requests are checked, and responses
written, as the binary's documents have them: "RESTful API" and
`prediction_service.proto`. What only the binary can show, such as its limits
and its batching of several clients, is not tested.

As a process of its own, with REST alone:

    python -m tests.helpers.serving_stand_in FOLDER --most 16
"""

import argparse
import base64
import collections
import concurrent.futures
import contextlib
import http.server
import json
import re
import threading
import time

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+))?:predict"
)


# What the binary's batching says when its queue is full.
_FULL = "The batch scheduling queue to which this task was submitted is full"

_HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.UNAVAILABLE: 503,
}


class RefusedError(Exception):
    """An error of the server: a gRPC status code and a text."""


class StandIn:
    """A server of one model, by REST and by gRPC.

    Attributes:
        rest: String, `http://HOST:PORT`.
        grpc: String, `grpc://HOST:PORT`.
        requests: List of (path or model's name, number of pairs) so far.
        reply: None, or (HTTP status, bytes) that REST gives instead.
        delay: Float, seconds before an answer.
        most: None, or how many requests it takes at once; it refuses others
            as the binary does whose queue is full.
    """

    def __init__(self, folder, name="scene_genre", version="1", most=None):
        self._name, self._version = name, version
        self.most, self._num_open = most, 0
        self._lock = threading.Lock()
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            self._signatures = tf.compat.v1.saved_model.load(
                self._session, ["serve"], str(folder)
            ).signature_def
        self.requests, self.reply, self.delay = [], None, 0.0

    @contextlib.contextmanager
    def running(self):
        """Runs both servers."""
        handler = type("Handler", (_Handler,), {"stand_in": self})
        rest = _Server(("127.0.0.1", 0), handler)
        threading.Thread(target=rest.serve_forever, daemon=True).start()
        server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(2),
            options=[("grpc.max_receive_message_length", -1)],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _Servicer(self), server
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.rest = f"http://127.0.0.1:{rest.server_port}"
        self.grpc = f"grpc://127.0.0.1:{port}"
        try:
            yield self
        finally:
            rest.shutdown()
            rest.server_close()
            server.stop(None).wait()

    def predict(self, name, version, signature, inputs):
        """Runs a signature on a dict of arrays; raises `RefusedError`."""
        with self._lock:
            if self.most is not None and self._num_open >= self.most:
                raise RefusedError(grpc.StatusCode.UNAVAILABLE, _FULL)
            self._num_open += 1
        try:
            return self._predict(name, version, signature, inputs)
        finally:
            with self._lock:
                self._num_open -= 1

    def _predict(self, name, version, signature, inputs):
        time.sleep(self.delay)
        if name != self._name or version not in (None, self._version):
            which = f"Latest({name})"
            if version:
                which = f"Specific({name}, {version})"
            raise RefusedError(
                grpc.StatusCode.NOT_FOUND,
                f"Servable not found for request: {which}",
            )
        known = self._signatures[signature]
        assert set(inputs) == set(known.inputs)
        try:
            return self._session.run(
                {key: value.name for key, value in known.outputs.items()},
                {known.inputs[key].name: inputs[key] for key in inputs},
            )
        except tf.errors.InvalidArgumentError as error:
            # The first line is Python's own, the binary has none.
            message = error.message.removeprefix("Graph execution error:\n\n")
            raise RefusedError(
                grpc.StatusCode.INVALID_ARGUMENT, message
            ) from error


class _Server(http.server.ThreadingHTTPServer):
    # As many may knock at once as do at the binary.
    request_queue_size = 128


class _Handler(http.server.BaseHTTPRequestHandler):
    """The REST API's predict."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            status, answer = self.stand_in.reply or (200, self._answer(body))
        except RefusedError as error:
            code, message = error.args
            status = _HTTP_STATUS[code]
            answer = json.dumps({"error": message}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass

    def _answer(self, body):
        path = _PATH.fullmatch(self.path)
        request = json.loads(body.decode("utf-8"))
        # What else a request may be, the client never sends.
        assert set(request) == {"signature_name", "instances"}
        instances = request["instances"]
        assert all(set(row) == set(instances[0]) for row in instances)
        self.stand_in.requests.append((self.path, len(instances)))
        columns = {
            name: np.array([_binary(row[name]) for row in instances], object)
            for name in instances[0]
        }
        outputs = self.stand_in.predict(
            path["name"], path["version"], request["signature_name"], columns
        )
        assert {len(values) for values in outputs.values()} == {len(instances)}
        predictions = [
            {name: _plain(values[row]) for name, values in outputs.items()}
            for row in range(len(instances))
        ]
        return json.dumps({"predictions": predictions}, indent=4).encode()


class _Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The gRPC API's Predict."""

    def __init__(self, stand_in):
        self._stand_in = stand_in

    def Predict(self, request, context):  # noqa: N802
        spec = request.model_spec
        inputs = {
            name: tf.make_ndarray(tensor)
            for name, tensor in request.inputs.items()
        }
        num_pairs = len(next(iter(inputs.values())))
        self._stand_in.requests.append((spec.name, num_pairs))
        try:
            outputs = self._stand_in.predict(
                spec.name, None, spec.signature_name, inputs
            )
        except RefusedError as error:
            context.abort(*error.args)
        response = predict_pb2.PredictResponse(model_spec=spec)
        for name, values in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
        return response


def _binary(value):
    """Decodes an input whose name ends in _bytes."""
    (data,) = value.values()
    assert set(value) == {"b64"}
    return base64.b64decode(data, validate=True)


def _plain(value):
    """Returns what JSON has of a scalar or a row of an array."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value]
    return float(value)


def main():
    """Serves an exported model by REST until its process is ended."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.helpers.serving_stand_in"
    )
    parser.add_argument("folder", help="a version of an export")
    parser.add_argument("--most", type=int, help="requests at once")
    arguments = parser.parse_args()
    with StandIn(arguments.folder, most=arguments.most).running() as stand_in:
        # What was asked is of no use here, and would grow.
        stand_in.requests = collections.deque(maxlen=1)
        print(f"serving at {stand_in.rest}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
