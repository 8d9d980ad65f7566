"""What is said of a film, and the evidence for it."""

import collections
import csv
import dataclasses
import io

import cv2
import numpy as np

from keras_ssc.errors import VideoError
from keras_ssc.films import film_list
from keras_ssc.genres import SEPARATOR
from keras_ssc.metrics import scoring
from keras_ssc.prediction import words

# Of `FilmVerdict.as_json`: raised when a field changes its name or meaning.
VERSION = 1

# Below, a verdict of one genre is uncertain: as likely wrong as right.
MIN_CONFIDENCE = 0.5

# More pictures would be too many to look at, and fill the memory: a long film
# has thousands of shots.
MOST_PICTURES = 200

# Pictures of a shot that are kept until it ends.
_MOST_SEEN = 32

_PICTURE_SIZE = (240, 135)

# A film of 24 frames a second in a file of 30 shows every fifth picture twice,
# and its pairs say nothing of how it moves. Of films that hold more of their
# pictures than this (animation, slides), such pairs do.
_MOST_LEFT_OUT = 1 / 3


@dataclasses.dataclass(frozen=True, eq=False)
class ShotVerdict:
    """What is said of a shot.

    Attributes:
        start_seconds: Float, presentation time of its first frame.
        end_seconds: Float, when the next shot begins.
        num_pairs: Integer, the pairs it is judged by.
        genre: String, the genre of the highest score; None without a pair,
            and where none of several is named.
        genres: List of strings, all that are named, the highest score first;
            None without a pair.
        scores: Dict from each genre to a float, the mean of its pairs'; None
            without a pair.
        motion_magnitude: Float, the mean of its pairs'; None without a pair,
            and of models that do not see motion.
        picture: uint8 array (135, 240, 3), RGB, the frame of the pair nearest
            to its middle. None if no pictures were asked for, or the film has
            200 longer shots.
    """

    start_seconds: float
    end_seconds: float
    num_pairs: int
    genre: str | None
    genres: list | None
    scores: dict | None
    motion_magnitude: float | None
    picture: np.ndarray | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class FilmVerdict:
    """What is said of a film.

    Attributes:
        path: String, the film's path as it was given; of stored pairs, the
            film's name.
        genre: String, the genre of the highest score; None where none of
            several is named.
        genres: List of strings, all that are named, the highest score first:
            one, or of a model of several genres a film any number.
        confidence: Float, the highest score.
        is_sure: Boolean, whether it reaches the least confidence asked for;
            of several genres always: thresholds decide.
        runner_up: String, the genre of the highest score that is not named;
            None if there is none.
        thresholds: Dict from each genre to the score from which on it is
            named; None where the highest score decides.
        scores: Dict from each genre to a float: the mean of its pairs' at
            even times; the extra ones of shots that have none of these are
            left out, unless no other can be used. Of a model with a head over
            a film's pairs, what that says of the same pairs.
        shares: Dict from each genre to a float: the share of the film, of
            what could be judged of it, whose shots are evidence for the genre.
        seconds: Float, when the film ends, counted as players do from the
            start of its file; None of stored pairs.
        num_pairs: Integer, the pairs that were judged, extra ones included.
        num_repeated: Integer, how many of them are one picture, shown twice.
            Up to a third of a film's, they are left out of all scores.
        dropped: Dict from a reason to how many pairs were dropped for it.
        shots: List of `ShotVerdict`.
        notes: List of strings, what in the file is not as it should be.
        aspect: Float, the picture's width by its height as a viewer sees it,
            without bars; None of stored pairs.
        strongest: `film_reader.Pair`, the one with the highest score for
            the genre that has the film's, if pictures were asked for.
    """

    path: str
    genre: str | None
    genres: list
    confidence: float
    is_sure: bool
    runner_up: str | None
    thresholds: dict | None
    scores: dict
    shares: dict
    seconds: float | None
    num_pairs: int
    num_repeated: int
    dropped: dict
    shots: list
    notes: list
    aspect: float | None
    strongest: object = None

    def as_json(self):
        """Returns plain values, with `version`; pictures are left out."""
        film = {"version": VERSION, **vars(self)}
        del film["strongest"]
        film["shots"] = [dict(vars(shot)) for shot in self.shots]
        for shot in film["shots"]:
            del shot["picture"]
        return film

    def as_csv(self):
        """Returns a CSV text, one row a shot.

        The columns: start, end (hh:mm:ss.mmm), pairs, genre (all that are
        named, with | between them), a score for each genre, motion_magnitude;
        cells are empty where there is no pair.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            ("start", "end", "pairs", "genre", *self.scores, "motion_magnitude")
        )
        for shot in self.shots:
            scores = shot.scores or dict.fromkeys(self.scores)
            writer.writerow(
                (
                    film_list.format_time(shot.start_seconds),
                    film_list.format_time(shot.end_seconds),
                    shot.num_pairs,
                    SEPARATOR.join(shot.genres or ()),
                    *(_digits(score) for score in scores.values()),
                    _digits(shot.motion_magnitude),
                )
            )
        return text.getvalue()


def _digits(number):
    return None if number is None else f"{number:.6g}"


class Collector:
    """Collects the answers for a film's pairs, and its shots, in its order.

    Args:
        task: The model's task, see `tasks`.
        pictures: Boolean, whether a small frame of each shot is kept, of the
            200 longest ones at most, and each genre's strongest pair.
        film_scores: Function of pairs' features (pairs, n) and times (pairs,)
            that returns the film's scores, an array (genres,); None for the
            mean of the pairs' scores.
    """

    def __init__(self, task, pictures=False, film_scores=None):
        self._task = task
        self._film_scores = film_scores
        self._featured = []  # (pair, features), without its frames
        self._wants_pictures = pictures
        self._shots = []
        self._pictures = {}  # from a shot's place to its picture
        self._dropped = collections.Counter()
        self._notes, self._aspect = [], None
        # Of each genre, the highest score of a pair, and that pair.
        self._strongest = [(-1.0, None)] * len(task.genres)
        self._begin_shot()

    def _begin_shot(self):
        self._answers = []  # (pair, scores, magnitude), without its frames
        self._seen = []  # (seconds, picture) of pairs

    def begin(self, picture):
        """Takes the film's `film_reader.Picture`."""
        self._notes, self._aspect = list(picture.notes), picture.aspect

    def drop(self, pair):
        """Counts a pair that is not used."""
        self._dropped[pair.reason] += 1

    def add(self, pair, scores, magnitude, features=None):
        """Takes the answer for a pair.

        Args:
            pair: A `film_reader.Pair`.
            scores: float32 array (genres,).
            magnitude: Float; None if the model does not see motion.
            features: Float array (n,), where the film's scores need them.
        """
        without_frames = dataclasses.replace(pair, frame=None, next_frame=None)
        self._answers.append((without_frames, scores, magnitude))
        if self._film_scores is not None:
            self._featured.append((without_frames, features))
        if not self._wants_pictures:
            return
        for place, score in enumerate(scores):
            if score > self._strongest[place][0]:
                self._strongest[place] = (float(score), pair)
        picture = cv2.resize(
            pair.frame, _PICTURE_SIZE, interpolation=cv2.INTER_AREA
        )
        self._seen.append((pair.seconds, picture))
        # Where the shot's middle is, is known when it ends.
        if len(self._seen) > _MOST_SEEN:
            del self._seen[1::2]

    def end_shot(self, shot):
        """Takes the `film_reader.Shot` of the pairs since the last one."""
        place = len(self._shots)
        self._shots.append((shot, self._answers))
        if self._seen:
            middle = (shot.start_seconds + shot.end_seconds) / 2
            _, self._pictures[place] = min(
                self._seen, key=lambda seen: abs(seen[0] - middle)
            )
        if len(self._pictures) > MOST_PICTURES:
            del self._pictures[min(self._pictures, key=self._length)]
        self._begin_shot()

    def _length(self, place):
        shot, _ = self._shots[place]
        return shot.end_seconds - shot.start_seconds

    def _judge(self, shot, answers, picture):
        start, end = shot.start_seconds, shot.end_seconds
        if not answers:
            return ShotVerdict(start, end, 0, None, None, None, None)
        _, scores, magnitudes = zip(*answers, strict=True)
        mean = scoring.film_scores(scores)
        genres = self._task.named_genres(mean)
        return ShotVerdict(
            start,
            end,
            len(answers),
            genres[0] if genres else None,
            genres,
            dict(zip(self._task.genres, mean.tolist(), strict=True)),
            None if None in magnitudes else float(np.mean(magnitudes)),
            picture,
        )

    def verdict(self, path, min_confidence=MIN_CONFIDENCE):
        """Returns the film's `FilmVerdict`.

        Raises:
            VideoError: If none of its pairs can be used.
        """
        answers = [answer for _, own in self._shots for answer in own]
        num_repeated = sum(pair.repeated for pair, _, _ in answers)
        if num_repeated <= _MOST_LEFT_OUT * len(answers):
            used = _moving
        else:
            used = list
        shots = [
            self._judge(shot, used(own), self._pictures.get(place))
            for place, (shot, own) in enumerate(self._shots)
        ]
        judged = [shot for shot in shots if shot.num_pairs]
        if not judged:
            reasons = words.reasons(self._dropped)
            raise VideoError(
                f"{path}: no pair of frames can be judged "
                f"({reasons or 'it has a single frame'})."
            )
        lengths = np.array([s.end_seconds - s.start_seconds for s in judged])
        weights = lengths / lengths.sum()
        answers = used(answers)
        _, scores, _ = zip(*_even(answers), strict=True)
        scores = scoring.film_scores(scores)
        if self._film_scores is not None:
            pairs, features = zip(*_even(used(self._featured)), strict=True)
            seconds = [pair.seconds for pair in pairs]
            scores = self._film_scores(np.stack(features), seconds)
        names, genres = self._task.genres, self._task.named_genres(scores)
        is_evidence = np.array(
            [[genre in shot.genres for genre in names] for shot in judged]
        )
        shares = weights @ is_evidence
        # Of equal scores, the first genre's, as the decision has it.
        order = np.argsort(-scores, kind="stable")
        others = [names[place] for place in order if names[place] not in genres]
        return FilmVerdict(
            path=str(path),
            genre=genres[0] if genres else None,
            genres=genres,
            confidence=float(scores[order[0]]),
            is_sure=self._task.is_sure(scores, min_confidence),
            runner_up=others[0] if others else None,
            thresholds=self._task.thresholds,
            scores=dict(zip(names, scores.tolist(), strict=True)),
            shares=dict(zip(names, shares.tolist(), strict=True)),
            seconds=shots[-1].end_seconds,
            num_pairs=sum(len(own) for _, own in self._shots),
            num_repeated=num_repeated,
            dropped=dict(self._dropped),
            shots=shots,
            notes=self._notes,
            aspect=self._aspect,
            strongest=self._strongest[order[0]][1],
        )


def _moving(answers):
    """Returns the answers for pairs of two pictures; all if there are none."""
    return [each for each in answers if not each[0].repeated] or answers


def _even(answers):
    """Returns the answers for pairs at even times; all if there are none."""
    return [each for each in answers if not each[0].is_extra] or answers
