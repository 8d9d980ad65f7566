"""A film -> its pairs: drawn at random, read, judged and encoded."""

import collections
import concurrent.futures
import dataclasses
import hashlib
import math
import pathlib

import numpy as np

from keras_ssc.data import pair_files
from keras_ssc.errors import FilmListError
from keras_ssc.films import black_bars
from keras_ssc.films import film_list
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.films import image_files
from keras_ssc.films import pairing
from keras_ssc.films.cleaning import NUM_BAR_FRAMES
from keras_ssc.films.cleaning import stored_frame
from keras_ssc.films.cleaning import why_dropped

# Threads that judge and encode the pairs of one film; decoding has its own.
_NUM_JUDGES = 2

# A scene's end is written in whole seconds, rounded up by many players.
_END_TOLERANCE_SECONDS = 1.0

# Scene times have milliseconds; a frame half of one before its scene is in.
_TIME_TOLERANCE_SECONDS = 0.0005


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A pair that may be drawn.

    Attributes:
        scene: Integer, the scene's place in the film, from 1.
        path: `pathlib.Path` of the film's file.
        frame_number: Integer, odd; the key frame's number in the file.
        seconds: Float, the key frame's presentation time, from the start of
            the file.
        last_frame_number: Integer, the last frame of its scene.
    """

    scene: int
    path: pathlib.Path
    frame_number: int
    seconds: float
    last_frame_number: int


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a drawn pair.

    Attributes:
        candidate: The `Candidate`.
        reason: String, why the pair is dropped; empty when it is kept.
        next_frame_number: Integer, the next frame's number in the file; of a
            pair that was not read, where it would be by the film's rate.
        repeated: Boolean, whether both frames are one picture.
        picture: Integer, the frame that shows the first one's picture first.
        frame_png: Bytes, the first frame as PNG; None when dropped.
        next_frame_png: Bytes, the next frame as PNG; None when dropped.
    """

    candidate: Candidate
    reason: str
    next_frame_number: int
    repeated: bool = False
    picture: int | None = None
    frame_png: bytes | None = None
    next_frame_png: bytes | None = None


@dataclasses.dataclass(frozen=True)
class Extraction:
    """All that was drawn from a film.

    Attributes:
        outcomes: List of `Outcome`, in the film's order.
        bars: Dict from each file's path to the `black_bars.Bars` cropped.
        num_candidates: Integer, how many pairs the film's scenes hold.
        rates: Dict from each file's path to its frames a second.
        notes: Dict from each file's path to the `notes` of its index.
    """

    outcomes: list
    bars: dict
    num_candidates: int
    rates: dict
    notes: dict

    @property
    def kept(self):
        """The outcomes that were kept."""
        return [outcome for outcome in self.outcomes if not outcome.reason]

    @property
    def dropped(self):
        """The outcomes that were dropped."""
        return [outcome for outcome in self.outcomes if outcome.reason]


def extract_pairs(film, config, progress=None):
    """Draws a film's pairs and judges them.

    Args:
        film: A `film_list.Film`.
        config: An `ExtractConfig`.
        progress: Function without arguments, called for each pair read.

    Returns:
        An `Extraction`. It holds fewer than `config.num_pairs` kept pairs
        only when the film's scenes hold no more.

    Raises:
        keras_ssc.errors.VideoError: If a file of the film cannot be read.
        keras_ssc.errors.FilmListError: If a scene lies outside its film, or
            no scene holds a pair.
    """
    indexes = {
        path: frame_index.index_frames(path)
        for path in dict.fromkeys(scene.path for scene in film.scenes)
    }
    pairings = {
        path: pairing.of(index, config.interval, config.stride)
        for path, index in indexes.items()
    }
    candidates = _candidates(film, indexes, pairings)
    bars = _find_bars(film, indexes) if config.crop_bars else {}
    order = _shuffle(candidates, config.seed, film.name)
    outcomes, num_kept = [], 0
    while num_kept < config.num_pairs and len(outcomes) < len(order):
        # A few more than are missing, as many are dropped as were so far: so
        # most films are read once.
        rate = max(num_kept / len(outcomes), 0.1) if outcomes else 0.95
        num_more = math.ceil((config.num_pairs - num_kept) / rate) + 2
        batch = order[len(outcomes) : len(outcomes) + num_more]
        judged = _judge(batch, indexes, pairings, bars, config, progress)
        outcomes += [judged[candidate] for candidate in batch]
        outcomes = _each_picture_once(outcomes, pairings)
        num_kept = sum(not outcome.reason for outcome in outcomes)
    outcomes = _until_enough(outcomes, config.num_pairs)
    outcomes.sort(key=lambda outcome: candidates[outcome.candidate])
    return Extraction(
        outcomes,
        bars,
        len(candidates),
        {path: 1 / index.step_seconds for path, index in indexes.items()},
        {path: index.notes for path, index in indexes.items()},
    )


def _candidates(film, indexes, pairings):
    """Returns a dict from each `Candidate` to its place in the film."""
    found = []
    for number, scene in enumerate(film.scenes, start=1):
        index = indexes[scene.path]
        seconds = index.seconds
        _check_range(scene, index)
        first, end = np.searchsorted(
            seconds,
            np.array([scene.start_seconds, scene.end_seconds])
            - _TIME_TOLERANCE_SECONDS,
        )
        stride = pairings[scene.path].stride
        last = int(end) - 1
        found += [
            Candidate(number, scene.path, key, float(seconds[key]), last)
            for key in pair_files.key_frames(int(first), last, stride)
        ]
    if not found:
        stride = max(each.stride for each in pairings.values())
        raise FilmListError(
            f"its scenes hold no pair of an odd frame and the frame {stride} "
            "after it. Mark longer scenes."
        )
    return {candidate: place for place, candidate in enumerate(found)}


