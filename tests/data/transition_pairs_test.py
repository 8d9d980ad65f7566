"""Pairs in dissolves, fades and wipes, of films whose transitions are known."""

import json

import numpy as np
import pytest

from keras_ssc.data import extraction
from keras_ssc.data import frame_folder
from keras_ssc.data import sampling
from keras_ssc.errors import FilmListError
from keras_ssc.films import cleaning
from keras_ssc.films import film_list
from keras_ssc.films import frame_reading
from keras_ssc.films import thumbnails
from tests.helpers import drawn_films

ALL = {"num_pairs": 1000, "width": 48, "height": 32}

# Frames before a transition and after it.
AROUND = 50


def blend(one, other, share):
    return (one * (1 - share) + other * share).round().astype(np.uint8)


def swaying(number, num_frames):
    """A place seen by a camera that is held by hand."""
    width, height = drawn_films.SIZE
    picture = drawn_films.place(number)
    return [
        picture[8 : 8 + height, left : left + width]
        for left in (8 + np.sin(np.arange(num_frames)).round().astype(int))
    ]


def joined(kind, length, place=0):
    """Returns the frames of two shots with a transition between them.

    The first frame that shows both is that of number `AROUND`, the first of
    the second shot alone follows `length` later.
    """
    num_frames = AROUND + length + AROUND
    one, other = (swaying(place + number, num_frames) for number in (0, 1))
    frames = []
    for number in range(num_frames):
        share = np.clip((number + 1 - AROUND) / (length + 1), 0, 1)
        pair = one[number], other[number]
        if kind == "dissolve":
            frames.append(blend(*pair, share))
        elif kind == "wipe":
            edge = round(share * drawn_films.SIZE[0])
            frame = pair[0].copy()
            frame[:, :edge] = pair[1][:, :edge]
            frames.append(frame)
        else:
            shown = pair[0] if share < 0.5 else pair[1]
            frames.append(
                blend(np.zeros_like(shown), shown, abs(2 * share - 1))
            )
    return frames


def film_of(folder, frames, rate=24, name="a"):
    drawn_films.write_film(folder / f"{name}.mp4", frames, rate)
    path = drawn_films.write_list(
        folder / f"{name}.csv", f"{name},sf,train,{name}.mp4,,"
    )
    return film_list.read_film_list(path).films[0]


def reasons_of(film, **config):
    """Returns a dict from each drawn pair, two frame numbers, to its reason."""
    config = cleaning.ExtractConfig(**{**ALL, **config})
    return {
        (x.candidate.frame_number, x.next_frame_number): x.reason
        for x in sampling.extract_pairs(film, config).outcomes
    }


def check(reasons, first, end, around=3):
    """Asserts that pairs in a transition are dropped, and those beside kept.

    Args:
        reasons: See `reasons_of`.
        first: Integer, the first frame that shows both shots.
        end: Integer, the first one that shows the second shot alone.
        around: Integer, frames at its ends for which either is right.
    """
    inside = [r for (n, m), r in reasons.items() if n < end and m >= first]
    beside = [
        reason
        for (number, next_number), reason in reasons.items()
        if next_number < first - around or number >= end + around
    ]
    assert set(inside) <= {"transition", "blank"} and "transition" in inside
    assert set(beside) == {""}


@pytest.mark.parametrize(
    "kind, length",
    [
        *(("dissolve", length) for length in (8, 12, 16, 24, 36)),
        *(("fade", length) for length in (16, 24, 36)),
    ],
)
def test_pairs_in_a_transition_are_dropped(tmp_path, kind, length):
    for place in (0, 40):
        film = film_of(tmp_path, joined(kind, length, place))
        check(reasons_of(film), AROUND, AROUND + length)


def test_pairs_in_a_wipe_are_dropped(tmp_path):
    # Little of the frame has changed in its first and last frames.
    film = film_of(tmp_path, joined("wipe", 16))
    check(reasons_of(film), AROUND + 3, AROUND + 13, around=6)


