"""Genres that nothing was trained on, by tiny presets of KerasHub."""

import csv
import json
import pathlib

import keras
import numpy as np
import pytest

from keras_ssc.films import film_reader
from keras_ssc.films import image_files
from keras_ssc.metrics.tables import percent
from keras_ssc.prediction import zero_shot
from tests.helpers import drawn_films
from tests.helpers import programs
from tests.helpers import tiny_presets

keras_hub = pytest.importorskip("keras_hub")
pytest.importorskip("sentencepiece")

GENRES = ("heist", "western", "film noir")


@pytest.fixture(scope="module", params=["clip", "siglip"])
def preset(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / request.param
    return str(getattr(tiny_presets, request.param)(folder))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return str(tiny_presets.clip(tmp_path_factory.mktemp("presets") / "clip"))


def pictures(seed=0, size=(90, 160)):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (3, *size, 3)).astype(np.uint8)


def read_by_hand(preset, texts):
    """Returns a backbone, and what it takes for `pictures` and for texts."""
    reader = keras_hub.models.CausalLMPreprocessor.from_preset(preset)
    backbone = keras_hub.models.Backbone.from_preset(preset)
    taken = reader({"prompts": texts, "images": pictures()})
    return backbone, taken["images"], taken["token_ids"]


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def test_one_prompt_gives_what_the_backbone_gives(preset):
    asked = zero_shot.load(preset, GENRES, ["it is a {} movie"])
    texts = [f"it is a {genre} movie" for genre in GENRES]
    backbone, images, token_ids = read_by_hand(preset, texts)
    given = backbone({"images": images, "token_ids": token_ids})
    expected = softmax(np.array(given["vision_logits"]))
    scores, magnitudes, _ = asked.scores(pictures(), pictures(1))
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert magnitudes is None and asked.task.genres == GENRES
    assert np.ptp(scores, axis=1).min() > 1e-3
    # Only the frame is looked at, and it is.
    again, *_ = asked.scores(pictures(), pictures(2))
    assert np.array_equal(again, scores)
    other, *_ = asked.scores(pictures(1), pictures())
    assert np.abs(other - scores).max() > 1e-4


def test_prompts_are_normalised_and_averaged(preset):
    unit = keras.utils.normalize
    texts = [prompt.format(g) for g in GENRES for prompt in zero_shot.PROMPTS]
    backbone, images, token_ids = read_by_hand(preset, texts)
    text = unit(np.array(backbone.get_text_embeddings(token_ids)))
    text = unit(text.reshape(len(GENRES), len(zero_shot.PROMPTS), -1).mean(1))
    image = unit(np.array(backbone.get_vision_embeddings(images)))
    (scale,) = (
        float(np.exp(each.numpy()))
        for each in backbone.weights
        if each.name == "logit_scale"
    )
    expected = softmax(scale * image @ text.T)
    scores, *_ = zero_shot.load(preset, GENRES).scores(pictures(), pictures())
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    one = zero_shot.load(preset, GENRES, zero_shot.PROMPTS[:1])
    other, *_ = one.scores(pictures(), pictures())
    assert np.abs(other - scores).max() > 1e-3


def test_the_command_says_of_a_film_what_it_says_of_any(clip, tmp_path):
    frames = [*drawn_films.shot(1, 20), *drawn_films.shot(2, 40, speed=3)]
    film = drawn_films.write_film(tmp_path / "film.mp4", frames)
    outputs = {
        name: tmp_path / f"out.{name}" for name in ("csv", "timeline", "sheet")
    }
    flags = ["--zero-shot", clip, "--genres", "Heist, film noir,sci_fi"]
    flags += ["--pairs", 6]
    code, printed = programs.run_here(
        "keras_ssc.predict",
        *flags,
        *("--csv", outputs["csv"], "--timeline", outputs["timeline"]),
        *("--contact-sheet", outputs["sheet"]),
        *("--json", film),
    )
    said = json.loads(printed)
    assert code == 0 and said["model"] == f"zero-shot {clip}"
    (verdict,) = said["predictions"]
    genres = ["Heist", "film noir", "sci_fi"]
    assert list(verdict["scores"]) == genres and verdict["genre"] in genres
    assert len(verdict["shots"]) == 2
    first, *rows = csv.reader(outputs["csv"].read_text().splitlines())
    assert first[4:-2] == genres and len(rows) == 2
    for name in ("timeline", "sheet"):
        assert image_files.read_frame(outputs[name]).std() > 1
    # In words, and with other prompts.
    asked = zero_shot.load(clip, genres, ["{}", "so {}"])
    best = asked.predict_film(film, film_reader.Plan(6)).confidence
    flags += ["--prompts", "{}", "--prompts", "so {}"]
    code, printed = programs.run_here("keras_ssc.predict", *flags, film)
    assert code == 0 and f" {percent(best)}; then " in printed


