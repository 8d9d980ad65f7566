import pytest
import tensorflow as tf

from keras_ssc.serving import client as serving_client
from tests.helpers import c_api
from tests.helpers import tiny_served


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    try:
        return c_api.build(tmp_path_factory.mktemp("c"))
    except OSError as error:
        pytest.skip(error.strerror)


def write(folder, images):
    paths = [folder / f"{place}.png" for place in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(image)
    return paths


@pytest.mark.parametrize("num_pairs", [1, 3])
def test_c_gives_pythons_answers(program, served_dir, tmp_path, num_pairs):
    pairs = tiny_served.pairs(4)[-num_pairs:]
    paths = write(tmp_path, [image for pair in pairs for image in pair])
    body = c_api.ask(program, served_dir, paths)
    answers = serving_client.read_response(body, num_pairs)
    tiny_served.assert_same(answers, tiny_served.local(served_dir)(pairs))


def test_c_asks_a_model_that_sees_no_motion(program, tmp_path):
    tiny_served.save_model(tiny_served.build(), tmp_path / "still")
    [pair] = tiny_served.pairs(1)
    body = c_api.ask(program, tmp_path / "still", write(tmp_path, pair))
    [answer] = serving_client.read_response(body, 1)
    assert answer.motion_magnitude is None
    assert sum(answer.scores.values()) == pytest.approx(1, abs=1e-5)


def test_c_asks_how_familiar_pairs_are(program, familiar_dir, tmp_path):
    pairs = tiny_served.pairs(4)
    paths = write(tmp_path, [image for pair in pairs for image in pair])
    body = c_api.ask(program, familiar_dir, paths)
    answers = serving_client.read_response(body, 4)
    signature = tf.saved_model.load(str(familiar_dir)).signatures
    expected = tiny_served.ask(signature["serving_default"], pairs)
    told = [answer.familiarity for answer in answers]
    assert told == pytest.approx(expected["familiarity"].tolist(), abs=1e-3)
    assert answers[0].motion_magnitude is None


def test_c_tells_of_a_bad_image_and_answers_for_the_others(
    program, served_dir, tmp_path
):
    frame, next_frame = tiny_served.pairs(1)[0]
    paths = write(tmp_path, (frame, next_frame, frame, next_frame[:3000]))
    body = c_api.ask(program, served_dir, paths)
    answer, refused = serving_client.read_response(body, 2)
    assert answer.genre
    assert str(refused) == "next_frame_bytes is cut off or corrupt"


@pytest.mark.parametrize(
    "missing,expected",
    [
        ("folder", "error: {}/none: "),
        ("image", "error: {}/none: cannot be opened"),
        ("tensor", "error: scores: expected NAME=TENSOR"),
        ("frame", "expected FOLDER, five to eight NAME=TENSOR, FRAME"),
    ],
)
def test_c_tells_what_is_missing(
    program, served_dir, tmp_path, missing, expected
):
    tensors = c_api.tensors_of(served_dir)
    folder, paths = served_dir, write(tmp_path, [b"", b""])
    if missing == "folder":
        folder = tmp_path / "none"
    elif missing == "image":
        paths[0] = tmp_path / "none"
    elif missing == "frame":
        paths = paths[:1]
    else:
        tensors = [name.replace("scores=", "other=") for name in tensors]
    with pytest.raises(c_api.ProgramError) as failed:
        c_api.ask(program, folder, paths, tensors)
    assert expected.format(tmp_path) in str(failed.value)
