"""Films and a film list -> a folder of clean pairs of frames.

    python -m keras_ssc.extract films.csv --out FRAMES

FRAMES then holds the report's layout (see `pairs`), beside it `index.csv`:
one row for every pair that was kept or dropped, with the reason.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import itertools
import math
import multiprocessing
import os
import pathlib

import cv2
import numpy as np
import tqdm

from keras_ssc import command
from keras_ssc import files
from keras_ssc import frame_store
from keras_ssc import pairs
from keras_ssc import scenes
from keras_ssc import shots
from keras_ssc import video

# Frames looked at to find a film's bars. A bar is there in all of them; two
# dozen moments are enough that no dark scene fills them all.
NUM_BAR_FRAMES = 24

# Threads that judge and encode the pairs of one film; decoding has its own.
_NUM_JUDGES = 2

# A scene's end is written in whole seconds, rounded up by many players.
_END_TOLERANCE_SECONDS = 1.0

# Scene times have milliseconds; a frame half of one before its scene is in.
_TIME_TOLERANCE_SECONDS = 0.0005


@dataclasses.dataclass(frozen=True)
class ExtractConfig:
    """What is drawn from a film, and what is dropped."""

    num_pairs: int = 300  # the report's number a film
    stride: int = 1  # 1: the next frame is the very next, as in the report
    width: int = 480  # the report's size of a stored frame
    height: int = 270
    seed: int = 0  # the same seed and film give the same pairs
    crop_bars: bool = True  # bars tell the film, and with it the genre
    drop_blank: bool = True  # black or one colour: nothing to learn from
    drop_cuts: bool = True  # a pair over a cut has no motion to see

    def __post_init__(self):
        for name in ("num_pairs", "stride", "width", "height"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"Expected {name} of 1 or more. "
                    f"Received: {getattr(self, name)}"
                )


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A pair that may be drawn.

    Attributes:
        scene: Integer, the scene's place in the film, from 1.
        path: `pathlib.Path` of the film's file.
        frame_number: Integer, odd; the key frame's number in the file.
        next_frame_number: Integer, the number of the frame behind it.
        seconds: Float, the key frame's presentation time.
    """

    scene: int
    path: pathlib.Path
    frame_number: int
    next_frame_number: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a drawn pair.

    Attributes:
        candidate: The `Candidate`.
        reason: String, why the pair is dropped; empty when it is kept.
        frame_png: Bytes, the first frame as PNG; None when dropped.
        next_frame_png: Bytes, the next frame as PNG; None when dropped.
    """

    candidate: Candidate
    reason: str
    frame_png: bytes | None = None
    next_frame_png: bytes | None = None


@dataclasses.dataclass(frozen=True)
class Extraction:
    """All that was drawn from a film.

    Attributes:
        outcomes: List of `Outcome`, in the film's order.
        bars: Dict from each file's path to the `video.Bars` cropped.
        num_candidates: Integer, how many pairs the film's scenes hold.
    """

    outcomes: list
    bars: dict
    num_candidates: int

    @property
    def kept(self):
        """The outcomes that were kept."""
        return [outcome for outcome in self.outcomes if not outcome.reason]

    @property
    def dropped(self):
        """The outcomes that were dropped."""
        return [outcome for outcome in self.outcomes if outcome.reason]


def extract_pairs(film, config):
    """Draws a film's pairs and judges them.

    Args:
        film: A `scenes.Film`.
        config: An `ExtractConfig`.

    Returns:
        An `Extraction`. It holds fewer than `config.num_pairs` kept pairs
        only when the film's scenes hold no more.

    Raises:
        keras_ssc.video.VideoError: If a file of the film cannot be read.
        keras_ssc.scenes.FilmListError: If a scene lies outside its film, or
            no scene holds a pair.
    """
    indexes = {
        path: video.index_frames(path)
        for path in dict.fromkeys(scene.path for scene in film.scenes)
    }
    candidates = _candidates(film, indexes, config.stride)
    bars = _find_bars(film, indexes) if config.crop_bars else {}
    order = _shuffle(candidates, config.seed, film.name)
    outcomes, num_kept = [], 0
    while num_kept < config.num_pairs and len(outcomes) < len(order):
        # A few more than are missing, as many are dropped as were so far: so
        # most films are read once.
        rate = max(num_kept / len(outcomes), 0.1) if outcomes else 0.95
        num_more = math.ceil((config.num_pairs - num_kept) / rate) + 2
        batch = order[len(outcomes) : len(outcomes) + num_more]
        judged = _judge(batch, indexes, bars, config)
        outcomes += [judged[candidate] for candidate in batch]
        num_kept = sum(not outcome.reason for outcome in outcomes)
    outcomes = _until_enough(outcomes, config.num_pairs)
    outcomes.sort(key=lambda outcome: candidates[outcome.candidate])
    return Extraction(outcomes, bars, len(candidates))


def _candidates(film, indexes, stride):
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
        found += [
            Candidate(
                number, scene.path, key, key + stride, float(seconds[key])
            )
            for key in pairs.key_frames(int(first), int(end) - 1, stride)
        ]
    if not found:
        raise scenes.FilmListError(
            f"film {film.name!r} (line {film.scenes[0].line}): its scenes "
            f"hold no pair of an odd frame and the frame {stride} behind it. "
            "Mark longer scenes."
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
            raise scenes.FilmListError(
                f"line {scene.line}, column {column}: "
                f"{scenes.format_time(seconds)} is past the end of "
                f"{scene.path}, which ends at {scenes.format_time(end)}. "
                "Correct the time, or fetch the whole film."
            )


def _find_bars(film, indexes):
    bars = {}
    for path, index in indexes.items():
        # In grey: two dozen frames of 8K would take gigabytes.
        samples = [
            (seconds, video.grey(frame))
            for _, seconds, frame in video.sample_frames(
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
        bars[path] = video.find_bars(inside)
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


def _judge(batch, indexes, bars, config):
    """Reads the batch's frames; returns a dict Candidate -> Outcome."""
    outcomes = {}
    # Pairs are judged and encoded while the next ones are decoded. A few
    # under way are enough; more would only fill the memory.
    with concurrent.futures.ThreadPoolExecutor(_NUM_JUDGES) as pool:
        waiting = collections.deque()
        for candidate, frames in _read_pairs(batch, indexes, bars, config):
            future = pool.submit(_outcome, candidate, frames, config)
            waiting.append((candidate, future))
            if len(waiting) > 4 * _NUM_JUDGES:
                judged, future = waiting.popleft()
                outcomes[judged] = future.result()
        outcomes.update((judged, future.result()) for judged, future in waiting)
    for candidate in batch:
        outcomes.setdefault(
            candidate, Outcome(candidate, "a frame could not be decoded")
        )
    return outcomes


