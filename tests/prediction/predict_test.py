import dataclasses
import fractions
import json
import sys
from xml.etree import ElementTree

import keras
import numpy as np
import opentimelineio
import pytest

import keras_ssc
from experiments import letterbox
from keras_ssc import flow
from keras_ssc import predict
from keras_ssc.data import datasets
from keras_ssc.data import pair_files
from keras_ssc.data import resizing
from keras_ssc.errors import VideoError
from keras_ssc.films import black_bars
from keras_ssc.films import film_reader
from keras_ssc.films import frame_index
from keras_ssc.films import image_files
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.genres import genre_words
from keras_ssc.prediction import predicting
from keras_ssc.prediction import predictor
from keras_ssc.prediction import verdict_pictures
from keras_ssc.serving import client as serving_client
from keras_ssc.serving import exporting
from keras_ssc.training import evaluation
from tests.helpers import drawn_films
from tests.helpers import lying_images
from tests.helpers import tiny_served


@pytest.fixture(scope="module")
def run_dir(small_run):
    evaluation.evaluate(small_run, verbose=False)
    return small_run


@pytest.fixture(scope="module")
def asked(run_dir):
    return keras_ssc.load(run_dir)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film of two shots, 20 and 40 frames, and its folder."""
    frames = [*drawn_films.shot(1, 20), *drawn_films.shot(2, 40, speed=3)]
    path = tmp_path_factory.mktemp("films") / "봄날 'the film'.mp4"
    return drawn_films.write_film(path, frames)


def test_stored_pairs_get_what_evaluate_says(asked, run_dir, validation_dir):
    metrics = evaluation.evaluate(run_dir, verbose=False)
    builder = datasets.open_dataset("scene_genre/small", validation_dir)
    prepared = datasets.prepare(builder, "test", (18, 32), ())
    stored = list(
        builder.as_dataset(
            split="test", shuffle_files=False
        ).as_numpy_iterator()
    )
    scores, magnitudes, _ = asked.scores(
        *(
            np.stack([example[name] for example in stored])
            for name in ("frame", "next_frame")
        )
    )
    assert magnitudes is None  # it does not see motion
    for measured in metrics["films"]:
        own = scores[prepared.film == measured["film"]].mean(
            axis=0, dtype=np.float64
        )
        assert own.tolist() == pytest.approx(
            list(measured["scores"].values()), abs=1e-6
        )


def test_image_that_is_refused_is_named(asked):
    good = tiny_served.encode(drawn_films.shot(1, 1)[0])
    webp = tiny_served.encode(drawn_films.shot(1, 1)[0], ".webp")
    with pytest.raises(serving_client.ImageError) as raised:
        asked.predict([(good, good), (good, webp)])
    assert str(raised.value) == (
        "Expected JPEG or PNG images. next_frame_bytes[1] is a WebP"
    )
    with pytest.raises(
        serving_client.ImageError, match=r"^frame_bytes\[0\] is"
    ):
        asked.predict([(good[:-30], good)])


def test_images_are_judged_as_people_see_them(asked):
    frame, next_frame = drawn_films.shot(1, 2)
    dark = next_frame.copy()
    dark[:, :48] = 0
    upright = [(tiny_served.encode(frame), tiny_served.encode(dark))]
    clear = lying_images.see_through(next_frame, 0)
    lying = [(lying_images.lying(frame, 6), clear)]
    with pytest.warns(UserWarning, match=r"^next_frame_bytes\[0\]: it is par"):
        assert asked.predict(lying) == asked.predict(upright)


def test_no_pairs_have_no_answers(asked):
    assert asked.predict([]) == []


def test_folder_of_pairs_is_judged_as_its_films(asked, tmp_path):
    for movie, genre in enumerate(("action", "romance"), start=1):
        shot = drawn_films.shot(movie, 6)
        drawn_films.write_frames(tmp_path, genre, "test", movie, shot)
    assert predicting.holds_pairs(tmp_path)
    verdicts = asked.predict_frames(tmp_path)
    assert [each.path for each in verdicts] == [
        pair_files.movie_name("action", 1),
        pair_files.movie_name("romance", 2),
    ]
    first = drawn_films.shot(1, 6)
    scores, *_ = asked.scores(np.stack(first[::2]), np.stack(first[1::2]))
    assert list(verdicts[0].scores.values()) == pytest.approx(
        scores.mean(axis=0).tolist(), abs=1e-6
    )
    assert verdicts[0].num_pairs == 3 and verdicts[0].shots == []


def test_export_says_what_the_run_says(asked, run_dir, film, tmp_path):
    exporting.export(run_dir, tmp_path / "scene_genre", verbose=False)
    other = predictor.load(tmp_path / "scene_genre")
    frames = [np.stack(drawn_films.shot(3, 5)[i : i + 4]) for i in (0, 1)]
    np.testing.assert_allclose(
        other.scores(*frames)[0], asked.scores(*frames)[0], atol=1e-5
    )
    image = [image_files.encode_frame(x[0]) for x in frames]
    expected = asked.predict([image])[0].scores
    assert other.predict([image])[0].scores == pytest.approx(expected, abs=1e-5)
    # Between bars, and one such pair among others.
    size = frames[0].shape[2:0:-1]
    barred = [np.array(stack) for stack in frames]
    for stack in barred:
        stack[2] = letterbox.barred(stack[2], size, 0.2, 0.1)
    pair = [stack[2] for stack in barred]
    image = [image_files.encode_frame(frame) for frame in pair]
    cropped = asked.predict_pair(*black_bars.crop_pair(*pair)).scores
    for each in (asked, other):
        for answer in (each.predict_pair(*pair), *each.predict([image])):
            assert answer.scores == pytest.approx(cropped, abs=1e-5)
    np.testing.assert_allclose(
        other.scores(*barred)[0], asked.scores(*barred)[0], atol=1e-5
    )
    others = [0, 1, 3]
    np.testing.assert_allclose(
        asked.scores(*barred)[0][others],
        asked.scores(*frames)[0][others],
        atol=1e-6,
    )


def test_pictures_are_drawn(asked, film, tmp_path):
    found = asked.predict_film(film, film_reader.Plan(12), pictures=True)
    timeline = image_files.decode_frame(verdict_pictures.timeline(found))
    assert timeline.shape[1] > timeline.shape[0] > 400
    sheet = image_files.decode_frame(verdict_pictures.contact_sheet(found))
    # Two pictures side by side, each with its strip.
    assert sheet.shape[1] > 2 * 240 and sheet.shape[0] > 135
    out = tmp_path / "annotated.webm"
    wrong = next(
        genre for genre in REPORT_GENRES if genre != found.shots[0].genre
    )
    verdict_pictures.annotate(found, out, wrong)
    index = frame_index.index_frames(out)
    assert index.codec == "vp9" and index.num_frames == 60
    assert index.seconds[-1] == pytest.approx(59 / 24, abs=0.01)
    assert [path.name for path in tmp_path.iterdir()] == ["annotated.webm"]
    with pytest.raises(ValueError, match=r"ends in \.webm"):
        verdict_pictures.annotate(found, tmp_path / "annotated.mp4")


def test_pictures_have_the_shape_that_a_viewer_sees(asked, tmp_path):
    # Stored as 96x64; each pixel is half as wide as high.
    path = drawn_films.write_film(
        tmp_path / "narrow.mp4",
        drawn_films.shot(1, 12),
        pixel_aspect=fractions.Fraction(1, 2),
    )
    found = asked.predict_film(path, film_reader.Plan(2), pictures=True)
    assert found.aspect == 96 / 2 / 64
    sheet = image_files.decode_frame(verdict_pictures.contact_sheet(found))
    row = sheet[70].std(axis=1) + np.abs(sheet[70] - 32.0).mean(axis=1)
    across = np.flatnonzero(row[6:246] > 0)
    assert len(across) == round(135 * found.aspect)
    pair = found.strongest
    drawn = verdict_pictures.evidence(
        pair.frame, pair.next_frame, {}, found.genre, found.aspect
    )
    assert {picture.shape for picture, _ in drawn} == {(270, 202, 3)}
    out = tmp_path / "annotated.webm"
    verdict_pictures.annotate(found, out)
    index = frame_index.index_frames(out)
    assert (index.width, index.height) == (48, 64)


def test_name_of_a_film_is_no_formula_on_its_timeline(asked, film):
    found = asked.predict_film(film, film_reader.Plan(4, quick=True))
    odd = dataclasses.replace(found, path="a $\\frac$ b.mp4")
    timeline = image_files.decode_frame(verdict_pictures.timeline(odd))
    assert timeline.shape[1] > timeline.shape[0] > 400


def test_evidence_shows_the_strongest_pair(asked, film):
    found = asked.predict_film(film, film_reader.Plan(12), pictures=True)
    pair = found.strongest
    scores, *_ = asked.scores(pair.frame[None], pair.next_frame[None])
    best = scores[0, REPORT_GENRES.index(found.genre)]
    # No lower than the mean of any shot.
    for shot in found.shots:
        assert best >= shot.scores[found.genre] - 1e-6
    heat = np.zeros((18, 32), np.float32)
    heat[:9] = 1.0
    drawn = verdict_pictures.evidence(
        pair.frame, pair.next_frame, {"frame": heat, "flow": 0 * heat}, "horror"
    )
    pictures, texts = zip(*drawn, strict=True)
    assert all(picture.shape == pair.frame.shape for picture in pictures)
    assert texts[3] == "bright: evidence for horror in the frame (Grad-CAM)"
    assert texts[4] == "no evidence for horror in the motion (Grad-CAM)"
    # The upper half stays as it is, the lower one is dark.
    assert np.array_equal(pictures[3][:100], pair.frame[:100])
    assert pictures[3][-100:].mean() < 0.2 * pair.frame[-100:].mean()
    assert asked.heat_maps(pair.frame, pair.next_frame, "horror") == {}


def test_film_of_nothing_is_named(asked, tmp_path):
    path = drawn_films.write_film(tmp_path / "black.mp4", drawn_films.black(20))
    with pytest.raises(VideoError, match=r"black\.mp4.*blank"):
        asked.predict_film(path, film_reader.Plan(4))


@pytest.mark.parametrize("shape", [(2, 8, 3), (2, 8, 8, 1)])
def test_frames_of_another_shape_are_refused(asked, shape):
    with pytest.raises(ValueError, match="Expected frame as uint8 RGB"):
        asked.scores(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))


def test_model_that_sees_motion_says_how_much_moves(film):
    size = (18, 32)
    given = {
        "frame": keras.Input((*size, 3), dtype="uint8", name="frame"),
        "flow": keras.Input((*size, 2), name="flow"),
    }
    both = keras.layers.Concatenate()(list(given.values()))
    flat = keras.layers.Flatten()(both)
    model = keras.Model(given, keras.layers.Dense(len(REPORT_GENRES))(flat))
    asked = predictor.of_model(model)
    frame, next_frame = drawn_films.shot(4, 2, speed=2)
    answer = asked.predict_pair(frame, next_frame)
    resized = [resizing.resize(x, size).numpy() for x in (frame, next_frame)]
    expected = flow.motion_magnitude(flow.farneback_flow(*resized))
    assert answer.motion_magnitude == pytest.approx(float(expected), rel=1e-5)
    found = asked.predict_film(film, film_reader.Plan(12))
    assert found.shots[1].motion_magnitude > found.shots[0].motion_magnitude
    # Its timeline has a row more.
    still = dataclasses.replace(
        found,
        shots=[
            dataclasses.replace(shot, motion_magnitude=None)
            for shot in found.shots
        ],
    )
    heights = [
        len(image_files.decode_frame(verdict_pictures.timeline(each)))
        for each in (still, found)
    ]
    assert 400 < heights[0] < heights[1]


def test_mistakes_are_one_line_and_code_2(run_dir, film, tmp_path):
    (tmp_path / "run").mkdir()
    config = (run_dir / "config.json").read_text()
    (tmp_path / "run" / "config.json").write_text(config)
    for arguments, message in (
        ((tmp_path, film), "Expected a run's folder, an export's"),
        ((tmp_path / "run", film), "Expected a finished run"),
        ((run_dir, film, film, "--csv", tmp_path / "o"), "Expected one film"),
        ((run_dir, tmp_path / "none.mp4"), "no such file"),
    ):
        with pytest.raises(ValueError, match=message):
            parser_arguments(arguments)


def test_shots_with_genres_are_written_for_editors(
    asked, run_dir, film, tmp_path, capsys
):
    names = ("edl", "otio", "fcpxml", "chapters")
    outputs = [x for name in names for x in (f"--{name}", tmp_path / name)]
    arguments = (run_dir, film, "--pairs", 12, "--json", *outputs)
    assert parser_arguments(arguments) == 0
    (said,) = json.loads(capsys.readouterr().out)["predictions"]
    assert "source" not in said and "strongest" not in said
    places = [
        (shot["first_frame"], shot["end_frame"], shot["transition"])
        for shot in said["shots"]
    ]
    cut = {"kind": "cut", "first_frame": 20, "end_frame": 20}
    assert places == [(0, 20, None), (20, 60, cut)]
    labels = []
    for shot in said["shots"]:
        score = 100 * shot["scores"][shot["genre"]]
        labels.append(f"{genre_words(shot['genre'])} {score:.0f} %")
    read = opentimelineio.adapters.read_from_file(
        str(tmp_path / "otio"), "otio_json"
    )
    assert [
        (clip.source_range.start_time.value, clip.markers[0].name)
        for clip in read.find_clips()
    ] == list(zip((0, 20), labels, strict=True))
    assert f"* LOC: 00:00:00:20 YELLOW  {labels[1]}\n" in (
        tmp_path / "edl"
    ).read_text("utf-8")
    markers = ElementTree.parse(tmp_path / "fcpxml").iter("marker")
    assert [each.get("value") for each in markers] == labels
    chapters = (tmp_path / "chapters").read_text("utf-8")
    assert f"START=834\nEND=2500\ntitle=Shot 2: {labels[1]}\n" in chapters


@pytest.mark.parametrize("flag", ["--edl", "--otio", "--fcpxml", "--chapters"])
def test_shots_that_are_not_searched_for_are_not_written(
    run_dir, film, tmp_path, flag
):
    arguments = (run_dir, film, "--quick", flag, tmp_path / "out")
    with pytest.raises(ValueError, match=f"Expected {flag} without --quick"):
        parser_arguments(arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def folder(film, tmp_path):
    """A folder with a film of no known suffix, and what lies beside films."""
    (tmp_path / "film").symlink_to(film)
    for name in ("poster.JPG", "back.jpg", "film.nfo", "film.srt", ".hidden"):
        (tmp_path / name).write_bytes(b"no film")
    return tmp_path


def test_what_is_no_film_in_a_folder_is_left_aside(run_dir, folder, capsys):
    flags = ("--pairs", 4, "--quick")
    assert parser_arguments((run_dir, folder, *flags)) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{folder}/film: ")
    note = f"note: left aside in {folder}: 2 .jpg, 1 .nfo, 1 .srt\n"
    assert err == note
    assert parser_arguments((run_dir, folder, *flags, "--json")) == 0
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert said["version"] == 1 and err == note
    assert [each["path"] for each in said["predictions"]] == [f"{folder}/film"]
    assert said["left_aside"] == [
        f"{folder}/{name}"
        for name in ("back.jpg", "film.nfo", "film.srt", "poster.JPG")
    ]


def test_file_that_is_named_is_never_left_aside(run_dir, film, folder, capsys):
    named = folder / "film.mkv.part"
    named.symlink_to(film)
    arguments = (run_dir, named, "--pairs", 4, "--quick", "--json")
    assert parser_arguments(arguments) == 0
    out, err = capsys.readouterr()
    assert "left_aside" not in json.loads(out) and err == ""


def test_folder_without_a_film_says_what_it_has(run_dir, folder):
    (folder / "film").unlink()
    with pytest.raises(ValueError, match=r"2 \.jpg, 1 \.nfo, 1 \.srt"):
        parser_arguments((run_dir, folder))


def parser_arguments(arguments):
    """Runs the command in this process: starting one takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["predict", *map(str, arguments)])
        return predict.main()
