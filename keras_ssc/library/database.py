"""A library's database: its films, what was read of them, and their labels.

One SQLite file. The features that a film's genre is learnt from lie beside it,
a file a film, see `features`.
"""

import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import sqlite3
import threading
import weakref

import numpy as np

from keras_ssc import genres as genre_names
from keras_ssc.errors import OutsideError

# What is in the file, one script a version: `PRAGMA user_version` says how many
# of them it went through. Only ever append.
_MIGRATIONS = (
    """
    CREATE TABLE film (
        id INTEGER PRIMARY KEY,
        content TEXT NOT NULL UNIQUE,  -- see identity.content_of
        name TEXT NOT NULL,
        seconds REAL,
        width INTEGER,
        height INTEGER,
        copies INTEGER,  -- the first film of those that are copies of it
        notes TEXT NOT NULL DEFAULT '[]',
        error TEXT,  -- why it cannot be read
        read_at TEXT,  -- NULL: not read yet
        -- The mean of its pairs' features, float16. Last: what is behind
        -- thousands of bytes is slow to reach.
        means BLOB
    );
    CREATE TABLE file (
        path BLOB PRIMARY KEY,  -- as the system writes it, absolute
        film INTEGER NOT NULL REFERENCES film,
        size INTEGER NOT NULL,
        changed_ns INTEGER NOT NULL,
        is_there INTEGER NOT NULL DEFAULT 1
    );
    CREATE INDEX file_film ON file (film);
    CREATE TABLE shot (
        film INTEGER NOT NULL REFERENCES film,
        number INTEGER NOT NULL,
        start_seconds REAL NOT NULL,
        end_seconds REAL NOT NULL,
        picture BLOB,  -- JPEG
        PRIMARY KEY (film, number)
    ) WITHOUT ROWID;
    CREATE TABLE label (
        id INTEGER PRIMARY KEY,
        film INTEGER NOT NULL REFERENCES film,
        genres TEXT,  -- JSON list; NULL: the label was taken back
        person TEXT NOT NULL,
        labelled_at TEXT NOT NULL
    );
    CREATE INDEX label_film ON label (film, id);
    CREATE TABLE suggestion (
        film INTEGER PRIMARY KEY REFERENCES film,
        scores TEXT NOT NULL,  -- JSON dict, genre to score
        genres TEXT NOT NULL,  -- JSON list, those that the scores name
        confidence REAL NOT NULL,
        familiarity REAL,
        place INTEGER,  -- in the queue, from 0; NULL of labelled films
        doubt TEXT  -- JSON list: what the others say of a labelled film
    );
    CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
)

# How long another program's write is waited for, in seconds.
_PATIENCE = 10.0

# How long a read film's picture is at most, pixels.
PICTURE_SIDE = 240


class LibraryError(OutsideError):
    """A library that cannot be opened or written: its path and the remedy."""


@dataclasses.dataclass(frozen=True)
class LibraryFilm:
    """A film of a library.

    Attributes:
        id: Integer, its number in the library.
        content: String, see `identity.content_of`.
        name: String, a file's name without its suffix.
        seconds: Float, how long it is; None if it is not read.
        width: Integer, pixels, upright; None if it is not read.
        height: Integer, the same.
        copies: Integer, the `id` of the first film of those that are copies
            of one another; its own if there is no other.
        notes: Tuple of strings, what in the file is not as it should be.
        error: String, why it cannot be read; None if it can.
        is_read: Boolean, whether it was read, or tried.
    """

    id: int
    content: str
    name: str
    seconds: float | None
    width: int | None
    height: int | None
    copies: int
    notes: tuple
    error: str | None
    is_read: bool


@dataclasses.dataclass(frozen=True)
class LibraryFile:
    """A file that holds a film.

    Attributes:
        path: `pathlib.Path`, absolute.
        film: Integer, the film's `id`.
        size: Integer, bytes.
        changed_ns: Integer, when it was changed, nanoseconds since 1970.
        is_there: Boolean, whether the last scan of its folder found it.
    """

    path: pathlib.Path
    film: int
    size: int
    changed_ns: int
    is_there: bool


@dataclasses.dataclass(frozen=True)
class LibraryShot:
    """A part of a film with a picture of it.

    Attributes:
        number: Integer, from 0.
        start_seconds: Float, presentation time of its first frame.
        end_seconds: Float, when the frame after its last one is shown.
    """

    number: int
    start_seconds: float
    end_seconds: float


@dataclasses.dataclass(frozen=True)
class Label:
    """What a person said of a film.

    Attributes:
        id: Integer; a later label has a greater one.
        film: Integer, the film's `id`.
        genres: Tuple of strings; None if the label was taken back.
        person: String, who said it.
        labelled_at: String, UTC, ISO 8601.
    """

    id: int
    film: int
    genres: tuple | None
    person: str
    labelled_at: str


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """What is suggested for a film.

    Attributes:
        film: Integer, the film's `id`.
        scores: Dict from genres to floats, 0 to 1.
        genres: Tuple of strings, those that the scores name, best first.
        confidence: Float, 0 to 1: how likely all of `genres` is right.
        familiarity: Float, 0 to 1, see `metrics.familiarity`; None if it is
            not known.
        place: Integer, its place among the films to label next, from 0; None
            of a film that has a label.
        doubt: Tuple of strings, the genres that the other films' labels say
            of a labelled film, where these contradict its own; else None.
    """

    film: int
    scores: dict
    genres: tuple
    confidence: float
    familiarity: float | None
    place: int | None
    doubt: tuple | None = None


class Library:
    """A library, opened; usable from several threads.

    Every change is committed before its method returns.

    Args:
        path: Path of the SQLite file.
        create: Boolean, whether it is made if it is missing.

    Attributes:
        path: `pathlib.Path`, as the argument.

    Raises:
        ValueError: If there is no such file, and none is to be made.
        LibraryError: If it is no library, damaged, locked, or of a newer
            version.
    """

    def __init__(self, path, create=False):
        self.path = pathlib.Path(path)
        self._local = threading.local()
        self._held = weakref.WeakSet()
        if not create and not self.path.is_file():
            raise ValueError(
                f"Expected a library. {path} is none: make one with "
                "python -m keras_ssc.library scan FOLDER"
            )
        with self._named_errors():
            _migrate(self._connection, self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes the file."""
        for held in list(self._held):
            held.close()

    # ---- films and files ----

    def films(self):
        """Returns a list of all `LibraryFilm`, in the order they came in."""
        return [_film(row) for row in self._rows(f"{_FILMS} ORDER BY id")]

    def film(self, film):
        """Returns a `LibraryFilm` by its `id`; None if there is none."""
        rows = self._rows(f"{_FILMS} WHERE id = ?", film)
        return _film(rows[0]) if rows else None

    def film_of_content(self, content):
        """Returns a `LibraryFilm` by its content; None if there is none."""
        rows = self._rows(f"{_FILMS} WHERE content = ?", content)
        return _film(rows[0]) if rows else None

    def files(self, film=None):
        """Returns a list of `LibraryFile`, of one film or of all."""
        where, values = ("", ()) if film is None else ("WHERE film = ?", [film])
        return [
            LibraryFile(
                pathlib.Path(os.fsdecode(row["path"])),
                *(row[name] for name in ("film", "size", "changed_ns")),
                bool(row["is_there"]),
            )
            for row in self._rows(
                f"SELECT * FROM file {where} ORDER BY path", *values
            )
        ]

    def path_of(self, film):
        """Returns the path of a file that holds a film; None if all are gone.

        Args:
            film: Integer, the film's `id`.
        """
        for file in self.files(film):
            if file.is_there and file.path.is_file():
                return file.path
        return None

    def add_file(self, path, content, size, changed_ns):
        """Adds a file, or what is known of it anew.

        Args:
            path: `pathlib.Path`, absolute.
            content: String, see `identity.content_of`: a film that is there
                already keeps its labels.
            size: Integer, bytes.
            changed_ns: Integer, nanoseconds since 1970.

        Returns:
            Integer, the film's `id`.
        """
        with self._change() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO film (content, name) VALUES (?, ?)",
                (content, _text(path.stem)),
            )
            ((film,),) = connection.execute(
                "SELECT id FROM film WHERE content = ?", (content,)
            )
            connection.execute(
                "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, 1)",
                (os.fsencode(path), film, size, changed_ns),
            )
        return film

    def lose_files(self, paths):
        """Notes that files are no longer there; their films stay."""
        with self._change() as connection:
            connection.executemany(
                "UPDATE file SET is_there = 0 WHERE path = ?",
                [(os.fsencode(path),) for path in paths],
            )

    def forget_fileless(self):
        """Removes films that no file held at any scan's end, and no label.

        Such as one whose file was looked at while it was still written.

        Returns:
            A list of strings, what their content was.
        """
        with self._change() as connection:
            rows = connection.execute(
                "SELECT id, content FROM film "
                "WHERE id NOT IN (SELECT film FROM file) "
                "AND id NOT IN (SELECT film FROM label)"
            ).fetchall()
            for table, column in _OF_FILM:
                connection.executemany(
                    f"DELETE FROM {table} WHERE {column} = ?",
                    [(row["id"],) for row in rows],
                )
        return [row["content"] for row in rows]

    def set_encoder(self, key):
        """Notes what makes the features; with another, films are read again.

        Args:
            key: String, see `reading.encoder_key`.
        """
        if key == self.setting("encoder"):
            return
        with self._change() as connection:
            connection.execute("UPDATE film SET means = NULL, read_at = NULL")
            _set(connection, {"encoder": key})

    def set_read(self, film, picture, shots, means, notes):
        """Stores what was read of a film, all of it or nothing.

        Args:
            film: Integer, its `id`.
            picture: Tuple (seconds, width, height) of the film.
            shots: List of tuples (start_seconds, end_seconds, JPEG bytes or
                None), in the film's order.
            means: Float array (n,), the mean of its pairs' features.
            notes: Sequence of strings.
        """
        with self._change() as connection:
            connection.execute(
                "UPDATE film SET seconds = ?, width = ?, height = ?, "
                "means = ?, notes = ?, error = NULL, read_at = ? WHERE id = ?",
                (
                    *picture,
                    np.float16(means).tobytes(),
                    _json(list(notes)),
                    _now(),
                    film,
                ),
            )
            connection.execute("DELETE FROM shot WHERE film = ?", (film,))
            connection.executemany(
                "INSERT INTO shot VALUES (?, ?, ?, ?, ?)",
                [(film, number, *shot) for number, shot in enumerate(shots)],
            )

    def set_error(self, film, error):
        """Stores why a film cannot be read, a string."""
        with self._change() as connection:
            connection.execute(
                "UPDATE film SET error = ?, read_at = ? WHERE id = ?",
                (_text(str(error)), _now(), film),
            )

    def set_copies(self, groups):
        """Stores which films are copies of one another.

        Args:
            groups: Iterable of sequences of films' `id`s, two or more each.
                A film of none of them is no copy of another.
        """
        with self._change() as connection:
            connection.execute("UPDATE film SET copies = NULL")
            connection.executemany(
                "UPDATE film SET copies = ? WHERE id = ?",
                [(min(group), film) for group in groups for film in group],
            )

    def shots(self, film):
        """Returns a list of a film's `LibraryShot`."""
        return [
            LibraryShot(*row)
            for row in self._rows(
                "SELECT number, start_seconds, end_seconds FROM shot "
                "WHERE film = ? ORDER BY number",
                film,
            )
        ]

    def picture(self, film, number):
        """Returns the JPEG bytes of a shot's picture; None if there is none."""
        rows = self._rows(
            "SELECT picture FROM shot WHERE film = ? AND number = ?",
            *(film, number),
        )
        return rows[0]["picture"] if rows else None

    def poster(self, film):
        """Returns the JPEG bytes of a film's picture with most in it.

        None if it has no picture. A black frame or a title has few bytes.
        """
        rows = self._rows(
            "SELECT picture FROM shot WHERE film = ? "
            "ORDER BY length(picture) DESC LIMIT 1",
            film,
        )
        return rows[0]["picture"] if rows else None

    def means(self):
        """Returns the mean features of the films that were read.

        Returns:
            A tuple: int64 array (films,), their `id`s, ascending; float32
            array (films, n).
        """
        rows = self._rows(
            "SELECT id, means FROM film WHERE means IS NOT NULL "
            "AND error IS NULL ORDER BY id"
        )
        means = np.frombuffer(
            b"".join(row["means"] for row in rows), np.float16
        )
        return (
            np.array([row["id"] for row in rows], np.int64),
            means.reshape(len(rows), -1 if rows else 0).astype(np.float32),
        )

    # ---- labels ----

    def set_label(self, film, genres, person, last_seen=None):
        """Labels a film, or takes its label back.

        Args:
            film: Integer, its `id`.
            genres: Sequence of strings, one or several genres, in any
                spelling; None to take the label back.
            person: String, who says so.
            last_seen: Integer, the `id` of the newest `Label` of the film
                that the person knows, 0 for none. None: not asked.

        Returns:
            A tuple: the new `Label`, and the one of another person that it
            replaces and the person did not know, or None.

        Raises:
            ValueError: If there is no such film, or a genre is no name.
        """
        if self.film(film) is None:
            raise ValueError(
                f"Expected a film of the library. Received: film {film}"
            )
        if genres is not None:
            genres = self._spelt(genres)
        with self._change(is_label=True) as connection:
            known = connection.execute(
                "SELECT * FROM label WHERE film = ? ORDER BY id DESC LIMIT 1",
                (film,),
            ).fetchone()
            new = connection.execute(
                "INSERT INTO label (film, genres, person, labelled_at) "
                "VALUES (?, ?, ?, ?) RETURNING *",
                (film, genres and _json(genres), person, _now()),
            ).fetchone()
        is_news = (
            known is not None
            and last_seen is not None
            and known["id"] > last_seen
            and known["person"] != person
        )
        return _label(new), _label(known) if is_news else None

    def set_labels(self, labels, person):
        """Labels many films at once, all of them or none.

        Args:
            labels: Dict from films' `id`s to sequences of genres, in any
                spelling.
            person: String, who says so.

        Raises:
            ValueError: If a genre is no name, or there are too many.
        """
        known = {genre_names.key_of(x): x for x in self.genres}
        rows = [
            (film, _json(self._spelt(genres, known)), person, _now())
            for film, genres in labels.items()
        ]
        if rows:
            genre_names.check(tuple(known))
        with self._change() as connection:
            connection.executemany(
                "INSERT INTO label (film, genres, person, labelled_at) "
                "VALUES (?, ?, ?, ?)",
                rows,
            )

    def labels_after(self, label):
        """Returns a list of the `Label` that came after one, by its `id`."""
        rows = self._rows("SELECT * FROM label WHERE id > ? ORDER BY id", label)
        return [_label(row) for row in rows]

    def history(self, film):
        """Returns a list of a film's `Label`, the oldest first."""
        return [
            _label(row)
            for row in self._rows(
                "SELECT * FROM label WHERE film = ? ORDER BY id", film
            )
        ]

    def own_labels(self):
        """Returns a dict from films' `id`s to their newest `Label`.

        A label that was taken back is none.
        """
        rows = self._rows(
            "SELECT * FROM label WHERE id IN "
            "(SELECT max(id) FROM label GROUP BY film)"
        )
        return {
            row["film"]: _label(row)
            for row in rows
            if row["genres"] is not None
        }

    def labels(self):
        """Returns a dict from films' `id`s to the `Label` that holds for each.

        A film without one of its own has the newest of its copies.
        """
        own = self.own_labels()
        groups = {film.id: film.copies for film in self.films()}
        newest = {}
        for film, label in own.items():
            other = newest.setdefault(groups[film], label)
            if label.id > other.id:
                newest[groups[film]] = label
        found = {film: newest.get(group) for film, group in groups.items()}
        return {film: x for film, x in (found | own).items() if x is not None}

    # ---- genres ----

    @property
    def genres(self):
        """Tuple of all genres: those that were added, and those of labels."""
        added = json.loads(self.setting("genres", "[]"))
        labelled = [
            genre
            for label in self.own_labels().values()
            for genre in label.genres
        ]
        names = {}
        for genre in (*added, *genre_names.in_order(labelled)):
            names.setdefault(genre_names.key_of(genre), genre)
        return tuple(names.values())

    def add_genres(self, genres):
        """Adds genres that there is no label of yet.

        Raises:
            ValueError: If one is no name.
        """
        known = (*self.genres, *self._spelt(genres))
        names = {genre_names.key_of(genre): genre for genre in reversed(known)}
        genre_names.check(tuple(names.values()))
        self.set_setting("genres", _json(list(reversed(names.values()))))

    def _spelt(self, genres, known=None):
        """Returns genres as the library spells them; new ones as they are.

        Args:
            genres: Iterable of strings.
            known: Dict from keys to genres; new ones are added. None: those
                of the library.
        """
        if known is None:
            known = {genre_names.key_of(x): x for x in self.genres}
        named = map(genre_names.genre_named, genres)
        spelt = [known.setdefault(genre_names.key_of(x), x) for x in named]
        if not spelt:
            raise ValueError("Expected a genre or several. Received: none")
        return list(dict.fromkeys(spelt))

    # ---- suggestions and settings ----

    def suggestions(self):
        """Returns a dict from films' `id`s to their `Suggestion`."""
        return {
            row["film"]: Suggestion(
                row["film"],
                json.loads(row["scores"]),
                tuple(json.loads(row["genres"])),
                *(row[x] for x in ("confidence", "familiarity", "place")),
                row["doubt"] and tuple(json.loads(row["doubt"])),
            )
            for row in self._rows("SELECT * FROM suggestion")
        }

    def set_suggestions(self, suggestions, settings):
        """Stores suggestions in the place of those before.

        Args:
            suggestions: Iterable of `Suggestion`.
            settings: Dict of strings, what else belongs to them, see
                `set_setting`; stored at once with them.
        """
        rows = [
            (
                each.film,
                _json(each.scores),
                _json(each.genres),
                *(each.confidence, each.familiarity, each.place),
                each.doubt and _json(each.doubt),
            )
            for each in suggestions
        ]
        with self._change() as connection:
            connection.execute("DELETE FROM suggestion")
            connection.executemany(
                "INSERT INTO suggestion VALUES (?, ?, ?, ?, ?, ?, ?)", rows
            )
            _set(connection, settings)

    def setting(self, name, default=None):
        """Returns a setting's value, a string."""
        rows = self._rows("SELECT value FROM setting WHERE name = ?", name)
        return rows[0]["value"] if rows else default

    def set_setting(self, name, value):
        """Stores a setting's value, a string."""
        with self._change() as connection:
            _set(connection, {name: value})

    # ---- the file ----

    def version(self):
        """Says what a copy in memory is a copy of.

        Returns:
            A tuple of two integers: how often anything but labels was changed;
            the newest label's `id`, 0 if there is none.
        """
        ((newest,),) = self._rows("SELECT coalesce(max(id), 0) FROM label")
        return int(self.setting("changes", 0)), newest

    @property
    def _connection(self):
        """The thread's own connection."""
        if not hasattr(self._local, "held"):
            found = sqlite3.connect(
                self.path,
                timeout=_PATIENCE,
                isolation_level=None,
                # Closed by whoever closes the library.
                check_same_thread=False,
            )
            held = _Held(found)
            self._held.add(held)
            found.row_factory = sqlite3.Row
            found.execute("PRAGMA foreign_keys = ON")
            found.execute("PRAGMA journal_mode = WAL")
            # A label survives a power cut, too.
            found.execute("PRAGMA synchronous = FULL")
            self._local.held = held
        return self._local.held.connection

    def _rows(self, query, *values):
        with self._named_errors():
            return self._connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _change(self, is_label=False):
        with self._named_errors(), _transaction(self._connection) as connection:
            yield connection
            if not is_label:
                connection.execute(_COUNT_CHANGE)

    @contextlib.contextmanager
    def _named_errors(self):
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise LibraryError(_explained(self.path, error)) from error


