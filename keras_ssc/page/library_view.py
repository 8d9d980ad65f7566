"""What the library's page shows: lists, films, and what a label changes."""

import contextlib
import dataclasses
import datetime
import functools
import math
import threading
import unicodedata

import numpy as np

from keras_ssc.errors import VideoError
from keras_ssc.films import container
from keras_ssc.genres import genre_words
from keras_ssc.library import learning
from keras_ssc.library.database import Label
from keras_ssc.library.database import LibraryFilm
from keras_ssc.library.database import Suggestion
from keras_ssc.metrics import figures
from keras_ssc.metrics.unlike import is_unlike

# Films on one page of a list.
PAGE_FILMS = 60

# Films that are shown as similar to one.
_SIMILAR = 8

# What browsers play, by FFmpeg's names; the browser itself has the last word.
_PLAYED = {
    "mov,mp4,m4a,3gp,3g2,mj2": ({"h264", "hevc", "av1", "vp9"}, "video/mp4"),
    "matroska,webm": ({"h264", "av1", "vp8", "vp9"}, "video/webm"),
    "ogg": ({"theora", "vp8"}, "video/ogg"),
}

# H.264 of more bits or finer colours is for editing: no browser plays it.
_PLAYED_PIXELS = ("yuv420p", "yuvj420p")


@dataclasses.dataclass
class Row:
    """What lists show of a film.

    Attributes:
        film: `LibraryFilm`.
        label: The `Label` that holds for it, perhaps of a copy; or None.
        suggestion: `Suggestion` or None.
        key: String, its name for searching and sorting.
    """

    film: LibraryFilm
    label: Label | None
    suggestion: Suggestion | None
    key: str

    @property
    def genres(self):
        """Tuple of the genres that it has by its label, or else may have."""
        if self.label is not None:
            return self.label.genres
        return self.suggestion.genres if self.suggestion else ()

    @property
    def state(self):
        """String, what is known of it, in a few words."""
        if self.film.error is not None:
            return "cannot be read"
        if self.label is not None:
            return f"labelled by {self.label.person}"
        if not self.film.is_read:
            return "not read yet"
        if not self.genres:
            return "nothing suggested"
        return f"suggested, {share_text(self.suggestion.confidence)} sure"


def _is_open(row):
    return row.label is None and row.film.error is None


def _is_sure(row):
    return (
        _is_open(row)
        and row.suggestion is not None
        and learning.is_confident(row.suggestion)
    )


def _is_doubted(row):
    return row.suggestion is not None and bool(row.suggestion.doubt)


# What a list can show of all films: name -> (words, which rows).
SHOWN = {
    "all": ("all films", lambda row: True),
    "unlabelled": ("without a label", _is_open),
    "labelled": ("labelled", lambda row: row.label is not None),
    "confident": ("suggested with confidence", _is_sure),
    "doubted": ("labels that look wrong", _is_doubted),
    "unlike": (
        "unlike all labelled films",
        lambda row: row.suggestion and is_unlike(row.suggestion.familiarity),
    ),
    "copies": ("copies of one another", None),  # see `View.listed`
    "unreadable": ("cannot be read", lambda row: row.film.error is not None),
}


def _of_suggestion(name, sign=1):
    """Returns a key that sorts by a suggestion's number; rows without last."""

    def key(row):
        value = getattr(row.suggestion, name, None)
        return (value is None, sign * (value or 0), row.key)

    return key


def _queue_key(row):
    is_last = not _is_open(row)
    return (is_last, *_of_suggestion("place")(row)[:2], row.film.id)


# How a list can be sorted: name -> (words, key).
SORTED = {
    "queue": ("most useful to label first", _queue_key),
    "doubt": ("least sure first", _of_suggestion("confidence")),
    "sure": ("surest first", _of_suggestion("confidence", -1)),
    "familiarity": (
        "least like the labelled films first",
        _of_suggestion("familiarity"),
    ),
    "name": ("by name", lambda row: (row.key, row.film.id)),
    "length": ("longest first", lambda row: -(row.film.seconds or 0)),
    "newest": (
        "labelled last first",
        lambda row: -(row.label.id if row.label else 0),
    ),
}