def test_a_transition_at_60_frames_a_second_is_seen(tmp_path):
    film = film_of(tmp_path, joined("dissolve", 36), 60)
    assert (1, 3) in reasons_of(film)
    check(reasons_of(film), AROUND, AROUND + 36, around=6)


def test_pairs_in_a_transition_are_kept_on_request(tmp_path):
    film = film_of(tmp_path, joined("dissolve", 16))
    kept = reasons_of(film, drop_transitions=False)
    assert set(kept.values()) == {""}


def test_whether_a_pair_is_dropped_does_not_depend_on_the_others(tmp_path):
    film = film_of(tmp_path, [*joined("dissolve", 16), *joined("wipe", 20, 4)])
    every = reasons_of(film)
    assert "transition" in every.values()
    for seed in range(8):
        some = reasons_of(film, num_pairs=4, seed=seed)
        assert some == {pair: every[pair] for pair in some}


def test_a_film_that_is_all_transition_is_one_line(tmp_path):
    one, other = (drawn_films.shot(number, 1)[0] for number in (1, 2))
    film_of(tmp_path, [blend(one, other, n / 39) for n in range(40)])
    _, (problem,), _ = extraction.extract(
        tmp_path / "a.csv",
        tmp_path / "out",
        cleaning.ExtractConfig(num_pairs=4, width=48, height=32),
        workers=1,
    )
    assert "all 19 were dropped (19 transition)" in problem


@pytest.mark.parametrize("num_frames", [1, 3])
def test_a_film_of_a_few_frames(tmp_path, num_frames):
    film = film_of(tmp_path, drawn_films.shot(1, num_frames))
    if num_frames == 1:
        with pytest.raises(FilmListError, match="hold no pair"):
            reasons_of(film)
    else:
        assert reasons_of(film) == {(1, 2): ""}


def test_what_is_only_looked_at_is_read_once_and_never_made_rgb(
    tmp_path, monkeypatch
):
    film = film_of(tmp_path, drawn_films.shot(1, 120, speed=2))
    seen, made = [], []
    thumbnail, to_rgb = thumbnails.of, frame_reading._to_rgb

    def note_thumbnail(frame, reformatter):
        seen.append(frame.pts)
        return thumbnail(frame, reformatter)

    def note_rgb(index, reformatter, long_side, deinterlace, frames):
        if long_side is None:
            made.append(frames[1].pts)
        return to_rgb(index, reformatter, long_side, deinterlace, frames)

    monkeypatch.setattr(thumbnails, "of", note_thumbnail)
    monkeypatch.setattr(frame_reading, "_to_rgb", note_rgb)
    found = reasons_of(film, num_pairs=3, crop_bars=False)
    assert len(found) == 3
    assert len(seen) == len(set(seen))
    # Some more pairs than are wanted are drawn, as some will be dropped.
    assert 6 <= len(made) <= 12 < len(seen)


def test_a_folder_of_before_is_not_added_to_and_can_be_built(tmp_path):
    film_of(tmp_path, joined("dissolve", 16))
    out = tmp_path / "out"
    config = cleaning.ExtractConfig(num_pairs=8, width=48, height=32)
    arguments = (tmp_path / "a.csv", out, config, 1)
    extraction.extract(*arguments)
    settings = json.loads((out / "extract.json").read_text())
    assert settings.pop("drop_transitions") is True
    text = json.dumps(settings)
    (out / "extract.json").write_text(text)
    with pytest.raises(ValueError, match="drop_transitions None .*True"):
        extraction.extract(*arguments)
    assert (out / "extract.json").read_text() == text
    assert frame_folder.is_of_extract(out)
    assert frame_folder.read_task(out, []) == ("one", ("science_fiction",))
    (record,) = frame_folder.read_records(out)
    assert len([x for x in record["pairs"] if x["status"] == "kept"]) == 8
