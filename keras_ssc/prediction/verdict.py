"""What is said of a film, and the evidence for it."""

import collections
import csv
import dataclasses
import io
import pathlib
import typing

import cv2
import numpy as np

from keras_ssc.errors import VideoError
from keras_ssc.films import film_list
from keras_ssc.films.shot_detection import ShotList
from keras_ssc.films.shots import Transition
from keras_ssc.genres import SEPARATOR
from keras_ssc.metrics import scoring
from keras_ssc.metrics.unlike import is_unlike
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
        num_pairs: Integer, the pairs it is judged by: not those that are
            unlike the training films, unless all are.
        genre: String, the genre of the highest score; None without a pair,
            where none of several is named, and of an unlike shot.
        genres: List of strings, all that are named, the highest score first;
            empty of an unlike shot, None without a pair.
        scores: Dict from each genre to a float, the mean of its pairs'; None
            without a pair.
        motion_magnitude: Float, the mean of its pairs'; None without a pair,
            and of models that do not see motion.
        familiarity: Float, 0 to 1, the median of its pairs', unlike ones
            included, see `familiarity.Familiarity`; None without a pair, and
            of models that do not know their training films.
        is_unlike: Boolean, whether it is unlike the training films.
        picture: uint8 array (135, 240, 3), RGB, the frame of the pair nearest
            to its middle. None if no pictures were asked for, or the film has
            200 longer shots.
        first_frame: Integer, its first frame's number in the film, from 0.
        end_frame: Integer, the number of the frame after its last one.
        transition: The `shots.Transition` that leads to it; None for a film's
            first shot, and where shots were not searched for.
    """

    start_seconds: float
    end_seconds: float
    num_pairs: int
    genre: str | None
    genres: list | None
    scores: dict | None
    motion_magnitude: float | None
    familiarity: float | None = None
    is_unlike: bool = False
    picture: np.ndarray | None = None
    first_frame: int = 0
    end_frame: int = 0
    transition: Transition | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class FilmVerdict:
    """What is said of a film.

    Attributes:
        path: String, the film's path as it was given; of stored pairs, the
            film's name.
        genre: String, the genre of the highest score; None where none of
            several is named, and of an unlike film.
        genres: List of strings, all that are named, the highest score first:
            one, or of a model of several genres a film any number; none of an
            unlike film.
        confidence: Float, the highest score.
        is_sure: Boolean, whether it reaches the least confidence asked for;
            of several genres always: thresholds decide. False of an unlike
            film.
        runner_up: String, the genre of the highest score that is not named;
            None if there is none.
        thresholds: Dict from each genre to the score from which on it is
            named; None where the highest score decides.
        scores: Dict from each genre to a float: the mean of its pairs' at
            even times; the extra ones of shots that have none of these, and
            those that are unlike the training films, are left out, unless no
            other can be used. Of a model with a head over a film's pairs, what
            that says of the same pairs.
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
        familiarity: Float, 0 to 1, the median of its pairs' at even times,
            unlike ones included, see `familiarity.Familiarity`; None of models
            that do not know their training films.
        is_unlike: Boolean, whether the film is unlike the training films.
        num_unlike: Integer, how many pairs were left out of all scores for
            being unlike them.
        strongest: `film_reader.Pair`, the one with the highest score for
            the genre that has the film's, if pictures were asked for; of the
            unlike ones only if there is no other.
        source: `film_reader.Picture`, with the times of the film's frames;
            None of stored pairs.
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
    familiarity: float | None = None
    is_unlike: bool = False
    num_unlike: int = 0
    strongest: object = None
    source: object = None

    def as_json(self):
        """Returns plain values, with `version`; pictures are left out."""
        film = {"version": VERSION, **vars(self)}
        del film["strongest"], film["source"]
        film["shots"] = [dict(vars(shot)) for shot in self.shots]
        for shot in film["shots"]:
            del shot["picture"]
            if shot["transition"] is not None:
                shot["transition"] = dataclasses.asdict(shot["transition"])
        return film

    def shot_list(self):
        """Returns the `shot_detection.ShotList` of a film that was read."""
        read = self.source
        return ShotList(
            *(pathlib.Path(self.path), self.shots, read.seconds),
            *(read.step_seconds, read.width, read.height, read.notes),
        )

    def as_csv(self):
        """Returns a CSV text, one row a shot.

        The columns: start, end (hh:mm:ss.mmm), pairs, genre (all that are
        named, with | between them), a score for each genre, motion_magnitude,
        familiarity; cells are empty where there is no pair.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            (
                *("start", "end", "pairs", "genre", *self.scores),
                *("motion_magnitude", "familiarity"),
            )
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
                    _digits(shot.familiarity),
                )
            )
        return text.getvalue()


def _digits(number):
    return None if number is None else f"{number:.6g}"


class _Answer(typing.NamedTuple):
    """What is kept of a pair: all but its frames."""

    pair: object
    scores: np.ndarray
    magnitude: float | None
    familiarity: float | None
    features: np.ndarray | None


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
        self._wants_pictures = pictures
        self._shots = []
        self._pictures = {}  # from a shot's place to its picture
        self._dropped = collections.Counter()
        self._source = None
        # Of each genre, how strong a pair is for it, and the strongest pair.
        self._strongest = [((False, -1.0), None)] * len(task.genres)
        self._begin_shot()

    def _begin_shot(self):
        self._answers = []
        self._seen = []  # (seconds, picture) of pairs

    def begin(self, picture):
        """Takes the film's `film_reader.Picture`."""
        self._source = picture

    def drop(self, pair):
        """Counts a pair that is not used."""
        self._dropped[pair.reason] += 1

    def add(self, pair, scores, magnitude, familiarity=None, features=None):
        """Takes the answer for a pair.

        Args:
            pair: A `film_reader.Pair`.
            scores: float32 array (genres,).
            magnitude: Float; None if the model does not see motion.
            familiarity: Float; None if the model does not know its training
                films.
            features: Float array (n,), where the film's scores need them.
        """
        without_frames = dataclasses.replace(pair, frame=None, next_frame=None)
        self._answers.append(
            _Answer(without_frames, scores, magnitude, familiarity, features)
        )
        if not self._wants_pictures:
            return
        for place, score in enumerate(scores):
            strength = (not is_unlike(familiarity), float(score))
            if strength > self._strongest[place][0]:
                self._strongest[place] = (strength, pair)
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
        times = shot.start_seconds, shot.end_seconds
        place = {
            "first_frame": shot.first_frame,
            "end_frame": shot.end_frame,
            "transition": shot.transition,
        }
        if not answers:
            return ShotVerdict(*times, 0, None, None, None, None, **place)
        familiarity = _median_familiarity(answers)
        voting = _voting(answers)
        mean = scoring.film_scores([answer.scores for answer in voting])
        genres = self._named(mean, familiarity)
        magnitudes = [answer.magnitude for answer in voting]
        return ShotVerdict(
            *times,
            len(voting),
            genres[0] if genres else None,
            genres,
            dict(zip(self._task.genres, mean.tolist(), strict=True)),
            None if None in magnitudes else float(np.mean(magnitudes)),
            familiarity,
            is_unlike(familiarity),
            picture,
            **place,
        )

    def _scores_of(self, answers):
        """Returns the film's scores, an array (genres,)."""
        if self._film_scores is None:
            return scoring.film_scores([answer.scores for answer in answers])
        return self._film_scores(
            np.stack([answer.features for answer in answers]),
            [answer.pair.seconds for answer in answers],
        )

    def _named(self, scores, familiarity):
        """Returns the genres that are named: none of what is unlike."""
        return [] if is_unlike(familiarity) else self._task.named_genres(scores)

    def verdict(self, path, min_confidence=MIN_CONFIDENCE):
        """Returns the film's `FilmVerdict`.

        Raises:
            VideoError: If none of its pairs can be used.
        """
        answers = [answer for _, own in self._shots for answer in own]
        num_repeated = sum(answer.pair.repeated for answer in answers)
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
        voting = _voting(answers)
        scores = self._scores_of(_even(voting))
        familiarity = _median_familiarity(_even(answers))
        names, genres = self._task.genres, self._named(scores, familiarity)
        is_evidence = np.array(
            [[genre in shot.genres for genre in names] for shot in judged]
        )
        shares = weights @ is_evidence
        read = self._source
        # Of equal scores, the first genre's, as the decision has it.
        order = np.argsort(-scores, kind="stable")
        others = [names[place] for place in order if names[place] not in genres]
        return FilmVerdict(
            path=str(path),
            genre=genres[0] if genres else None,
            genres=genres,
            confidence=float(scores[order[0]]),
            is_sure=self._task.is_sure(scores, min_confidence)
            and not is_unlike(familiarity),
            runner_up=others[0] if others else None,
            thresholds=self._task.thresholds,
            scores=dict(zip(names, scores.tolist(), strict=True)),
            shares=dict(zip(names, shares.tolist(), strict=True)),
            seconds=shots[-1].end_seconds,
            num_pairs=sum(len(own) for _, own in self._shots),
            num_repeated=num_repeated,
            dropped=dict(self._dropped),
            shots=shots,
            notes=list(read.notes) if read else [],
            aspect=read.aspect if read else None,
            familiarity=familiarity,
            is_unlike=is_unlike(familiarity),
            num_unlike=len(answers) - len(voting),
            strongest=self._strongest[order[0]][1],
            source=read,
        )


def _moving(answers):
    """Returns the answers for pairs of two pictures; all if there are none."""
    return [each for each in answers if not each.pair.repeated] or answers


def _even(answers):
    """Returns those of pairs at even times; all if there are none."""
    return [each for each in answers if not each.pair.is_extra] or answers


def _voting(answers):
    """Returns those of pairs that look familiar; all if there are none.

    Title cards, credits and logos say nothing of a genre.
    """
    return [x for x in answers if not is_unlike(x.familiarity)] or answers


def _median_familiarity(answers):
    """Returns the median of the pairs'; None if it is not known."""
    found = [answer.familiarity for answer in answers]
    return None if None in found else float(np.median(found))
