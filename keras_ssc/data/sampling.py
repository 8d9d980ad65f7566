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
from keras_ssc.films import between_shots
from keras_ssc.films import black_bars
from keras_ssc.films import film_list
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.films import image_files
from keras_ssc.films import pairing
from keras_ssc.films import shot_detection
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
        rate = max(num_kept / len(outcomes), 0.1) if outcomes else 0.9
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
                outcome = _dropped(outcome, "repeated")
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
    with concurrent.futures.ThreadPoolExecutor(_NUM_JUDGES) as pool:
        for path, index in indexes.items():
            found = sorted(
                (x for x in batch if x.path == path and x not in outcomes),
                key=lambda each: each.frame_number,
            )
            if not found:
                continue
            made = pairings[path]
            reader = _Reader(index, made, bars.get(path), config, pool)
            outcomes |= reader.judge(found, progress)
    return outcomes


class _Reader:
    """Reads the pairs of a file of a film, and what decides about them.

    Args:
        index: The file's `FrameIndex`.
        made: Its `pairing.Pairing`.
        bars: Its `black_bars.Bars`, or None.
        config: An `ExtractConfig`.
        pool: An executor. Pairs are judged and encoded in it while the next
            ones are decoded.
    """

    def __init__(self, index, made, bars, config, pool):
        self._index, self._made, self._bars = index, made, bars
        self._config, self._pool = config, pool
        self._parts, self._between = collections.deque(), []

    def judge(self, candidates, progress):
        """Returns a dict from each `Candidate` of the file to its `Outcome`.

        Args:
            candidates: List of `Candidate`, ascending.
            progress: Function without arguments, called for each; or None.
        """
        keys = [each.frame_number for each in candidates]
        lasts = [
            pairing.last_frame(
                self._index, self._made, key, each.last_frame_number
            )
            for key, each in zip(keys, candidates, strict=True)
        ]
        if self._config.drop_transitions:
            spans = list(zip(keys, lasts, strict=True))
            self._parts.extend(between_shots.around(spans, self._index))
        frames = self._stored_frames(pairing.wanted(self._made, keys, lasts))
        runs = pairing.read_runs(frames, self._made, keys, lasts)
        outcomes, waiting = {}, collections.deque()
        for candidate, run in zip(candidates, runs, strict=True):
            if progress is not None:
                progress()
            waiting.append(
                self._pool.submit(
                    _outcome, candidate, run, self._made, self._config
                )
            )
            # A few under way are enough; more would only fill the memory.
            if len(waiting) > 4 * _NUM_JUDGES:
                outcome = waiting.popleft().result()
                outcomes[outcome.candidate] = outcome
        collections.deque(frames, 0)  # what decides about the last pairs
        for future in waiting:
            outcomes[future.result().candidate] = future.result()
        between = set().union(*(each.result() for each in self._between))
        return {
            candidate: _unless_between(outcome, between)
            for candidate, outcome in outcomes.items()
        }

    def _stored_frames(self, wanted):
        """Yields (number, frame as it is stored) of the wanted frames.

        Frames that only decide about pairs are looked at in passing.
        """
        looks, seen = {}, None
        needed = wanted.union(*(part for part, _ in self._parts))
        frames = frame_reading.scan_frames(
            self._index.path,
            self._index,
            shot_detection.LONG_SIDE,
            self._config.deinterlace,
            needed,
        )
        for frame in shot_detection.ahead(frames, self._index):
            self._decide(looks, frame.number)
            if self._parts and frame.number in self._parts[0][0]:
                seen = shot_detection.look_at(frame, seen)
                looks[frame.number] = frame.colours, seen.is_blank, seen.is_cut
            if frame.number in wanted:
                whole = frame.whole()
                yield (
                    frame.number,
                    stored_frame(whole, self._bars, self._config),
                )
        self._decide(looks, math.inf)

    def _decide(self, looks, number):
        """Decides about the parts that end before a frame; forgets them."""
        while self._parts and self._parts[0][0].stop <= number:
            part, spans = self._parts.popleft()
            held = {n: looks[n] for n in part if n in looks}
            self._between.append(
                self._pool.submit(between_shots.frames_between, held, spans)
            )
            start = self._parts[0][0].start if self._parts else part.stop
            for seen in [n for n in looks if n < start]:
                del looks[seen]


def _unless_between(outcome, between):
    """Returns an `Outcome`, dropped if frames of it lie between shots."""
    candidate = outcome.candidate
    frames = range(candidate.frame_number, outcome.next_frame_number + 1)
    if outcome.reason or between.isdisjoint(frames):
        return outcome
    return _dropped(outcome, "transition")


def _dropped(outcome, reason):
    return dataclasses.replace(
        outcome, reason=reason, frame_png=None, next_frame_png=None
    )


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
