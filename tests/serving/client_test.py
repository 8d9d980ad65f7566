import base64
import json
import os
import pathlib
import socket
import subprocess
import sys
import warnings

import pytest
import tensorflow as tf

from keras_ssc.errors import OutsideError
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.serving import client as serving_client
from tests.helpers import bad_images
from tests.helpers import lying_images
from tests.helpers import programs
from tests.helpers import serving_stand_in
from tests.helpers import tiny_served

ROOT = pathlib.Path(__file__).parents[2]

SCORES = dict.fromkeys(REPORT_GENRES, 1 / 6)
ROW = {
    "genre": "horror",
    "scores": list(SCORES.values()),
    "genres": list(REPORT_GENRES),
    "motion_magnitude": 0.25,
}


@pytest.fixture(scope="module")
def running(served_dir):
    with serving_stand_in.StandIn(served_dir).running() as stand_in:
        yield stand_in


@pytest.fixture
def server(running):
    """The stand-in, as if nobody had asked it before."""
    running.requests, running.reply, running.delay = [], None, 0.0
    running.most = None
    return running


@pytest.fixture(scope="module")
def local(served_dir):
    """Asks the model without a server; gives what a client should."""
    return tiny_served.local(served_dir)


@pytest.fixture
def closed_port():
    """A port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def urls(server):
    model = f"{server.rest}/v1/models/scene_genre"
    return [
        *(server.rest, f"{server.rest}/", model, f"{model}:predict"),
        *(f"{model}/versions/1", f"{model}/versions/1:predict"),
        *(server.grpc, f"{server.grpc}/scene_genre"),
    ]


def test_answers_are_the_local_models_under_every_url(server, local):
    pairs = tiny_served.pairs(3)
    expected = local(pairs)
    for url in urls(server):
        tiny_served.assert_same(
            serving_client.Client(url).predict(pairs), expected
        )
    assert [asked[1] for asked in server.requests] == [3] * 8


def test_a_request_is_of_the_documented_form():
    pairs = [(b"\xff\0", b"two"), (b"", b"four")]
    assert serving_client.rest_request(pairs) == {
        "signature_name": "serving_default",
        "instances": [
            {
                "frame_bytes": {"b64": base64.b64encode(first).decode()},
                "next_frame_bytes": {"b64": base64.b64encode(second).decode()},
            }
            for first, second in pairs
        ],
    }


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_familiarity_is_told_by_a_model_that_knows_its_films(
    familiar_dir, server, images, way
):
    pairs = tiny_served.pairs(8)
    signature = tf.saved_model.load(str(familiar_dir)).signatures
    expected = tiny_served.ask(signature["serving_default"], pairs)
    with serving_stand_in.StandIn(familiar_dir).running() as familiar:
        url = getattr(familiar, way)
        answers = serving_client.Client(url).predict(pairs)
        code, printed = programs.run_here(
            *("keras_ssc.predict", "--server", url),
            *(images / "1.png", images / "2.png"),
        )
    told = [answer.familiarity for answer in answers]
    assert told == pytest.approx(expected["familiarity"].tolist(), abs=1e-3)
    assert 0 <= min(told) < max(told) <= 1
    for answer in answers:
        assert answer.is_unlike == (answer.familiarity < 0.05)
        assert (answer.genre is None) == answer.is_unlike
    assert code == 0
    assert printed.splitlines()[-1] == f"familiarity: {told[0]:.2f}"
    # A model that does not say it, of an earlier version.
    [answer] = serving_client.Client(getattr(server, way)).predict(pairs[:1])
    assert answer.familiarity is None and not answer.is_unlike


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_many_pairs_are_split_and_errors_name_their_place(server, local, way):
    client = serving_client.Client(getattr(server, way))
    pairs = tiny_served.pairs(33)
    tiny_served.assert_same(client.predict(pairs), local(pairs))
    assert [asked[1] for asked in server.requests] == [32, 1]
    pairs[32] = (pairs[32][0], b"GIF89a")
    with pytest.raises(serving_client.ImageError) as raised:
        client.predict(pairs)
    assert str(raised.value) == (
        "Expected JPEG or PNG images. next_frame_bytes[32] is a GIF"
    )


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_no_pairs_are_no_request(server, way):
    assert serving_client.Client(getattr(server, way)).predict([]) == []
    assert server.requests == []


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_pictures_are_sent_as_people_see_them(server, local, way):
    pairs = tiny_served.frames(3)
    upright = [tuple(map(tiny_served.encode, pair)) for pair in pairs]
    lying = [
        tuple(lying_images.lying(each, 6) for each in pair) for pair in pairs
    ]
    client = serving_client.Client(getattr(server, way), batch_size=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny_served.assert_same(client.predict(lying), local(upright))
    next_frame = pairs[2][1]
    clear = lying_images.see_through(next_frame, 0)
    dark = next_frame.copy()
    dark[:, :48] = 0
    lying[2] = (lying[2][0], clear)
    upright[2] = (upright[2][0], tiny_served.encode(dark))
    with pytest.warns(UserWarning, match=r"^next_frame_bytes\[2\]: it is par"):
        tiny_served.assert_same(client.predict(lying), local(upright))


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_a_cut_image_is_the_users_mistake(server, way):
    good = tiny_served.pairs(1)[0]
    client = serving_client.Client(getattr(server, way), batch_size=1)
    with pytest.raises(ValueError) as raised:
        client.predict([good, (good[0][:3000], good[1])])
    assert str(raised.value) == "frame_bytes[1] is cut off or corrupt"


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_a_bad_image_costs_no_other_pair(server, local, way):
    client = serving_client.Client(getattr(server, way), batch_size=2)
    pairs = tiny_served.pairs(4)
    expected = local(pairs)
    pairs[1] = (pairs[1][0], b"GIF89a")
    pairs[2] = (pairs[2][0][:3000], pairs[2][1])
    first, *refused, last = client.predict_each(pairs)
    tiny_served.assert_same([first, last], [expected[0], expected[3]])
    assert [str(error) for error in refused] == [
        "Expected JPEG or PNG images. next_frame_bytes[1] is a GIF",
        "frame_bytes[2] is cut off or corrupt",
    ]
    assert {type(error) for error in refused} == {serving_client.ImageError}


def test_a_model_of_an_earlier_version_refuses_all_pairs_for_one(server):
    text = "assertion failed: [Expected JPEG or PNG. frame_bytes[1] is a GIF]"
    server.reply = (400, json.dumps({"error": text}).encode())
    client = serving_client.Client(server.rest)
    with pytest.raises(serving_client.ImageError, match=r"^Expected JPEG or"):
        client.predict_each([(b"", b"")] * 2)


@pytest.mark.parametrize(
    "way, place, expected",
    [
        ("rest", "/v1/models/other", "Latest(other)"),
        ("grpc", "/other", "Latest(other)"),
        ("rest", "/v1/models/scene_genre/versions/2", "(scene_genre, 2)"),
    ],
)
def test_a_model_that_the_server_does_not_have(server, way, place, expected):
    url = getattr(server, way) + place
    with pytest.raises(serving_client.ServingError) as raised:
        serving_client.Client(url).predict(tiny_served.pairs(1))
    assert str(raised.value).startswith(url)
    assert "Servable not found for request: " in str(raised.value)
    assert expected in str(raised.value)
    assert ("HTTP 404" in str(raised.value)) == (way == "rest")


@pytest.mark.parametrize("way", ["http", "grpc"])
def test_no_server(closed_port, way):
    client = serving_client.Client(f"{way}://127.0.0.1:{closed_port}")
    with pytest.raises(OutsideError, match="refused.*Expected a runn"):
        client.predict([(b"", b"")])


def test_a_host_that_is_no_name():
    client = serving_client.Client("http://a..b:8501")
    with pytest.raises(serving_client.ServingError, match=r"a\.\.b.*no answe"):
        client.predict([(b"", b"")])


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_a_server_that_is_silent(server, way):
    server.delay = 1.0
    client = serving_client.Client(getattr(server, way), timeout=0.2)
    with pytest.raises(serving_client.ServingError, match="within 0.2 secon"):
        client.predict(tiny_served.pairs(1))


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_a_server_whose_queue_is_full_is_busy(server, way):
    server.most = 0
    client = serving_client.Client(getattr(server, way))
    with pytest.raises(serving_client.BusyError) as raised:
        client.predict(tiny_served.pairs(1))
    assert str(raised.value).startswith(f"{client.url}: The server is busy")
    assert "queue to which this task was submitted is full" in str(raised.value)
    server.most = None
    assert len(client.predict(tiny_served.pairs(1))) == 1


def test_too_many_requests_are_told_as_busy(server):
    server.reply = (429, b'{"error": "slow down"}')
    with pytest.raises(serving_client.BusyError, match="busy.*HTTP 429: slow"):
        serving_client.Client(server.rest).predict([(b"", b"")])
    # A model that is still being loaded, or a server that is gone, is not.
    server.reply = (503, b'{"error": "not yet"}')
    with pytest.raises(serving_client.ServingError) as raised:
        serving_client.Client(server.rest).predict([(b"", b"")])
    assert not isinstance(raised.value, serving_client.BusyError)


def test_a_server_that_hangs_up():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.settimeout(10)
        client = subprocess.Popen(
            [sys.executable, "-c", HANGS_UP, url], cwd=ROOT
        )
        connection, _ = listening.accept()
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
        connection.close()
        assert client.wait(60) == 1


HANGS_UP = """
import sys
from keras_ssc import command
from keras_ssc.serving import client as serving_client
client = serving_client.Client(sys.argv[1])
command.run(lambda: client.predict([(b"", b"")]))
"""


@pytest.mark.parametrize(
    "status,body,expected",
    [
        (503, b'{"error": "not yet"}', "HTTP 503: not yet"),
        (400, b'{"error": "Malformed"}', "HTTP 400: Malformed"),
        (500, b'{"error": "assertion failed: [x]"}', "HTTP 500: assertion"),
        (502, b"<html> Bad\n gateway", "HTTP 502.*Received: <html> Bad gate"),
        (404, b"", "HTTP 404 with an error. Received: nothing"),
        (403, b'{"error": 1}', "HTTP 403 with an error"),
        (200, b"<html>Hello", "Received: <html>Hello"),
        (200, b"\xff\xfe\0", "Expected TensorFlow Serving's answer"),
        (200, b"", "Received: nothing"),
        (200, b'{"error": "none"}', "an object with predictions"),
        (200, b'{"outputs": {}}', "an object with predictions"),
        (200, b"[" * 100000, "an object with predictions"),
    ],
)
def test_answers_of_other_kinds(server, status, body, expected):
    server.reply = (status, body)
    with pytest.raises(serving_client.ServingError, match=expected) as raised:
        serving_client.Client(server.rest).predict([(b"", b"")])
    assert len(str(raised.value)) < 500
    is_form = "Expected TensorFlow" in str(raised.value)
    assert isinstance(raised.value, serving_client.ResponseError) == is_form


def test_a_response_of_the_documented_form_is_read():
    body = json.dumps({"predictions": [ROW, {**ROW, "more": 1}]}).encode()
    expected = serving_client.Answer("horror", SCORES, 0.25)
    assert serving_client.read_response(body, 2) == [expected, expected]
    whole = {**ROW, "motion_magnitude": 0}
    body = json.dumps({"predictions": [whole]}).encode()
    assert serving_client.read_response(body, 1)[0].motion_magnitude == 0
    # A model that does not see motion says nothing of it.
    still = {key: ROW[key] for key in ROW if key != "motion_magnitude"}
    body = json.dumps({"predictions": [still]}).encode()
    assert serving_client.read_response(body, 1)[0].motion_magnitude is None


@pytest.mark.parametrize(
    "predictions",
    [
        [],
        [ROW, ROW],
        ROW,
        None,
        [[0.5, 0.5]],
        [{key: ROW[key] for key in ROW if key != "genres"}],
        [{**ROW, "genre": "western"}],
        [{**ROW, "genre": {"b64": "aG9ycm9y"}}],
        [{**ROW, "genres": list(REPORT_GENRES[:5])}],
        [{**ROW, "genres": ["horror"] * 6}],
        [{**ROW, "genres": "horror"}],
        [{**ROW, "genres": [1, 2, 3, 4, 5, 6]}],
        [{**ROW, "scores": [*ROW["scores"][:5], float("nan")]}],
        [{**ROW, "scores": [*ROW["scores"][:5], "0.1"]}],
        [{**ROW, "scores": 0.5}],
        [{**ROW, "motion_magnitude": float("inf")}],
        [{**ROW, "motion_magnitude": True}],
        [{**ROW, "motion_magnitude": 10**400}],
        [{**ROW, "motion_magnitude": [0.1]}],
    ],
)
def test_deviations_from_the_form_are_named(predictions):
    body = json.dumps({"predictions": predictions}).encode()
    with pytest.raises(serving_client.ResponseError, match="Expected Tensor"):
        serving_client.read_response(body, 1)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8501",
        "ftp://localhost",
        "http://",
        "http://a b:8501",
        "http://me@localhost:8501",
        "http://localhost:eighty",
        "http://localhost:99999",
        "http://[::1:8501",
        "http://localhost:8501/v1",
        "http://localhost:8501/v1/models/a:classify",
        "http://localhost:8501/v1/models/a/versions/b",
        "http://localhost:8501/v1/models/영화",
        "grpc://localhost",
        "grpc://localhost:8500/a/b",
        "",
    ],
)
def test_what_is_no_url_of_a_server_is_refused(url):
    with pytest.raises(ValueError, match="Expected a URL such as"):
        serving_client.Client(url)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), 1e300])
def test_what_is_no_timeout_is_refused(timeout):
    with pytest.raises(ValueError, match="Expected a timeout"):
        serving_client.Client("http://localhost:8501", timeout)


def test_no_batch_size_below_one():
    with pytest.raises(ValueError, match="Expected a batch size"):
        serving_client.Client("http://localhost:8501", batch_size=0)


@pytest.mark.parametrize(
    "text,expected",
    [
        (
            "2 root error(s) found.\n  (0) INVALID_ARGUMENT: Invalid JPEG "
            "data.\n\t [[{{function_node f}}{{node map/"
            "next_frame_bytes_0_is_cut_off_or_corrupt/DecodeJpeg}}]]\n"
            "  (1) INVALID_ARGUMENT: other\n0 successful operations.",
            "next_frame_bytes[0] is cut off or corrupt (Invalid JPEG data)",
        ),
        ("Matrix size-incompatible: In[0]: [1,2]", None),
        ("", None),
    ],
)
def test_errors_are_explained(text, expected):
    assert serving_client.explain_error(text) == expected


def predict(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "keras_ssc.predict", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with images and with what is none."""
    folder = tmp_path_factory.mktemp("images")
    frame, next_frame = tiny_served.pairs(1)[0]
    (folder / "1.png").write_bytes(frame)
    (folder / "2.png").write_bytes(next_frame)
    (folder / "cut.png").write_bytes(frame[:3000])
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("a film")
    first = tiny_served.frames(1)[0][0]
    for name, form in (
        *(("a.webp", "WebP"), ("a.gif", "GIF"), ("a.tif", "TIFF")),
        ("bmp.jpg", "BMP"),
    ):
        (folder / name).write_bytes(bad_images.pillow(first, None, form))
    (folder / "a.heic").write_bytes(b"\0\0\0 ftypheic" + bytes(20))
    (folder / "film.mp4").write_bytes(b"a film")
    return folder