# What is removed with a film, and by what it names the film.
_OF_FILM = (("shot", "film"), ("suggestion", "film"), ("film", "id"))


class _Held:
    """A thread's connection; closed when it ends: a server's come and go."""

    def __init__(self, connection):
        self.connection = connection
        self._closing = threading.Lock()

    def close(self):
        """Closes it, once: two threads that do it at once crash SQLite."""
        with self._closing:
            self.connection.close()

    def __del__(self):
        # Meanwhile the library may be closed: a weak set still has this.
        self.close()


# See `Library.version`.
_COUNT_CHANGE = (
    "INSERT INTO setting VALUES ('changes', '1') "
    "ON CONFLICT DO UPDATE SET value = value + 1"
)

_FILMS = (
    "SELECT id, content, name, seconds, width, height, "
    "coalesce(copies, id) AS copies, notes, error, read_at FROM film"
)


def _film(row):
    *plain, notes, error, read_at = row
    return LibraryFilm(
        *plain, tuple(json.loads(notes)), error, read_at is not None
    )


def _label(row):
    values = dict(row)
    genres = values.pop("genres")
    return Label(**values, genres=genres and tuple(json.loads(genres)))


def _set(connection, settings):
    connection.executemany(
        "INSERT OR REPLACE INTO setting VALUES (?, ?)", settings.items()
    )


