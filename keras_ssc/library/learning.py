"""What is labelled -> a suggestion for every film, and which to label next."""

import contextlib
import dataclasses
import time

import numpy as np
import threadpoolctl
from scipy import stats

from keras_ssc import command
from keras_ssc import tasks
from keras_ssc.errors import VideoError
from keras_ssc.genres import ONE
from keras_ssc.genres import SEVERAL
from keras_ssc.genres import genre_words
from keras_ssc.genres import key_of
from keras_ssc.genres import listing
from keras_ssc.library import features
from keras_ssc.library import heads
from keras_ssc.library import queueing
from keras_ssc.library.database import Suggestion
from keras_ssc.metrics import familiarity
from keras_ssc.metrics.unlike import UNLIKE
from keras_ssc.metrics.unlike import is_unlike

# A suggestion is made with confidence from here on.
CONFIDENT = 0.8

# Of fewer labelled films, the one that is least like the others is no less
# usual than the threshold for what is unlike all.
_FEWEST_TO_KNOW = round(1 / UNLIKE)

# Films of a genre from which on its labels can be doubted: one that is left
# out needs others that it could be like.
_FEWEST_TO_DOUBT = 3

# Genres that a sentence lists.
_MOST_NAMED = 6

# Films that tell the range of features.
_MOST_MEASURED = 1000

_HEAD, _QUALITY = "head", "quality"


@dataclasses.dataclass(frozen=True)
class Learnt:
    """What `learn` did.

    Attributes:
        num_labelled: Integer, films that have a label, copies included.
        num_suggested: Integer, films without a label for which genres are
            suggested.
        num_confident: Integer, how many of these with confidence: at least
            0.8, and not unlike the labelled films.
        num_changed: Integer, films without a label for which something else
            is suggested than before.
        num_newly_confident: Integer, how many are suggested with confidence
            and were not before.
        num_doubted: Integer, labels that look wrong.
        unread: Dict from films' `id`s to the reason why a model could not
            classify them.
        seconds: Float, how long it took.
    """

    num_labelled: int
    num_suggested: int
    num_confident: int
    num_changed: int
    num_newly_confident: int
    num_doubted: int
    unread: dict
    seconds: float

    @property
    def text(self):
        """What it says, in a sentence or two."""
        told = (
            f"Learnt from {_films(self.num_labelled)} in {self.seconds:.1f} "
            f"seconds: {_films(self.num_suggested)} have a suggestion, "
            f"{self.num_confident:,} of them with confidence "
            f"({self.num_newly_confident:,} newly). {self.num_changed:,} "
            "suggestions changed."
        )
        if self.num_doubted:
            told += f" Labels that look wrong: {self.num_doubted:,}."
        if self.unread:
            told += f" Could not be read: {_films(len(self.unread))}."
        return told


@dataclasses.dataclass(frozen=True, eq=False)
class _Films:
    """The films of a library that were read.

    Attributes:
        ids: int64 array (films,).
        means: float32 array (films, n).
        group: int64 array (films,), the same of copies.
        labels: Dict from `id`s to `database.Label`.
        first: Dict from a group that has a label to the place of the film
            that stands for it: the newest label's.
    """

    ids: np.ndarray
    means: np.ndarray
    group: np.ndarray
    labels: dict
    first: dict

    @property
    def is_labelled(self):
        return np.isin(self.ids, list(self.labels))


