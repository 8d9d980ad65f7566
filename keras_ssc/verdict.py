"""What is said of a film, and the evidence for it."""

import collections
import csv
import dataclasses
import io

import cv2
import numpy as np

from keras_ssc import scenes
from keras_ssc import video
from keras_ssc.genres import GENRES

# Of `FilmVerdict.as_json`: raised when a field changes its name or meaning.
VERSION = 1

# Below, a verdict is not sure: as likely wrong as right.
MIN_CONFIDENCE = 0.5

# More pictures would be too many to look at, and fill the memory: a long film
# has thousands of shots.
MOST_PICTURES = 200

_PICTURE_SIZE = (240, 135)


@dataclasses.dataclass(frozen=True, eq=False)
class ShotVerdict:
    """What is said of a shot.

    Attributes:
        start_seconds: Float, presentation time of its first frame.
        end_seconds: Float, when the next shot begins.
        num_pairs: Integer, the pairs it is judged by.
        genre: String, the genre of the highest score; None without a pair.
        scores: Dict from each genre to a float, the mean of its pairs'; None
            without a pair.
        motion_magnitude: Float, the mean of its pairs'; None without a pair.
        picture: uint8 array (135, 240, 3), RGB, the frame of the pair nearest
            to its middle. None if no pictures were asked for, or the film has
            200 longer shots.
    """

    start_seconds: float
    end_seconds: float
    num_pairs: int
    genre: str | None
    scores: dict | None
    motion_magnitude: float | None
    picture: np.ndarray | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class FilmVerdict:
    """What is said of a film.

    Attributes:
        path: String, the film's path as it was given; of stored pairs, the
            film's name.
        genre: String, the genre of the highest score.
        confidence: Float, that score.
        is_sure: Boolean, whether it reaches the least confidence asked for.
        runner_up: String, the genre of the second highest score.
        scores: Dict from each genre to a float: the mean of the shots',
            weighted by their length.
        shares: Dict from each genre to a float: the share of the film, of
            what could be judged of it, whose shots speak for the genre.
        seconds: Float, the film's length; None of stored pairs.
        num_pairs: Integer, the pairs it is judged by.
        dropped: Dict from a reason to how many pairs were dropped for it.
        shots: List of `ShotVerdict`.
        strongest: `film_reader.Pair`, the one with the highest score for
            `genre`, if pictures were asked for.
    """

    path: str
    genre: str
    confidence: float
    is_sure: bool
    runner_up: str
    scores: dict
    shares: dict
    seconds: float | None
    num_pairs: int
    dropped: dict
    shots: list
    strongest: object = None

    def as_json(self):
        """Returns plain values, with `version`; pictures are left out."""
        film = _plain(self, "shots", "strongest")
        shots = [_plain(shot, "picture") for shot in self.shots]
        return {"version": VERSION, **film, "shots": shots}

    def as_csv(self):
        """Returns a CSV text, one row a shot.

        The columns: start, end (hh:mm:ss.mmm), pairs, genre, a score for each
        genre, motion_magnitude; cells are empty where there is no pair.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            ("start", "end", "pairs", "genre", *GENRES, "motion_magnitude")
        )
        for shot in self.shots:
            scores = shot.scores or dict.fromkeys(GENRES)
            writer.writerow(
                (
                    scenes.format_time(shot.start_seconds),
                    scenes.format_time(shot.end_seconds),
                    shot.num_pairs,
                    shot.genre,
                    *(_digits(scores[genre]) for genre in GENRES),
                    _digits(shot.motion_magnitude),
                )
            )
        return text.getvalue()


def _plain(value, *left_out):
    return {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)
        if field.name not in left_out
    }


def _digits(number):
    return None if number is None else f"{number:.6g}"


class Collector:
    """Collects the answers for a film's pairs.

    Args:
        shots: List of `film_reader.Shot`.
        pictures: Boolean, whether a small frame of each shot is kept, of the
            200 longest ones at most, and the pair that speaks most for each
            genre.
    """

    def __init__(self, shots, pictures=False):
        self._shots = shots
        self._wants_pictures = pictures
        self._pictures = {}  # from a shot to (seconds from its middle, picture)
        self._scores = [[] for _ in shots]
        self._magnitudes = [[] for _ in shots]
        self._dropped = collections.Counter()
        # Of each genre, the highest score of a pair, and that pair.
        self._strongest = [(-1.0, None)] * len(GENRES)

    def drop(self, pair):
        """Counts a pair that is not used."""
        self._dropped[pair.reason] += 1

    def add(self, pairs, scores, magnitudes):
        """Takes the answers for pairs.

        Args:
            pairs: List of `film_reader.Pair`.
            scores: float32 array (pairs, genres).
            magnitudes: float32 array (pairs,).
        """
        for place, pair in enumerate(pairs):
            self._scores[pair.shot].append(scores[place])
            self._magnitudes[pair.shot].append(float(magnitudes[place]))
            if self._wants_pictures:
                self._keep_strongest(pair, scores[place])
                self._keep_picture(pair)

    def _keep_picture(self, pair):
        """Keeps a pair's picture, unless there is a better one."""
        shot = self._shots[pair.shot]
        middle = (shot.start_seconds + shot.end_seconds) / 2
        distance = abs(pair.seconds - middle)
        kept_distance, _ = self._pictures.get(pair.shot, (np.inf, None))
        if distance < kept_distance:
            picture = cv2.resize(
                pair.frame, _PICTURE_SIZE, interpolation=cv2.INTER_AREA
            )
            self._pictures[pair.shot] = (distance, picture)
        if len(self._pictures) > MOST_PICTURES:
            del self._pictures[min(self._pictures, key=self._length)]

    def _length(self, place):
        shot = self._shots[place]
        return shot.end_seconds - shot.start_seconds

    def _keep_strongest(self, pair, scores):
        for place, score in enumerate(scores):
            if score > self._strongest[place][0]:
                self._strongest[place] = (float(score), pair)

    def verdict(self, path, min_confidence=MIN_CONFIDENCE):
        """Returns the film's `FilmVerdict`.

        Raises:
            VideoError: If none of its pairs can be used.
        """
        shots = [self._shot(place) for place in range(len(self._shots))]
        judged = [shot for shot in shots if shot.num_pairs]
        if not judged:
            reasons = ", ".join(
                f"{count} {reason}" for reason, count in self._dropped.items()
            )
            raise video.VideoError(
                f"{path}: no pair of frames can be judged "
                f"({reasons or 'it has a single frame'})."
            )
        lengths = np.array([s.end_seconds - s.start_seconds for s in judged])
        weights = lengths / lengths.sum()
        scores = weights @ [list(shot.scores.values()) for shot in judged]
        speaks = np.array(
            [[shot.genre == genre for genre in GENRES] for shot in judged]
        )
        second, first = np.argsort(scores, kind="stable")[-2:]
        return FilmVerdict(
            path=str(path),
            genre=GENRES[first],
            confidence=float(scores[first]),
            is_sure=bool(scores[first] >= min_confidence),
            runner_up=GENRES[second],
            scores=dict(zip(GENRES, scores.tolist(), strict=True)),
            shares=dict(zip(GENRES, (weights @ speaks).tolist(), strict=True)),
            seconds=self._shots[-1].end_seconds,
            num_pairs=sum(shot.num_pairs for shot in judged),
            dropped=dict(self._dropped),
            shots=shots,
            strongest=self._strongest[first][1],
        )

    def _shot(self, place):
        shot, scores = self._shots[place], self._scores[place]
        if not scores:
            return ShotVerdict(
                shot.start_seconds, shot.end_seconds, 0, None, None, None
            )
        mean = np.mean(scores, axis=0, dtype=np.float64)
        _, picture = self._pictures.get(place, (None, None))
        return ShotVerdict(
            shot.start_seconds,
            shot.end_seconds,
            len(scores),
            GENRES[int(mean.argmax())],
            dict(zip(GENRES, mean.tolist(), strict=True)),
            float(np.mean(self._magnitudes[place])),
            picture,
        )
