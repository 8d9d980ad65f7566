import numpy as np
import pytest

from experiments import familiarity
from keras_ssc.training import evaluation
from keras_ssc.training import loop
from tests.helpers import drawn_films
from tests.helpers import tiny_runs


def test_an_area_is_how_often_a_known_value_is_above_a_foreign_one():
    known, foreign = np.array([0.9, 0.5]), np.array([0.1, 0.6])
    assert familiarity.auroc(known, foreign) == pytest.approx(3 / 4)


def test_a_run_is_measured_on_films_that_it_does_not_know(
    data_dir, tmp_path, no_pictures
):
    run_dir = loop.train(
        tiny_runs.small(data_dir, tmp_path / "run", epochs=1), verbose=False
    )
    evaluation.evaluate(run_dir, verbose=False)
    film = tmp_path / "film.mp4"
    drawn_films.write_film(film, drawn_films.shot(1, 12))
    found = familiarity.measure(run_dir, [film], num_pairs=4)
    assert found["num_films"] == {"known": 6, "foreign": 1}
    for name in ("familiarity", "confidence"):
        assert all(0 <= x <= 1 for x in found["foreign"][name].values())
        areas = {each[name] for each in found["genres"].values()}
        assert len(areas) > 1 and all(0 <= x <= 1 for x in areas)
    text = familiarity.text_of(found)
    assert "| horror left out, by pair |" in text
    assert "of 6 known films; " in text and "of 1 foreign films." in text