@dataclasses.dataclass(frozen=True)
class Query:
    """Which films a list shows, and how.

    Attributes:
        text: String; each word of it must be in a film's name.
        genre: String, one that the films are labelled or suggested as; or "".
        shown: One of `SHOWN`.
        order: One of `SORTED`.

    Raises:
        ValueError: If `shown` or `order` is none of these.
    """

    text: str = ""
    genre: str = ""
    shown: str = "all"
    order: str = "queue"

    def __post_init__(self):
        for name, known in (("shown", SHOWN), ("order", SORTED)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"Expected {name} as one of: {', '.join(known)}. "
                    f"Received: {getattr(self, name)!r}"
                )

    @property
    def given(self):
        """Dict of what is not as by default, for an address."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }


# The films to label, the most useful first.
QUEUE = Query(shown="unlabelled")


class View:
    """A library's films in memory, as new as its database.

    Args:
        library: A `Library`.
    """

    def __init__(self, library):
        self.library = library
        self._lock = threading.Lock()
        self._learning = threading.Lock()
        self._similar_lock = threading.Lock()
        self._neighbours = None  # and the version that they are of
        self._version = None
        self._rows = {}
        self._groups = {}  # the first of films that are copies -> their ids
        self._own = {}  # film -> its own label, if it has one

    # ---- what is in memory ----

    def rows(self):
        """Returns a dict from films' `id`s to `Row`s, not to be changed."""
        with self._lock:
            changes, newest = version = self.library.version()
            if self._version is None or changes != self._version[0]:
                self._read_all()
            else:
                for label in self.library.labels_after(self._version[1]):
                    self._take(label)
                    # No older than what is told of it, should one come now.
                    newest = max(newest, label.id)
            self._version = (version[0], newest)
            return self._rows

    def _read_all(self):
        suggestions = self.library.suggestions()
        labels = self.library.labels()
        self._own = self.library.own_labels()
        self._rows, self._groups = {}, {}
        for film in self.library.films():
            self._rows[film.id] = Row(
                film,
                labels.get(film.id),
                suggestions.get(film.id),
                _key(film.name),
            )
            self._groups.setdefault(film.copies, []).append(film.id)

    def _take(self, label):
        """Takes a new label: of a film, and of its copies without one."""
        self._own.pop(label.film, None)
        if label.genres is not None:
            self._own[label.film] = label
        group = self._groups[self._rows[label.film].film.copies]
        own = [self._own[film] for film in group if film in self._own]
        newest = max(own, key=lambda each: each.id, default=None)
        for film in group:
            self._rows[film].label = self._own.get(film, newest)

    # ---- lists ----

    def listed(self, query):
        """Returns a list of the `Row`s that a `Query` asks for."""
        rows = self.rows().values()
        _, is_shown = SHOWN[query.shown]
        if is_shown is None:
            rows = [
                row for row in rows if len(self._groups[row.film.copies]) > 1
            ]
        else:
            rows = [row for row in rows if is_shown(row)]
        words = _key(query.text).split()
        rows = [
            row
            for row in rows
            if all(word in row.key for word in words)
            and (not query.genre or query.genre in row.genres)
        ]
        rows.sort(key=SORTED[query.order][1])
        if is_shown is None:
            # Copies side by side, the groups as their first ones are sorted.
            first = {}
            for place, row in enumerate(rows):
                first.setdefault(row.film.copies, place)
            rows.sort(key=lambda row: first[row.film.copies])
        return rows

    def listed_page(self, query, number):
        """Returns a page of a list.

        Args:
            query: A `Query`.
            number: Integer, from 1; the last one if there are fewer.

        Returns:
            A tuple: list of `Row`s, the page's number, how many pages there
            are, how many films.
        """
        rows = self.listed(query)
        pages = max(1, math.ceil(len(rows) / PAGE_FILMS))
        number = min(max(number, 1), pages)
        end = number * PAGE_FILMS
        return rows[end - PAGE_FILMS : end], number, pages, len(rows)

    def next_after(self, film, query):
        """Returns the `id` of the film to show after one.

        Args:
            film: Integer, its `id`.
            query: A `Query`; the one after it in this list, or the list's
                first one.

        Returns:
            Integer; None if there is no other film in the list.
        """
        ids = [row.film.id for row in self.listed(query)]
        others = [each for each in ids if each != film]
        if not others:
            return None
        following = ids[ids.index(film) + 1 :] if film in ids else []
        return (following or others)[0]

    def progress_text(self):
        """Says how far the library is."""
        rows = self.rows().values()
        readable = [row for row in rows if row.film.error is None]
        labelled = sum(row.label is not None for row in readable)
        text = (
            f"{labelled:,} of {len(readable):,} labelled, "
            f"{sum(map(_is_sure, rows)):,} suggested with confidence"
        )
        unread = sum(not row.film.is_read for row in readable)
        broken = len(rows) - len(readable)
        text += f", {unread:,} not read yet" if unread else ""
        return text + (f", {broken:,} cannot be read" if broken else "")

    def genres(self):
        """Tuple of the genres to choose from: the library's, then others.

        Others are those that a model suggests and no person has given yet.
        """
        suggested = {
            genre
            for row in self.rows().values()
            if row.suggestion
            for genre in row.suggestion.scores
        }
        known = self.library.genres
        return (*known, *sorted(suggested - set(known)))

    # ---- one film ----

    def film_page(self, film, query):
        """Returns what the page of a film shows.

        Args:
            film: Integer, its `id`.
            query: The `Query` of the list that it is one of.

        Returns:
            Dict for the template; None if there is no such film.
        """
        rows = self.rows()
        if film not in rows:
            return None
        row = rows[film]
        genres = self.genres()
        history = self.library.history(film)
        copies = self._groups[row.film.copies]
        scores = row.suggestion.scores if row.suggestion else {}
        return {
            "row": row,
            "genres": genres,
            "scores": scores,
            "chosen": row.genres,
            "may_be_several": any(
                len(label.genres) > 1 for label in list(self._own.values())
            ),
            "history": history,
            "last_seen": history[-1].id if history else 0,
            "shots": self._shots(row.film),
            "colours": _colours(genres, scores),
            "copies": [rows[each] for each in copies if each != film],
            "files": self.library.files(film),
            "next": self.next_after(film, query),
            "video": self._playable(row.film),
        }

    def similar(self, film):
        """Returns a list of the `Row`s of the films that are most like one.

        Args:
            film: Integer, its `id`.
        """
        changes, _ = self.library.version()
        # One at a time: this reads the features of all films.
        with self._similar_lock:
            if self._neighbours is None or self._neighbours[0] != changes:
                self._neighbours = None  # not both at once in memory
                self._neighbours = changes, learning.Neighbours(self.library)
            found = self._neighbours[1].of(film, _SIMILAR)
        rows = self.rows()
        return [rows[each] for each in found if each in rows]

    def _shots(self, film):
        """Returns dicts of a film's shots and what each is evidence for."""
        shots = self.library.shots(film.id)
        known = learning.shot_scores(self.library, film.id)
        found = []
        for shot in shots:
            genre = score = None
            if known is not None and shot.number < len(known[1]):
                scores = known[1][shot.number]
                # A shot without a pair has none.
                if not np.isnan(scores).any():
                    genre = known[0][int(scores.argmax())]
                    score = float(scores.max())
            found.append({**dataclasses.asdict(shot), "genre": genre})
            found[-1]["score"] = score
        return found

    def _playable(self, film):
        # What could not be read is told of already.
        is_known = film.is_read and film.error is None
        return self.video_kind(film.id) if is_known else (None, "")

    def video_kind(self, film):
        """Returns how a film can be played.

        Args:
            film: Integer, its `id`.

        Returns:
            A tuple: its file's MIME type, None if a browser cannot play it;
            why not, in words, else "".
        """
        path, problem = self.video_path(film)
        if path is None:
            return None, problem
        try:
            return _kind_of(path, path.stat().st_mtime_ns)
        except VideoError as error:
            return None, str(error)

    def video_path(self, film):
        """Returns the file of a film, which is as it was when it was read.

        Args:
            film: Integer, its `id`.

        Returns:
            A tuple: `pathlib.Path`, or None; why not, in words, else "".
        """
        path = self.library.path_of(film)
        if path is None:
            return None, "Its file is no longer there. Scan its folder again."
        known = {file.path: file.size for file in self.library.files(film)}
        if path.is_symlink() or path.stat().st_size != known[path]:
            return None, "Its file was changed. Scan its folder again."
        return path, ""

    # ---- what a person does ----

    def label(self, film, content, genres, person, last_seen, query):
        """Stores what a person says of a film.

        Args:
            film: Integer, its `id`.
            content: String, the film's content: of another library, the same
                number is another film.
            genres: List of strings; None to take the label back.
            person: String.
            last_seen: Integer, see `Library.set_label`.
            query: The `Query` of the list that it is one of.

        Returns:
            Dict: the label's number, what to tell, the next film's, progress.

        Raises:
            ValueError: If it is no film of this library, or no genre.
        """
        known = self.library.film(film)
        if known is None or known.content != content:
            raise ValueError(
                "Expected a film of this library. Received: one of another."
            )
        # Before: the label may take the film out of its list.
        following = self.next_after(film, query)
        label, replaced = self.library.set_label(
            film, genres, person, last_seen
        )
        return {
            "label": label.id,
            "genres": label.genres,
            "said": _said(known.name, label, replaced),
            "next": following,
            "progress": self.progress_text(),
        }

    def begin(self):
        """Puts the films in order of use, if that was not done yet."""
        if not self.library.suggestions():
            # It may be at it already.
            with contextlib.suppress(ValueError):
                self.learn()

    def learn(self):
        """Learns from the labels.

        Returns:
            List of strings, what changed.

        Raises:
            ValueError: If it is learning already, or there is too little to
                learn from.
        """
        if not self._learning.acquire(blocking=False):
            raise ValueError("It is learning already. Wait a few seconds.")
        try:
            learnt = learning.learn(self.library)
        finally:
            self._learning.release()
        return [learnt.text, self.quality_text()]

    def quality_text(self):
        """Says how good the suggestions are."""
        return learning.quality_text(self.library)