def _read_pairs(batch, indexes, bars, config):
    """Yields (candidate, frames): its first frame, ..., its next frame."""
    for path, index in indexes.items():
        wanted = {c.frame_number: c for c in batch if c.path == path}
        numbers = {
            key + step for key in wanted for step in range(config.stride + 1)
        }
        recent = collections.deque(maxlen=config.stride + 1)
        for number, _, frame in video.read_frames(path, numbers, index):
            frame = stored_frame(frame, bars.get(path), config)
            recent.append((number, frame))
            key = number - config.stride
            if key in wanted and recent[0][0] == key:
                yield wanted[key], [frame for _, frame in recent]


def stored_frame(frame, bars, config):
    """Makes of a film's frame what is stored of it.

    Args:
        frame: uint8 array (height, width, 3), RGB.
        bars: The film's `video.Bars`, or None.
        config: An `ExtractConfig`.

    Returns:
        uint8 array (config.height, config.width, 3), RGB.
    """
    if bars is not None:
        frame = bars.crop(frame)
    size = (config.width, config.height)
    if frame.shape[1::-1] == size:
        return frame
    # The mean over the covered pixels: no aliasing when shrinking, and what
    # the report's 480x270 frames were made with.
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def why_dropped(frames, config):
    """Says why a pair is not used.

    Args:
        frames: List of stored frames, see `stored_frame`: the pair's first
            one, those between, its next one.
        config: An `ExtractConfig`.

    Returns:
        String, `"blank"` or `"cut"`; empty if it is used.
    """
    first, last = frames[0], frames[-1]
    if config.drop_blank and (shots.is_blank(first) or shots.is_blank(last)):
        return "blank"
    steps = itertools.pairwise(frames)
    if config.drop_cuts and any(shots.is_cut(*step) for step in steps):
        return "cut"
    return ""


def _outcome(candidate, frames, config):
    reason = why_dropped(frames, config)
    if reason:
        return Outcome(candidate, reason)
    encoded = [frame_store.encode_frame(x) for x in (frames[0], frames[-1])]
    return Outcome(candidate, "", *encoded)