def _read(library):
    ids, means = library.means()
    copies = {film.id: film.copies for film in library.films()}
    labels = library.labels()
    first = {}
    for place, film in enumerate(ids.tolist()):
        if film in labels:
            label = labels[film]
            age = (label.id, label.film == film)
            other = first.get(copies[film])
            if other is None or age > other[0]:
                first[copies[film]] = age, place
    return _Films(
        *(ids, means),
        np.array([copies[film] for film in ids.tolist()], np.int64),
        labels,
        {group: place for group, (_, place) in sorted(first.items())},
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Answers:
    """What is known of the films of a `_Films`.

    Attributes:
        genres: Tuple of strings; empty if nothing can be said.
        scores: Float array (films, genres), NaN of a film that could not be
            classified.
        is_named: Bool array (films, genres).
        doubts: Dict from films' `id`s to tuples, see `Suggestion.doubt`.
        familiarity: List (films,) of floats or None.
        quality: String, how good it is.
        head: String, see `heads.to_text`; empty if there is none.
        unread: See `Learnt`.
    """

    genres: tuple
    scores: np.ndarray
    is_named: np.ndarray
    doubts: dict
    familiarity: list
    quality: str
    head: str = ""
    unread: dict = dataclasses.field(default_factory=dict)


def learn(library, model=None, seed=0):
    """Suggests genres for all films of a library that were read.

    Args:
        library: A `database.Library`.
        model: What `predictor.load` takes, or a `pipeline.BeamPredictor`: the
            suggestions are then its own, and the films are read again. None:
            a head is fitted to the labels.
        seed: Integer.

    Returns:
        A `Learnt`; the library has the suggestions.

    Raises:
        ValueError: If there is no such model.
        LibraryError: If the library cannot be written.
    """
    began = time.monotonic()
    before = library.suggestions()
    films = _read(library)
    # Beside other work, several threads on small arrays wait for each other
    # ten times as long as they work.
    with threadpoolctl.threadpool_limits(1, "blas"):
        space = heads.space_of(films.means, seed) if len(films.ids) else None
        if model is not None:
            answers = _model_answers(library, films, model)
        else:
            answers = _own_answers(library.genres, films, space, seed)
        suggestions = _suggestions(films, answers, space)
    library.set_suggestions(
        suggestions, {_HEAD: answers.head, _QUALITY: answers.quality}
    )
    return _learnt(films, answers, before, suggestions, began)


def quality_text(library):
    """Says in some sentences how good the suggestions are.

    Args:
        library: A `database.Library`.
    """
    return library.setting(_QUALITY) or (
        "Nothing is suggested yet. Label some films, then learn."
    )


def shot_scores(library, film):
    """Says what the shots of a film are evidence for.

    Args:
        library: A `database.Library`.
        film: Integer, the film's `id`.

    Returns:
        A tuple: the genres, a tuple of strings; a float32 array (shots,
        genres), the mean scores of each shot's pairs, NaN of a shot without
        any. None if nothing is learnt from labels yet, or the film's features
        are not there.
    """
    stored = library.setting(_HEAD)
    read = features.load(library.path, library.film(film).content)
    if not stored or read is None:
        return None
    head = heads.from_text(stored)
    scores = head.scores(np.float32(read.pairs))
    found = np.full(
        (len(library.shots(film)), scores.shape[1]), np.nan, np.float32
    )
    for shot in np.unique(read.shot):
        found[shot] = scores[read.shot == shot].mean(axis=0)
    return head.task.genres, found


def similar(library, film, count):
    """Finds the films that look and move like one.

    Args:
        library: A `database.Library`.
        film: Integer, the film's `id`.
        count: Integer.

    Returns:
        A list of at most so many films' `id`s, the most similar first; the
        film's copies are none of them. Empty of a film that was not read.
    """
    return Neighbours(library).of(film, count)


class Neighbours:
    """A library's films by how much they look and move alike.

    Args:
        library: A `database.Library`; what changes in it later is not known.
    """

    def __init__(self, library):
        self._copies = {film.id: film.copies for film in library.films()}
        self._ids, means = library.means()
        if len(means):
            means -= means.mean(axis=0)
            deviation = means.std(axis=0)
            means /= np.where(deviation > 0, deviation, 1)
        self._scaled = means
        self._squares = np.einsum("ij,ij->i", means, means)

    def of(self, film, count):
        """Finds the films that are like one, see `similar`."""
        own = np.flatnonzero(self._ids == film)
        if not len(own):
            return []
        # The squared distance but for what is the same of all films.
        distance = self._squares - 2 * (self._scaled @ self._scaled[own[0]])
        order = self._ids[np.argsort(distance, kind="stable")].tolist()
        group = self._copies[film]
        return [x for x in order if self._copies[x] != group][:count]


# ---- answers ----


def _own_answers(all_genres, films, space, seed):
    """Returns the `_Answers` of a head that is fitted to the labels."""
    places = np.array(list(films.first.values()), int)
    own = [films.labels[int(film)].genres for film in films.ids[places]]
    used = {genre for each in own for genre in each}
    genres = tuple(genre for genre in all_genres if genre in used)
    if len(genres) < 2:
        return _no_answers(films, len(places), genres)
    is_several = any(len(each) > 1 for each in own)
    task = tasks.of(SEVERAL if is_several else ONE, genres)
    label = np.array([task.label_of(each) for each in own])
    fitted = heads.fit(task, space, films.means[places], label, seed)
    scores = fitted.head.scores(films.means)
    return _Answers(
        genres,
        scores,
        heads.named(fitted.head.task, scores),
        _contradicted(films)
        | _doubts(fitted, films.ids[places].tolist(), label),
        _familiarity(films.means, places),
        _quality(fitted, label),
        heads.to_text(fitted.head),
    )


def _no_answers(films, num_labelled, genres):
    if num_labelled:
        quality = (
            f"All labelled films ({num_labelled}) are "
            f"{genre_words(genres[0])}. Label films of another genre, too: "
            "then the others get suggestions."
        )
    else:
        quality = (
            "No film is labelled yet. The first in the queue are unlike each "
            "other: label them, two or more of each genre."
        )
    nothing = np.zeros((len(films.ids), 0))
    return _Answers(
        *((), nothing, nothing > 0, _contradicted(films)),
        *([None] * len(films.ids), quality),
    )


def _familiarity(means, places):
    """Returns how much films look like the labelled ones, a list."""
    if len(places) < _FEWEST_TO_KNOW:
        return [None] * len(means)
    # As elsewhere, what frames look like; what moves otherwise is a genre's.
    frames = means[:, : means.shape[1] // 2]
    known = familiarity.Familiarity.fit(frames[places], np.arange(len(places)))
    return known.judge(frames).tolist()


def _contradicted(films):
    """Returns the doubts about films whose copies have a newer label."""
    found = {}
    for film, group in zip(films.ids.tolist(), films.group, strict=True):
        if film in films.labels:
            newest = films.labels[int(films.ids[films.first[group]])].genres
            if set(films.labels[film].genres) != set(newest):
                found[film] = newest
    return found


def _doubts(fitted, ids, label):
    """Returns what the others' labels say of films whose own look wrong."""
    task, scores = fitted.head.task, fitted.left_out
    if scores is None:
        return {}
    is_named = heads.named(task, scores)
    wrong = doubtful(task.is_of(label), scores, is_named)
    return {
        ids[place]: _named_of(task.genres, scores[place], is_named[place])
        for place in np.flatnonzero(wrong)
    }


def doubtful(is_of, scores, is_named):
    """Finds labels that are probably wrong, by scores of films left out.

    As confident learning does (Northcutt et al. 2021, "Confident Learning:
    Estimating Uncertainty in Dataset Labels"): a film is likely to have a
    genre that it is not labelled with if its score is at least the mean score
    of the films that are; and to lack one, likewise.

    Args:
        is_of: Bool array (films, genres), the labels.
        scores: Float array (films, genres).
        is_named: Bool array (films, genres), what they decide.

    Returns:
        Bool array (films,).
    """
    found = np.zeros(len(is_of), bool)
    for own, score, named in zip(is_of.T, scores.T, is_named.T, strict=True):
        if _FEWEST_TO_DOUBT <= own.sum() <= len(own) - _FEWEST_TO_DOUBT:
            found |= named & ~own & (score >= score[own].mean())
            found |= own & ~named & (score <= score[~own].mean())
    return found


def _quality(fitted, label):
    """Says how good a head is, by films that were left out."""
    task, num_films = fitted.head.task, len(label)
    is_of = task.is_of(label)
    if fitted.left_out is None:
        return (
            f"{_films(num_films)} labelled: label "
            f"{heads.FEWEST_TO_VALIDATE - num_films} more to know how good "
            "the suggestions are."
        )
    named = heads.named(task, fitted.left_out)
    told = share_text((named == is_of).all(axis=1), "would be right")
    single = [
        genre_words(genre)
        for genre, count in zip(task.genres, is_of.sum(axis=0), strict=True)
        if count == 1
    ]
    if single:
        told += (
            " Only one film is labelled as each of these: "
            f"{listing(single, _MOST_NAMED)}. Label another."
        )
    return told


def share_text(is_right, what):
    """Says of how many films something holds, with a 95 % interval.

    Args:
        is_right: Bool array (films,), one film or more.
        what: String, what holds.
    """
    count, total = int(is_right.sum()), len(is_right)
    # Wilson's: it is right for shares near all, too.
    ends = stats.binomtest(count, total).proportion_ci(method="wilson")
    of = 10 if total < 100 else 100
    about, low, high = (
        round(of * share) for share in (count / total, ends.low, ends.high)
    )
    return (
        f"Of {of} films like the labelled ones about {about} {what} (between "
        f"{low} and {high})."
    )


def _model_answers(library, films, model):
    """Returns the `_Answers` of a model that was trained elsewhere."""
    # Only now: it loads all of serving.
    from keras_ssc.library import scanning
    from keras_ssc.prediction import predictor

    is_loaded = hasattr(model, "predict_films")
    asked = model if is_loaded else predictor.load(model)
    verdicts, unread, paths = {}, {}, {}
    for film in films.ids.tolist():
        path = library.path_of(film)
        if path is None:
            unread[film] = f"{library.film(film).name}: its file is gone."
        else:
            paths[film] = path
    with command.bars(list(paths.values())) as progress:
        found = asked.predict_films(
            list(paths.values()), scanning.DEFAULT_PLAN, progress=progress
        )
        with contextlib.closing(found):
            for film, result in zip(paths, found, strict=True):
                if isinstance(result, VideoError):
                    unread[film] = str(result)
                else:
                    verdicts[film] = result
    return _of_verdicts(films, asked, verdicts, unread)


def _of_verdicts(films, asked, verdicts, unread):
    task = asked.task
    scores = np.full((len(films.ids), len(task.genres)), np.nan)
    is_named = np.zeros(scores.shape, bool)
    known = []
    for place, film in enumerate(films.ids.tolist()):
        found = verdicts.get(film)
        known.append(found and found.familiarity)
        if found is not None:
            scores[place] = list(found.scores.values())
            is_named[place] = [genre in found.genres for genre in task.genres]
    labelled = {
        film: place
        for place, film in enumerate(films.ids.tolist())
        if film in verdicts and place in films.first.values()
    }
    doubts, quality = _agreement(films, task, labelled, scores, is_named)
    return _Answers(
        *(task.genres, scores, is_named, _contradicted(films) | doubts),
        *(known, f"Suggested by {asked.name}. {quality}"),
        unread=unread,
    )


def _agreement(films, task, labelled, scores, is_named):
    """Compares a model with the labels: doubts, and a sentence."""
    keys = [key_of(genre) for genre in task.genres]
    own = {
        film: set(map(key_of, films.labels[film].genres)) for film in labelled
    }
    own = {film: genres for film, genres in own.items() if genres <= set(keys)}
    foreign = len(labelled) - len(own)
    told = (
        f" {_films(foreign)} labelled with a genre that it does not know."
        if foreign
        else ""
    )
    if not own:
        return {}, f"No film is labelled to compare it with.{told}"
    places = [labelled[film] for film in own]
    is_of = np.array([[key in x for key in keys] for x in own.values()])
    scores, is_named = scores[places], is_named[places]
    wrong = doubtful(is_of, scores, is_named)
    doubts = {
        film: _named_of(task.genres, scores[place], is_named[place])
        for place, film in enumerate(own)
        if wrong[place] and is_named[place].any()
    }
    agrees = (is_of == is_named).all(axis=1)
    return doubts, (
        f"{share_text(agrees, 'are right by the labels')} If it was trained "
        f"on these films, that says nothing of others.{told}"
    )


# ---- suggestions ----


def _suggestions(films, answers, space):
    """Returns a list of `Suggestion`."""
    is_known = ~np.isnan(answers.scores).any(axis=1)
    sure = np.zeros(len(films.ids))
    if answers.genres:
        sure[is_known] = heads.confidence(
            answers.scores[is_known], answers.is_named[is_known]
        )
    places = _places(films, space, sure)
    found = []
    for place in np.flatnonzero(is_known):
        film, scores = int(films.ids[place]), answers.scores[place]
        found.append(
            Suggestion(
                film,
                dict(zip(answers.genres, scores.tolist(), strict=True)),
                _named_of(answers.genres, scores, answers.is_named[place]),
                float(sure[place]),
                answers.familiarity[place],
                places.get(film),
                answers.doubts.get(film),
            )
        )
    return found


def _named_of(genres, scores, is_named):
    """Returns the genres that are named, best first, a tuple."""
    order = np.argsort(-scores, kind="stable")
    return tuple(genres[place] for place in order if is_named[place])


def _places(films, space, sure):
    """Returns a dict from films without a label to their place in the queue.

    Of copies, one is asked about; the others come last.
    """
    if not len(films.ids):
        return {}
    _, firsts = np.unique(films.group, return_index=True)
    is_first = np.isin(np.arange(len(films.ids)), firsts)
    is_labelled = films.is_labelled
    own = np.flatnonzero(is_first | is_labelled)
    order = own[
        queueing.order(
            1 - sure[own],
            space.coordinates(films.means[own]),
            is_labelled[own],
        )
    ]
    copies = np.flatnonzero(~is_first & ~is_labelled)
    asked = films.ids[np.concatenate([order, copies])].tolist()
    return {film: place for place, film in enumerate(asked)}


def _learnt(films, answers, before, suggestions, began):
    open_ones = [x for x in suggestions if x.film not in films.labels]
    confident = {x.film for x in open_ones if is_confident(x)}
    old = {film for film, x in before.items() if is_confident(x)}
    return Learnt(
        num_labelled=int(films.is_labelled.sum()),
        num_suggested=sum(bool(x.genres) for x in open_ones),
        num_confident=len(confident),
        num_changed=sum(
            x.film in before and set(before[x.film].genres) != set(x.genres)
            for x in open_ones
        ),
        num_newly_confident=len(confident - old),
        num_doubted=sum(x.doubt is not None for x in suggestions),
        unread=answers.unread,
        seconds=time.monotonic() - began,
    )


def is_confident(suggestion):
    """Says whether a `Suggestion` is made with confidence.

    It is if its confidence is 0.8 or more, and the film is not unlike the
    labelled films.
    """
    return (
        bool(suggestion.genres)
        and suggestion.confidence >= CONFIDENT
        and not is_unlike(suggestion.familiarity)
    )


def _films(count):
    return f"{count:,} film" + "s" * (count != 1)
