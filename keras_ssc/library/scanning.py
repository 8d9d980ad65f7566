"""Folders of films -> a library: each film is read once."""

import contextlib
import dataclasses
import sqlite3
import time
import zipfile

import tqdm

from keras_ssc import checks
from keras_ssc import command
from keras_ssc.errors import OutsideError
from keras_ssc.films import film_files
from keras_ssc.films import film_reader
from keras_ssc.library import copies
from keras_ssc.library import database
from keras_ssc.library import features
from keras_ssc.library import finding
from keras_ssc.library import identity
from keras_ssc.library import reading

# A file that was changed less than so many seconds ago may still be written.
_SETTLED_SECONDS = 2.0

DEFAULT_PLAN = film_reader.Plan(num_pairs=32, quick=True)


@dataclasses.dataclass
class Report:
    """What a scan did.

    Attributes:
        num_files: Integer, how many files may be films.
        read: List of paths that were read.
        num_known: Integer, how many films were known already.
        num_same: Integer, how many files hold what another one holds.
        errors: List of strings, why a film cannot be read, each of another.
        unsettled: List of paths that changed or vanished meanwhile.
        num_lost: Integer, how many files of earlier scans are gone.
        left_aside: List of paths that are obviously no films.
        links_out: List of paths of links that lead out of a folder.
        unlisted: List of strings, why a folder cannot be listed.
        copies: List of lists of films' `id`s, see `copies.find`.
    """

    num_files: int = 0
    read: list = dataclasses.field(default_factory=list)
    num_known: int = 0
    num_same: int = 0
    errors: list = dataclasses.field(default_factory=list)
    unsettled: list = dataclasses.field(default_factory=list)
    num_lost: int = 0
    left_aside: list = dataclasses.field(default_factory=list)
    links_out: list = dataclasses.field(default_factory=list)
    unlisted: list = dataclasses.field(default_factory=list)
    copies: list = dataclasses.field(default_factory=list)

    @property
    def is_complete(self):
        """Whether all could be listed and read."""
        return not self.errors and not self.unlisted

    def text(self):
        """Says it in some lines."""
        lines = [
            f"files that may be films: {self.num_files:,}",
            f"- read now: {len(self.read):,}",
            f"- known already: {self.num_known:,}",
        ]
        told = (
            ("exactly as another of them", self.num_same),
            ("cannot be read, tried again next time", len(self.errors)),
            ("changed meanwhile, left for next time", len(self.unsettled)),
        )
        lines += [f"- {what}: {count:,}" for what, count in told if count]
        lines += [f"  {path}" for path in self.unsettled]
        if self.copies:
            count = sum(map(len, self.copies))
            lines.append(
                f"copies, coded or sized otherwise: {count:,} films in "
                f"{len(self.copies):,} groups"
            )
        if self.num_lost:
            lines.append(
                f"gone since the last scan: {self.num_lost:,} (what is known "
                "of them is kept)"
            )
        if self.left_aside:
            lines.append(f"left aside: {film_files.counts(self.left_aside)}")
        if self.links_out:
            lines.append(
                "left aside, links that lead out of the folder: "
                f"{len(self.links_out):,}"
            )
        return "\n".join(lines)


def scan(library, folders, plan=DEFAULT_PLAN, workers=None, tell=print):
    """Finds the films in folders and reads those that are not known.

    Each film is stored when it was read: a scan that is killed is repeated,
    and resumes.

    Args:
        library: A `database.Library`.
        folders: List of paths of folders.
        plan: A `film_reader.Plan`, what is read of a film.
        workers: Integer, how many films are read at once; None for one a
            core, at most 8.
        tell: Function of a string, called with each error.

    Returns:
        A `Report`.

    Raises:
        ValueError: If a folder is missing or empty, or `workers` below 1.
        OutsideError: If another scan is running, or a folder vanishes.
        OSError: If features cannot be stored.
    """
    checks.at_least("workers", workers, 1)
    for folder in folders:
        if not finding.is_there(folder):
            raise ValueError(
                "Expected a folder of films, with anything in it. Received: "
                f"{folder}. If it is a drive, connect it. Nothing was changed."
            )
    with alone(library.path):
        library.set_encoder(reading.encoder_key())
        scanning = _Scan(library, tell)
        for folder in folders:
            scanning.find(folder)
        scanning.identify()
        scanning.read(plan, workers)
        groups = copies.find(library)
        library.set_copies(groups)
        scanning.report.copies = groups
        return scanning.report


@contextlib.contextmanager
def alone(path):
    """Holds a library's scans; a process that is killed holds them no more.

    Not the library itself: labels are written meanwhile.

    Args:
        path: `pathlib.Path` of the library.

    Raises:
        LibraryError: If another process holds them.
    """
    held = sqlite3.connect(
        path.with_name(f"{path.name}.scanning"),
        timeout=0,
        isolation_level=None,
    )
    with contextlib.closing(held):
        try:
            held.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise database.LibraryError(
                f"{path}: another scan of this library is running. Wait for "
                "its end, then scan again."
            ) from error
        yield