@functools.lru_cache(maxsize=1024)
def _kind_of(path, changed_ns):
    """See `View.video_kind`; `changed_ns` is there for the cache."""
    with container.opened(path) as (opened, stream):
        played, kind = _PLAYED.get(opened.format.name, ((), None))
        codec = stream.codec_context.name
        pixels = stream.codec_context.pix_fmt
    # A decoder's name may be that of its library, such as libdav1d.
    codec = {"libdav1d": "av1", "libvpx-vp9": "vp9"}.get(codec, codec)
    if codec not in played or (
        codec == "h264" and pixels not in _PLAYED_PIXELS
    ):
        return None, f"Browsers do not play this kind of film ({codec})."
    if codec == "hevc" and kind != "video/mp4":
        return None, "Browsers do not play HEVC in this kind of file."
    return kind, ""


def _colours(genres, scores):
    return figures.genre_colours(genres, scores or None)


def _said(name, label, replaced):
    """Says what a label did, and whose it has replaced."""
    if label.genres is None:
        text = f"Taken back: the label of {name}."
    else:
        text = f"Saved: {genres_text(label.genres)} for {name}."
    if replaced is None:
        return text
    before = (
        f"had said {genres_text(replaced.genres)}"
        if replaced.genres
        else "had taken the label back"
    )
    return (
        f"{text} {replaced.person} {before} {ago_text(replaced.labelled_at)}; "
        "yours holds, and the history keeps both."
    )


def genres_text(genres):
    """Writes genres for people: `horror, science fiction`."""
    return ", ".join(map(genre_words, genres))


def share_text(share):
    """Writes a share as a whole percentage, such as `83 %`."""
    return f"{100 * share:.0f} %"


def ago_text(moment):
    """Says how long ago a moment in ISO 8601 was, roughly."""
    now = datetime.datetime.now(datetime.timezone.utc)
    seconds = (now - datetime.datetime.fromisoformat(moment)).total_seconds()
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = int(seconds // length)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _key(text):
    return unicodedata.normalize("NFC", text).casefold()