def _check_range(scene, index):
    end = index.end_seconds
    too_late = (
        ("start", scene.start_seconds, end),
        ("end", scene.end_seconds, end + _END_TOLERANCE_SECONDS),
    )
    for column, seconds, limit in too_late:
        if limit <= seconds < math.inf:
            raise FilmListError(
                f"line {scene.line}, column {column}: "
                f"{film_list.format_time(seconds)} is past the end of "
                f"{scene.path}, which ends at {film_list.format_time(end)}. "
                "Correct the time, or fetch the whole film."
            )


def _find_bars(film, indexes):
    bars = {}
    for path, index in indexes.items():
        # In grey: two dozen frames of 8K would take gigabytes.
        samples = [
            (seconds, black_bars.grey(frame))
            for _, seconds, frame in frame_reading.sample_frames(
                path, NUM_BAR_FRAMES, index
            )
        ]
        inside = [
            frame
            for seconds, frame in samples
            if any(
                scene.start_seconds <= seconds < scene.end_seconds
                for scene in film.scenes
                if scene.path == path
            )
        ]
        # Scenes so short that few samples fall into them: the whole file
        # says more than three frames of one shot.
        if len(inside) < 4:
            inside = [frame for _, frame in samples]
        bars[path] = black_bars.find_bars(inside)
    return bars


def _shuffle(candidates, seed, film_name):
    """Returns the candidates in an order of the seed and the film's name."""
    digest = hashlib.sha256(film_name.encode("utf-8")).digest()
    generator = np.random.default_rng(
        [seed, int.from_bytes(digest[:8], "little")]
    )
    found = list(candidates)
    return [found[place] for place in generator.permutation(len(found))]


def _until_enough(outcomes, num_pairs):
    num_kept = 0
    for place, outcome in enumerate(outcomes):
        if num_kept == num_pairs:
            return outcomes[:place]
        num_kept += not outcome.reason
    return outcomes


def _each_picture_once(outcomes, pairings):
    """Drops pairs whose first frame shows that of an earlier pair again.

    Only where repeated pictures count as no frames: see `pairing.Pairing`.
    """
    seen, kept = set(), []
    for outcome in outcomes:
        path = outcome.candidate.path
        if not outcome.reason and pairings[path].skips_repeats:
            if (path, outcome.picture) in seen:
                outcome = dataclasses.replace(
                    outcome,
                    reason="repeated",
                    frame_png=None,
                    next_frame_png=None,
                )
            else:
                seen.add((path, outcome.picture))
        kept.append(outcome)
    return kept


def _judge(batch, indexes, pairings, bars, config, progress):
    """Reads the batch's frames; returns a dict Candidate -> Outcome."""
    outcomes = {}
    for candidate in batch:
        path, number = candidate.path, candidate.frame_number
        found = pairings[path]
        given = number + found.stride
        if pairing.is_gap(indexes[path], number, given, found.max_gap):
            outcomes[candidate] = Outcome(candidate, "gap", given)
    # Pairs are judged and encoded while the next ones are decoded. A few
    # under way are enough; more would only fill the memory.
    with concurrent.futures.ThreadPoolExecutor(_NUM_JUDGES) as pool:
        waiting = collections.deque()
        left = [each for each in batch if each not in outcomes]
        for candidate, run in _read_runs(left, indexes, pairings, bars, config):
            if progress is not None:
                progress()
            found = pairings[candidate.path]
            future = pool.submit(_outcome, candidate, run, found, config)
            waiting.append((candidate, future))
            if len(waiting) > 4 * _NUM_JUDGES:
                judged, future = waiting.popleft()
                outcomes[judged] = future.result()
        outcomes.update((judged, future.result()) for judged, future in waiting)
    return outcomes


def _read_runs(batch, indexes, pairings, bars, config):
    """Yields (candidate, the frames around it, see `pairing.read_runs`)."""
    for path, index in indexes.items():
        found = sorted(
            (each for each in batch if each.path == path),
            key=lambda each: each.frame_number,
        )
        keys = [each.frame_number for each in found]
        made = pairings[path]
        lasts = [
            pairing.last_frame(
                index, made, each.frame_number, each.last_frame_number
            )
            for each in found
        ]
        frames = (
            (number, stored_frame(frame, bars.get(path), config))
            for number, _, frame in frame_reading.read_frames(
                path,
                pairing.wanted(made, keys, lasts),
                index,
                deinterlace=config.deinterlace,
            )
        )
        runs = pairing.read_runs(frames, made, keys, lasts)
        yield from zip(found, runs, strict=True)


def _outcome(candidate, run, found, config):
    number = candidate.frame_number
    given = number + found.stride
    choice = None
    if run:
        changes = pairing.changes_of(run, found, number)
        choice = pairing.choose(found, number, changes)
    if choice is None:
        return Outcome(candidate, "a frame could not be decoded", given)
    frames = [run[n] for n in range(number, choice.next_frame + 1)]
    reason = why_dropped(frames, config)
    if config.drop_repeated and choice.repeated:
        reason = reason or "repeated"
    outcome = Outcome(
        candidate,
        reason,
        choice.next_frame,
        choice.repeated,
        choice.first_shown,
    )
    if reason:
        return outcome
    encoded = [image_files.encode_frame(x) for x in (frames[0], frames[-1])]
    return dataclasses.replace(
        outcome, frame_png=encoded[0], next_frame_png=encoded[1]
    )