class _Scan:
    """A scan under way; its steps are called in order."""

    def __init__(self, library, tell):
        self._library, self._tell = library, tell
        self._folder_of = {}  # from a film's path to the folder's
        self._states = {}  # to its size and time, as they were listed
        self._path_of = {}  # from a film's `id` to a path of it
        self._known = {file.path: file for file in library.files()}
        self.report = Report()

    def find(self, folder):
        """Lists a folder; notes which files of it are gone."""
        found = finding.find(folder, self._library.path)
        self._states |= found.films
        self._folder_of |= dict.fromkeys(found.films, found.folder)
        self.report.left_aside += found.left_aside
        self.report.links_out += found.links_out
        for path, error in found.unlisted.items():
            self._fail(
                f"{path}: the folder cannot be listed ({error.strerror}).",
                self.report.unlisted,
            )
        # Of a folder that cannot be listed, nothing is known to be gone.
        self._check_folder(found.folder)
        lost = [
            path
            for path, file in self._known.items()
            if file.is_there
            and path.is_relative_to(found.folder)
            and path not in found.films
            and not any(map(path.is_relative_to, found.unlisted))
        ]
        self._library.lose_files(lost)
        self.report.num_lost += len(lost)

    def identify(self):
        """Finds out which films the files are."""
        report = self.report
        report.num_files = len(self._states)
        now = time.time_ns()
        is_new = {
            path: abs(now - changed_ns) < _SETTLED_SECONDS * 1e9
            for path, (_, changed_ns) in self._states.items()
        }
        with tqdm.tqdm(
            sorted(self._states, key=is_new.get),
            desc="looking at files",
            unit="file",
            leave=False,
            disable=None,
        ) as paths:
            has_waited = False
            for path in paths:
                if is_new[path] and not has_waited:
                    time.sleep(_SETTLED_SECONDS)
                    has_waited = True
                film = self._film_in(path)
                if film is not None:
                    report.num_same += film in self._path_of
                    self._path_of.setdefault(film, path)
        for content in self._library.forget_fileless():
            features.path_of(self._library.path, content).unlink(
                missing_ok=True
            )

    def _film_in(self, path):
        """Returns the `id` of the film in a file; None if it is left out."""
        known, state = self._known.get(path), self._states[path]
        try:
            content = None
            if not (
                known is not None
                and known.is_there
                and (known.size, known.changed_ns) == state
            ):
                content = identity.content_of(path)
            is_settled = finding.state_of(path) == state
        except FileNotFoundError:
            is_settled = False
        except OSError as error:
            reason = f"{path}: {error.strerror}."
            if known is None:
                content = identity.of_unreadable(path)
                film = self._library.add_file(path, content, *state)
                self._library.set_error(film, reason)
            self._fail(reason, self.report.errors)
            return None
        if not is_settled:
            self._leave(path)
            return None
        if content is None:
            return known.film
        return self._library.add_file(path, content, *state)

    def read(self, plan, workers):
        """Reads the films that are not known."""
        films = {film.id: film for film in self._library.films()}
        wanted = [
            films[film] for film in self._path_of if self._is_new(films[film])
        ]
        self.report.num_known = len(self._path_of) - len(wanted)
        paths = [self._path_of[film.id] for film in wanted]
        with command.bars(paths) as progress:
            found = reading.read_films(paths, plan, workers, progress)
            with contextlib.closing(found):
                for place, result in found:
                    self._store(wanted[place], paths[place], result)

    def _is_new(self, film):
        stored = features.path_of(self._library.path, film.content)
        return (
            not film.is_read
            or film.error is not None
            # One that was cut lacks its end, which is what is looked at.
            or not zipfile.is_zipfile(stored)
        )

    def _store(self, film, path, result):
        """Stores what was read of a film, or why it cannot be read."""
        if not self._is_settled(path):
            self._leave(path)
        elif isinstance(result, Exception):
            self._library.set_error(film.id, str(result))
            self._fail(str(result), self.report.errors)
        else:
            features.save(self._library.path, film.content, result.features)
            self._library.set_read(
                film.id,
                (result.seconds, result.width, result.height),
                *(result.shots, result.means, result.notes),
            )
            self.report.read.append(path)

    def _is_settled(self, path):
        try:
            return finding.state_of(path) == self._states[path]
        except OSError:
            return False

    def _leave(self, path):
        """Leaves a file for the next scan."""
        self._check_folder(self._folder_of[path])
        self.report.unsettled.append(path)

    def _check_folder(self, folder):
        if not finding.is_there(folder):
            raise OutsideError(
                f"{folder}: the folder vanished while it was scanned. What "
                "was read of it is kept. Bring it back, then scan it again."
            )

    def _fail(self, reason, errors):
        errors.append(reason)
        self._tell(f"error: {reason}")