def test_the_command_prints_lines_for_people(server, local, images):
    ended = predict("--server", server.rest, images / "1.png", images / "2.png")
    assert (ended.returncode, ended.stderr) == (0, "")
    answer = local(tiny_served.pairs(1))[0]
    first, *scores, last = ended.stdout.splitlines()
    assert first == f"genre: {answer.genre}"
    assert scores[0].split()[0] == answer.genre
    told = [float(line.split()[1]) for line in scores]
    assert told == sorted(told, reverse=True)
    assert sum(told) == pytest.approx(100, abs=0.4)
    assert last == f"motion magnitude: {answer.motion_magnitude:.4g}"


def test_the_command_takes_pictures_as_people_see_them(server, local, images):
    frame, next_frame = tiny_served.frames(1)[0]
    dark = next_frame.copy()
    dark[:, :48] = 0
    lying, clear = images / "lying.png", images / "clear.png"
    lying.write_bytes(lying_images.lying(frame, 8))
    clear.write_bytes(lying_images.see_through(next_frame, 0))
    ended = predict("--server", server.rest, lying, clear, "--json")
    assert ended.returncode == 0
    assert ended.stderr == (
        f"note: {clear}: it is partly transparent; laid over black\n"
    )
    [prediction] = json.loads(ended.stdout)["predictions"]
    for name in ("frame", "next_frame"):
        del prediction[name]
    upright = [(tiny_served.encode(frame), tiny_served.encode(dark))]
    tiny_served.assert_same(
        [serving_client.Answer(**prediction)], local(upright)
    )


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_the_command_prints_json_for_programs(server, local, images, way):
    url = getattr(server, way)
    paths = [str(images / name) for name in ("1.png", "2.png")]
    ended = predict("--server", url, *paths, "--json", LC_ALL="C")
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert set(said) == {"version", "model", "predictions", "errors"}
    assert said["version"] == 1
    assert said["model"].startswith(url)
    [prediction] = said["predictions"]
    named = [prediction.pop(name) for name in ("frame", "next_frame")]
    assert named == paths
    tiny_served.assert_same(
        [serving_client.Answer(**prediction)], local(tiny_served.pairs(1))
    )