def extract(film_list, out, config=None, workers=None, progress=False):
    """Extracts the pairs of all films of a list into a folder.

    Films that are done already are not read again, so a run that was killed
    goes on where it stopped. See `frame_store` for the folder.

    Args:
        film_list: Path of the film list, see `scenes.read_film_list`.
        out: The folder; made if it is missing. It is empty, or an earlier
            run's with the same config.
        config: An `ExtractConfig`; the defaults if None.
        workers: Integer, how many films are read at once; one for each
            processor if None. The pairs do not depend on it.
        progress: Boolean, whether to show a progress bar.

    Returns:
        A tuple (records, problems): the list of the films' records, as
        dicts, and a list of strings, one for each row or film of the list
        that could not be used.

    Raises:
        keras_ssc.scenes.FilmListError: If the list cannot be read.
        ValueError: If the folder holds something else.
        OSError: If the folder cannot be written.
    """
    config = config or ExtractConfig()
    out = pathlib.Path(out)
    films, problems = scenes.read_film_list(film_list)
    frame_store.open_folder(out, dataclasses.asdict(config))
    films, duplicates = without_duplicates(films)
    problems += duplicates
    records = frame_store.read_records(out)
    places = frame_store.assign_places(films, records, out)
    todo = frame_store.undone(films, records, out)
    names = {film.name for film in films}
    frame_store.sweep(names - {film.name for film in todo}, out)
    results = _run_all(
        [(film, places[film.name], out, config) for film in todo],
        workers or os.cpu_count() or 1,
        progress,
    )
    problems += [result for result in results if isinstance(result, str)]
    frame_store.write_index(out)
    records = frame_store.read_records(out)
    problems += [
        f"film {record['film']!r} was extracted earlier but is not in the "
        f"list now; its frames are still in {out}"
        for record in records
        if record["film"] not in names
    ]
    return [r for r in records if r["film"] in names], problems


def without_duplicates(films):
    """Leaves out films whose files are another film's, byte for byte.

    Args:
        films: List of `scenes.Film`.

    Returns:
        A tuple (films, problems): the films that are left, and a list of
        strings, one for each film that is not.
    """
    by_size = collections.defaultdict(list)
    for film in films:
        for path in dict.fromkeys(scene.path for scene in film.scenes):
            # What cannot be looked at is told when the film is read.
            with contextlib.suppress(OSError):
                if path.is_file():
                    by_size[path.stat().st_size].append((film, path))
    problems, spoilt = [], set()
    for group in by_size.values():
        owners = {}
        # Only files of one size can be the same: most films are not hashed.
        for film, path in group if len(group) > 1 else ():
            try:
                checksum = files.sha256(path)
            except OSError:
                continue
            owner, owner_path = owners.setdefault(checksum, (film, path))
            if owner.name != film.name:
                problems.append(
                    f"line {film.scenes[0].line}: {path} is the same file as "
                    f"{owner_path} (film {owner.name!r}, {owner.split}), so "
                    f"film {film.name!r} ({film.split}) is left out. Give "
                    "both rows one film name, or remove one."
                )
                spoilt.add(film.name)
    return [film for film in films if film.name not in spoilt], problems


def _run_all(tasks, workers, progress):
    """Extracts films in processes; returns records or error lines in order."""
    results = {}
    bar = tqdm.tqdm(
        total=len(tasks), unit="film", desc="extract", disable=not progress
    )
    with bar:
        waiting = list(range(len(tasks)))
        while waiting:
            waiting = _run_pool(tasks, waiting, workers, results, bar)
            # A process died and took its pool along. What was not done is
            # tried one at a time, to find the film that kills.
            workers = 1
    return [results[place] for place in range(len(tasks))]


def _run_pool(tasks, waiting, workers, results, bar):
    """Runs a pool until it is done or broken; returns what is left to do."""
    with concurrent.futures.ProcessPoolExecutor(
        max_workers=min(workers, len(waiting)),
        # A forked copy of a process with OpenCV's threads can hang.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=cv2.setNumThreads,
        initargs=(1,),
    ) as pool:
        futures = {pool.submit(_extract_film, *tasks[i]): i for i in waiting}
        try:
            for future in concurrent.futures.as_completed(futures):
                results[futures[future]] = future.result()
                bar.update()
        except concurrent.futures.BrokenExecutor:
            return _after_death(tasks, waiting, workers, results, bar)
        except BaseException:
            # Waits for the films under way only. Without the wait, leaving
            # the block would take the cancelling back.
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return []