def test_the_command_says_of_two_images_what_it_says_of_frames(clip, tmp_path):
    pair = pictures(size=(270, 480))[:2]
    paths = [tmp_path / "frame.png", tmp_path / "next_frame.png"]
    for path, frame in zip(paths, pair, strict=True):
        path.write_bytes(image_files.encode_frame(frame))
    code, printed = programs.run_here(
        "keras_ssc.predict",
        *("--zero-shot", clip, "--genres", "heist,western", "--json"),
        *paths,
    )
    asked = zero_shot.load(clip, ["heist", "western"])
    (prediction,) = json.loads(printed)["predictions"]
    assert code == 0
    expected = asked.predict_pair(*pair).scores
    assert prediction["scores"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "flags, message",
    [
        (("--genres", "a,b", "MODEL"), "--genres with --zero-shot"),
        (("--prompts", "a {}", "MODEL"), "--prompts with --zero-shot"),
        (("--zero-shot", "P", "--genres", "a,b", "--server", "S"), "both"),
        (("--zero-shot", "P"), "--genres heist,western"),
        (("--zero-shot", "P", "--genres", "a"), "two genres or more"),
        (("--zero-shot", "P", "--genres", "a,,b"), "name of a genre"),
        (("--zero-shot", "P", "--genres", "a b,b,A_b"), "'a b' and 'A_b'"),
        (
            ("--zero-shot", "P", "--genres", "a,b", "--prompts", "a film"),
            "one {} in the genre's place",
        ),
        (
            ("--zero-shot", "no_preset", "--genres", "a,b"),
            "CLIP or SigLIP preset.* no_preset cannot be had",
        ),
    ],
)
def test_mistakes_are_one_line_and_code_2(flags, message, tmp_path):
    film = tmp_path / "film.mp4"
    film.write_bytes(b"no film")
    code, printed = programs.run_here("keras_ssc.predict", *flags, film)
    assert code == 2
    (line,) = printed.splitlines()
    assert line.startswith("error: Expected")
    with pytest.raises(ValueError, match=message):
        raise ValueError(line)


@pytest.mark.parametrize("make", ["text", "convolutions"])
def test_a_preset_of_something_else_is_refused(make, tmp_path):
    preset = getattr(tiny_presets, make)(tmp_path / make)
    with pytest.raises(ValueError, match=f"CLIP or SigLIP .*{make} cannot be"):
        zero_shot.load(preset, GENRES)


def test_genres_that_a_preset_cannot_read_are_refused(tmp_path):
    preset = tiny_presets.siglip(tmp_path / "siglip")
    with pytest.raises(ValueError, match="'서부' and '공포' as the same text"):
        zero_shot.load(preset, ["heist", "서부", "공포"])


@pytest.mark.parametrize("file", ["config.json", "preprocessor.json"])
def test_a_preset_that_means_harm_is_refused(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    preset = tiny_presets.clip(tmp_path / "tiny")
    layer = keras.layers.Lambda(lambda x: pathlib.Path("harmed").touch())
    harm = keras.saving.serialize_keras_object(layer)
    config = json.loads((preset / file).read_text())
    part = "tokenizer" if file == "preprocessor.json" else "text_encoder"
    config["config"][part] = harm
    (preset / file).write_text(json.dumps(config))
    with pytest.raises(ValueError, match="arbitrary code execution"):
        zero_shot.load(preset, GENRES)
    assert not (tmp_path / "harmed").exists()