def _json(value):
    return json.dumps(value, ensure_ascii=False)


def _text(text):
    """Returns a name that SQLite takes: what is no text is escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(
        timespec="seconds"
    )


@contextlib.contextmanager
def _transaction(connection):
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _migrate(connection, path):
    """Brings a library to this program's version; backs it up before."""
    ((version,),) = connection.execute("PRAGMA user_version")
    if version > len(_MIGRATIONS):
        raise LibraryError(
            f"{path}: expected a library of version {len(_MIGRATIONS)} or "
            f"earlier. Received: version {version}, of a newer program. Update "
            "keras_ssc."
        )
    if version == len(_MIGRATIONS):
        return
    if version:
        backup = path.with_name(f"{path.name}.version-{version}.backup")
        with contextlib.closing(sqlite3.connect(backup)) as copy:
            connection.backup(copy)
    elif connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise LibraryError(
            f"{path}: expected a library. Received: another program's database."
        )
    with _transaction(connection):
        # Another process may have done it meanwhile.
        ((version,),) = connection.execute("PRAGMA user_version")
        for script in _MIGRATIONS[version:]:
            for statement in script.split(";\n"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


def _explained(path, error):
    """Says in a line what is wrong with a library, and what to do."""
    text = str(error)
    if "locked" in text:
        return (
            f"{path}: another program writes into the library, and did not "
            f"end within {_PATIENCE:.0f} seconds. Close it, then try again."
        )
    if "malformed" in text or "not a database" in text:
        return (
            f"{path}: expected a library. The file is damaged ({text}). Put a "
            "copy of it back; 'sqlite3 FILE .recover' may save what is left."
        )
    if "full" in text:
        return f"{path}: the disk is full. Make room, then try again."
    if "readonly" in text or "unable to open" in text:
        return (
            f"{path}: the library cannot be written ({text}). Expected a "
            "file in a folder that exists and that you may write to."
        )
    return f"{path}: the library failed: {error}"