def _after_death(tasks, waiting, workers, results, bar):
    left = [place for place in waiting if place not in results]
    if workers > 1:
        return left
    film = tasks[left[0]][0]
    results[left[0]] = (
        f"film {film.name!r} (line {film.scenes[0].line}): the process that "
        "read it died (killed, or out of memory)"
    )
    bar.update()
    return left[1:]


def _extract_film(film, place, out, config):
    """Extracts one film into the folder; returns its record or an error."""
    where = f"film {film.name!r} (line {film.scenes[0].line})"
    try:
        extraction = extract_pairs(film, config)
    except (video.VideoError, scenes.FilmListError) as error:
        return f"{where}: {error}"
    if not extraction.kept:
        reasons = [outcome.reason for outcome in extraction.dropped]
        return (
            f"{where}: no pair is left, all {len(reasons)} were dropped "
            f"({count_reasons(reasons)})"
        )
    return frame_store.store(film, place, extraction, out)


def count_reasons(reasons):
    """Returns a line such as `31 cut, 6 blank`, the most frequent first."""
    counted = collections.Counter(reasons).most_common()
    return ", ".join(f"{number} {reason}" for reason, number in counted)


def summary(records, problems, num_pairs):
    """Says in a few lines what an extraction kept, dropped and left out.

    Args:
        records: List of the films' records.
        problems: List of strings.
        num_pairs: Integer, how many pairs a film were asked for.

    Returns:
        A list of lines.
    """
    rows = [row for record in records for row in record["pairs"]]
    reasons = [row["reason"] for row in rows if row["reason"]]
    num_kept = len(rows) - len(reasons)
    line = (
        f"{num_kept:,} pairs kept of {len(records)} films, "
        f"{len(reasons):,} dropped"
    )
    line += f" ({count_reasons(reasons)})" if reasons else ""
    num_barred = sum(bool(record["bars"]) for record in records)
    lines = [f"{line}, bars cropped in {num_barred} films"]
    for record in records:
        kept = sum(row["status"] == "kept" for row in record["pairs"])
        if kept < num_pairs:
            lines.append(
                f"  film {record['film']!r}: {kept} pairs instead of "
                f"{num_pairs}: its scenes hold no more"
            )
    return lines + [f"  not used: {problem}" for problem in problems]


def _size(text):
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected WIDTHxHEIGHT, such as 480x270, received {text!r}"
        ) from None
    return width, height


def main():
    """Runs the command."""
    default = ExtractConfig()
    parser = argparse.ArgumentParser(
        prog="python -m keras_ssc.extract",
        description="Extracts clean pairs of frames from a list of films.",
    )
    add = parser.add_argument
    add(
        "film_list",
        metavar="FILMS.csv",
        help="columns: film, genre, split, path, start, end; one row a scene",
    )
    add("--out", required=True, metavar="FRAMES", help="folder to fill")
    add(
        "--pairs",
        type=int,
        default=default.num_pairs,
        metavar="N",
        help="pairs a film (default: %(default)s)",
    )
    add(
        "--stride",
        type=int,
        default=default.stride,
        metavar="N",
        help="how many frames on the next frame is (default: %(default)s)",
    )
    add(
        "--size",
        type=_size,
        metavar="WxH",
        help="size of a stored frame (default: 480x270)",
        default=(default.width, default.height),
    )
    add(
        "--seed",
        type=int,
        default=default.seed,
        metavar="N",
        help="draws other pairs (default: %(default)s)",
    )
    add(
        "--workers",
        type=int,
        metavar="N",
        help="films read at once (default: one a processor)",
    )
    add(
        "--keep-bars",
        action="store_true",
        help="do not crop letterbox and pillarbox bars",
    )
    add(
        "--keep-blank",
        action="store_true",
        help="do not drop pairs with a frame of one colour",
    )
    add("--keep-cuts", action="store_true", help="do not drop pairs over a cut")
    arguments = parser.parse_args()
    config = ExtractConfig(
        num_pairs=arguments.pairs,
        stride=arguments.stride,
        width=arguments.size[0],
        height=arguments.size[1],
        seed=arguments.seed,
        crop_bars=not arguments.keep_bars,
        drop_blank=not arguments.keep_blank,
        drop_cuts=not arguments.keep_cuts,
    )
    records, problems = extract(
        arguments.film_list, arguments.out, config, arguments.workers, True
    )
    print("\n".join(summary(records, problems, config.num_pairs)))
    print(f"frames: {arguments.out}")
    print(f"every pair, kept or dropped: {arguments.out}/index.csv")
    return 1 if problems else 0


if __name__ == "__main__":
    command.run(main)