@pytest.mark.parametrize(
    "names,expected",
    [
        (("1.png", "notes.txt"), "{}/notes.txt is neither JPEG nor PNG"),
        (("cut.png", "2.png"), "{}/cut.png is cut off or corrupt"),
        (("empty.png", "2.png"), "{}/empty.png is empty"),
        (("1.png", "3.png"), "Received: {}/3.png, no such file"),
        (("1.png", "."), "Received: {}, a folder"),
        (("a.webp", "a.webp"), "{}/a.webp is a WebP. Name a JPEG or PNG"),
        (("a.gif",), "{}/a.gif is a GIF. Name a JPEG or PNG file: convert"),
        (("1.png", "a.heic"), "{}/a.heic is an AVIF, a HEIF or a video. Nam"),
        (("film.mp4", "a.tif"), "{}/a.tif is a TIFF. Name a JPEG or PNG"),
        (("bmp.jpg",), "{}/bmp.jpg is a BMP. Name a JPEG or PNG file"),
        (("bmp.jpg", "1.png", "2.png"), "{}/bmp.jpg is a BMP. Name a JPEG"),
        (("1.png",), "Expected two images, or films. Received: 1, with"),
        (("1.png", "2.png", "1.png"), "or films. Received: 3, with the"),
    ],
)
def test_a_users_mistake_is_one_line_and_code_2(
    server, images, names, expected
):
    ended = predict("--server", server.rest, *(images / x for x in names))
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("error: ")
    assert expected.format(images) in ended.stderr


@pytest.mark.parametrize("way", ["http", "grpc"])
def test_no_server_is_one_line_and_code_1(closed_port, images, way):
    url = f"{way}://127.0.0.1:{closed_port}"
    code, printed = programs.run_here(
        *("keras_ssc.predict", "--server", url),
        *(images / "1.png", images / "2.png"),
    )
    assert code == 1
    assert printed.startswith(f"error: {url}/") and printed.count("\n") == 1


def test_the_rest_client_needs_nothing_else():
    code = (
        "import sys, keras_ssc.predict; "
        "print({'tensorflow', 'numpy', 'cv2', 'av', 'PIL'} & set(sys.modules))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "set()\n"
