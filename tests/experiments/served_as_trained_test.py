import numpy as np

from experiments import served_as_trained
from keras_ssc.serving import exporting
from tests.helpers import drawn_films
from tests.helpers import serving_stand_in


def test_a_run_its_export_and_a_server_answer_alike(
    small_run, tmp_path, monkeypatch
):
    kinds = served_as_trained.kinds()
    assert len(kinds) == 11
    few = ("clean", "windowbox", "JPEG 60", "grey")
    monkeypatch.setattr(
        served_as_trained, "kinds", lambda: {name: kinds[name] for name in few}
    )
    version = exporting.export(small_run, tmp_path / "out", verbose=False)
    film = tmp_path / "film.mp4"
    drawn_films.write_film(film, drawn_films.shot(1, 24))
    with serving_stand_in.StandIn(version).running() as server:
        found = served_as_trained.measure(
            small_run, version, server.rest, [film], every=2
        )
    assert [kind["name"] for kind in found["kinds"]] == list(few)
    for kind in found["kinds"]:
        assert list(kind["accuracy"]) == ["Keras", "served graph", "client"]
        assert len(set(kind["accuracy"].values())) == 1
        assert kind["largest_difference"] < 1e-5
        assert kind["bars"]["num_pairs"] == kind["num_pairs"] > 0
        assert kind["bars"]["num_other"] == 0
    barred = found["kinds"][1]
    assert barred["bars"]["num_barred"] == barred["num_pairs"]
    assert found["films"]["num_barred"] >= found["films"]["num_pairs"] / 2 > 0
    text = served_as_trained.text_of(found)
    assert "| windowbox | " in text and "Pairs of films" in text


def test_images_are_of_the_kind_that_they_are_called():
    frame = drawn_films.shot(1, 1)[0]
    for name, make in served_as_trained.kinds().items():
        [decoded] = served_as_trained._decoded([make(frame)])
        if name == "4K":
            assert decoded.shape == (2160, 3840, 3)
        elif name == "720p":
            assert decoded.shape == (720, 1280, 3)
        else:
            assert decoded.shape == frame.shape
        is_grey = np.ptp(decoded, axis=2).max() == 0
        assert is_grey == (name == "grey")
