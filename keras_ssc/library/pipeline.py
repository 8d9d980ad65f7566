"""Films -> Parquet by Apache Beam, on several machines; Parquet -> a library.

An element is a film: its files are found where the pipeline starts, then hashed
and read on the workers, to which the same folders are mounted. Each film is a
file of its own in the results, which appears whole or not at all: an element
that is tried again writes the same, and a pipeline that is started again reads
only what is missing.

Not Beam's WriteToParquet: on its DaskRunner of 2.77, which drops what a writer
gives at the end of a bundle, it writes empty files, and says nothing.
"""

import dataclasses
import hashlib
import io
import os
import pathlib
import re
import uuid

import apache_beam as beam
import numpy as np
import pyarrow
from apache_beam.io.filesystems import FileSystems
from apache_beam.options import pipeline_options
from pyarrow import parquet

from keras_ssc import checks
from keras_ssc.errors import OutsideError
from keras_ssc.errors import VideoError
from keras_ssc.library import copies
from keras_ssc.library import features
from keras_ssc.library import finding
from keras_ssc.library import identity
from keras_ssc.library import reading
from keras_ssc.library import scanning

# Where Beam has a runner that it does not know by name.
_RUNNERS = {"DaskRunner": "apache_beam.runners.dask.dask_runner.DaskRunner"}

# In the results' folder: the files that were found, and a folder of films.
_FOUND, _FILMS = "found.parquet", "films"

_FILE = pyarrow.struct(
    [
        ("path", pyarrow.binary()),
        ("size", pyarrow.int64()),
        ("changed_ns", pyarrow.int64()),
    ]
)

_SHOT = pyarrow.struct(
    [
        ("start_seconds", pyarrow.float64()),
        ("end_seconds", pyarrow.float64()),
        ("picture", pyarrow.binary()),  # JPEG
    ]
)

# What is known of a film. Of one that cannot be read: content, files, error.
SCHEMA = pyarrow.schema(
    [
        ("content", pyarrow.string()),
        ("files", pyarrow.list_(_FILE)),
        ("encoder", pyarrow.string()),
        ("is_settled", pyarrow.bool_()),  # no file changed meanwhile
        ("error", pyarrow.string()),
        ("seconds", pyarrow.float64()),
        ("width", pyarrow.int32()),
        ("height", pyarrow.int32()),
        ("notes", pyarrow.list_(pyarrow.string())),
        ("shots", pyarrow.list_(_SHOT)),
        ("pairs", pyarrow.binary()),  # float16, (pairs, n), little endian
        ("pair_seconds", pyarrow.list_(pyarrow.float64())),
        ("pair_shot", pyarrow.list_(pyarrow.int64())),
    ]
)

# Each loads TensorFlow.
_MOST_WORKERS = 8

_CONTENT = re.compile("[0-9a-f]{32}")

_MOST_TOLD = 10


@dataclasses.dataclass
class Loaded:
    """What came of `load`.

    Attributes:
        num_new: Integer, films that the library has now.
        num_known: Integer, films that it had already.
        errors: List of strings, why films cannot be read.
        unsettled: List of paths that changed while they were read.
        missing: List of paths that were found and not read yet.
        damaged: List of strings, results that are none.
    """

    num_new: int = 0
    num_known: int = 0
    errors: list = dataclasses.field(default_factory=list)
    unsettled: list = dataclasses.field(default_factory=list)
    missing: list = dataclasses.field(default_factory=list)
    damaged: list = dataclasses.field(default_factory=list)

    @property
    def is_complete(self):
        """Whether all that was found could be read."""
        return not (
            self.errors or self.unsettled or self.missing or self.damaged
        )


def lines(loaded):
    """Yields what was loaded, as lines for people."""
    yield (
        f"loaded: {loaded.num_new:,} films; known already: {loaded.num_known:,}"
    )
    for what, found in (
        ("cannot be read", loaded.errors),
        ("changed while they were read, scan again", loaded.unsettled),
        ("not read yet, scan again", loaded.missing),
        ("no results of a film", loaded.damaged),
    ):
        if found:
            yield f"{what}: {len(found):,}"
        yield from (f"  {each}" for each in found[:_MOST_TOLD])
        if len(found) > _MOST_TOLD:
            yield f"  and {len(found) - _MOST_TOLD:,} more"


# ---- films -> Parquet ----


def scan(
    folders,
    out,
    runner="DirectRunner",
    options=(),
    plan=scanning.DEFAULT_PLAN,
    workers=None,
):
    """Reads the films in folders with Apache Beam.

    Args:
        folders: List of paths of folders, which the workers have, too.
        out: String, path of the results' folder, which the workers have, too,
            or what else Beam writes to, such as gs://.
        runner: String, Beam's name of a runner.
        options: List of strings, Beam's options.
        plan: A `film_reader.Plan`, what is read of a film.
        workers: Integer, how many processes DirectRunner has; None for one a
            core, at most 8.

    Returns:
        Integer, how many files may be films.

    Raises:
        ValueError: If a folder is missing or empty, or Beam does not know the
            runner.
        OutsideError: If the pipeline failed.
    """
    out = _absolute(out)
    paths = {}
    for folder in folders:
        if not finding.is_there(folder):
            raise ValueError(
                "Expected a folder of films, with anything in it. Received: "
                f"{folder}"
            )
        paths |= finding.find(folder, out).films
    paths = list(map(os.fsencode, paths))
    made = _pipeline(runner, options, workers)
    _make_folder(FileSystems.join(out, _FILMS))
    found = pyarrow.table({"path": pyarrow.array(paths, pyarrow.binary())})
    _write(FileSystems.join(out, _FOUND), found)
    (
        made
        | "files" >> beam.Create(paths)
        | "identify" >> beam.FlatMap(_identify)
        | "films" >> beam.GroupByKey()
        | "read" >> beam.ParDo(_Read(out, plan))
    )
    _run(made, runner)
    return len(paths)


def _absolute(path):
    """Returns a path as the workers need it; an address as it is."""
    return path if "://" in str(path) else str(pathlib.Path(path).absolute())


def _pipeline(runner, options, workers):
    """Makes a pipeline; see `scan`."""
    checks.at_least("workers", workers, 1)
    flags = [*_defaults(runner, options, workers), *options]
    try:
        with checks.needs_extra(f"The runner {runner}", "beam"):
            return beam.Pipeline(
                _RUNNERS.get(runner, runner),
                pipeline_options.PipelineOptions(flags),
            )
    # Of Beam, too.
    except ValueError as error:
        raise ValueError(
            f"Expected a runner of Apache Beam. Received: {runner} ({error})"
        ) from error


def _defaults(runner, options, workers):
    """Returns the options that a runner needs to read films side by side."""
    if runner == "DirectRunner":
        workers = workers or min(os.cpu_count() or 1, _MOST_WORKERS)
        return [
            "--direct_running_mode=multi_processing",
            f"--direct_num_workers={workers}",
        ]
    is_told = any(
        re.match("--dask_(npartitions|partition_size)", x) for x in options
    )
    # Else up to 128 films are read one after the other.
    is_dask = runner == "DaskRunner" and not is_told
    return ["--dask_partition_size=1"] if is_dask else []


def _run(made, runner):
    try:
        result = made.run()
        try:
            result.wait_until_finish()
        finally:
            # Dask's, which would look for its cluster on and on.
            if client := getattr(result, "client", None):
                client.close()
    except Exception as error:
        *_, last = [x for x in str(error).splitlines() if x.strip()] or ["?"]
        raise OutsideError(
            f"the pipeline failed on {runner}: {last.strip()[:500]} What was "
            "read is kept. Run the same command again to resume."
        ) from error


def _identify(path):
    """Yields a file's content and what is known of it, see `_FILE`."""
    name = pathlib.Path(os.fsdecode(path))
    try:
        state, problem = finding.state_of(name), None
        content = identity.content_of(name)
    except OSError as error:
        state, problem = (0, 0), f"{name}: {error.strerror}."
        content = identity.of_unreadable(name)
    yield content, (path, *state, problem)


class _Read(beam.DoFn):
    """Reads a film and writes what is known of it."""

    def __init__(self, out, plan):
        self._out, self._plan = out, plan

    def process(self, element):
        content, found = element
        found = sorted(found)
        row = {
            "content": content,
            "files": [
                dict(zip(("path", "size", "changed_ns"), file, strict=False))
                for file in found
            ],
            "encoder": reading.encoder_key(),
            "is_settled": True,
            "error": found[0][-1],
        }
        path = FileSystems.join(self._out, _FILMS, f"{content}.parquet")
        if not _is_there(path, row):
            if row["error"] is None:
                row |= _film(row["files"], self._plan)
            _write(path, pyarrow.Table.from_pylist([row], SCHEMA))
        yield content


def _is_there(path, row):
    """Says whether a film was read before, from the same files."""
    if not FileSystems.exists(path):
        return False
    try:
        (known,) = _rows(path)
    except (ValueError, OSError):
        return False
    same = all(known[name] == row[name] for name in ("files", "encoder"))
    return same and known["is_settled"] and known["error"] is None


def _film(files, plan):
    """Returns what is read of a film, as columns of `SCHEMA`."""
    paths = [pathlib.Path(os.fsdecode(file["path"])) for file in files]
    ((_, read),) = reading.read_films(paths[:1], plan, workers=1)
    states = [(file["size"], file["changed_ns"]) for file in files]
    try:
        is_settled = [finding.state_of(path) for path in paths] == states
    except OSError:
        is_settled = False
    if isinstance(read, Exception):
        return {"error": _text(read), "is_settled": is_settled}
    return {
        "is_settled": is_settled,
        "seconds": read.seconds,
        "width": read.width,
        "height": read.height,
        "notes": list(map(_text, read.notes)),
        "shots": [
            dict(zip(_SHOT.names, shot, strict=True)) for shot in read.shots
        ],
        "pairs": read.features.pairs.astype("<f2").tobytes(),
        "pair_seconds": read.features.seconds.tolist(),
        "pair_shot": read.features.shot.tolist(),
    }


def _text(value):
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


# ---- what a model says of films ----

_SCORE = pyarrow.struct(
    [("genre", pyarrow.string()), ("score", pyarrow.float64())]
)

# Of a film that cannot be read: path, error.
SCORES_SCHEMA = pyarrow.schema(
    [
        ("path", pyarrow.binary()),
        ("error", pyarrow.string()),
        ("genres", pyarrow.list_(pyarrow.string())),  # those that are named
        ("scores", pyarrow.list_(_SCORE)),
        ("familiarity", pyarrow.float64()),
    ]
)


@dataclasses.dataclass(frozen=True)
class FilmScores:
    """What a `verdict.FilmVerdict` has of these."""

    genres: list
    scores: dict
    familiarity: float | None


class BeamPredictor:
    """A model that classifies films on the workers of a pipeline.

    Args:
        model: What `predictor.load` takes; the workers have it, too.
        out: String, path of the results' folder, new; see `scan`.
        runner: As of `scan`.
        options: The same.
        workers: The same.

    Attributes:
        task: As of a `predictor.Predictor`.
        name: The same.
    """

    def __init__(self, model, out, runner, options=(), workers=None):
        # Only now: it loads all of serving.
        from keras_ssc.prediction import predictor

        loaded = predictor.load(model)
        self.task, self.name = loaded.task, loaded.name
        self._model, self._out = _absolute(model), out
        self._pipeline = runner, options, workers

    def predict_films(self, paths, plan, progress=None):
        """Classifies films, as a `predictor.Predictor` does.

        Returns:
            A generator of a `FilmScores` or a `VideoError` for each film, in
            order.

        Raises:
            ValueError: If the results' folder is there already.
            OutsideError: If the pipeline failed, or lost a film.
        """
        del progress  # a pipeline tells none
        out = _absolute(self._out)
        if FileSystems.exists(out):
            raise ValueError(f"Expected a new folder. Received: {out}")
        made = _pipeline(*self._pipeline)
        FileSystems.mkdirs(out)
        (
            made
            | "films" >> beam.Create(list(map(os.fsencode, paths)))
            | "predict" >> beam.ParDo(_Predict(out, self._model, plan))
        )
        _run(made, self._pipeline[0])
        for path in paths:
            yield _scores_of(out, os.fsencode(path))


class _Predict(beam.DoFn):
    """Classifies a film and writes what is said of it."""

    def __init__(self, out, model, plan):
        self._out, self._model, self._plan = out, model, plan

    def setup(self):
        """Loads the model, once in a process."""
        from keras_ssc.prediction import predictor

        self._predictor = predictor.load(self._model)

    def process(self, path):
        row = {"path": path, "error": None}
        name = pathlib.Path(os.fsdecode(path))
        (found,) = self._predictor.predict_films([name], self._plan, workers=1)
        if isinstance(found, VideoError):
            row["error"] = _text(found)
        else:
            row |= {
                "genres": list(found.genres),
                "scores": [
                    {"genre": genre, "score": score}
                    for genre, score in found.scores.items()
                ],
                "familiarity": found.familiarity,
            }
        table = pyarrow.Table.from_pylist([row], SCORES_SCHEMA)
        _write(_path_of_scores(self._out, path), table)
        yield path


def _path_of_scores(out, path):
    name = hashlib.blake2b(path, digest_size=16).hexdigest()
    return FileSystems.join(out, f"{name}.parquet")


def _scores_of(out, path):
    try:
        (row,) = _table(_path_of_scores(out, path)).to_pylist()
    except (OSError, ValueError) as error:
        raise OutsideError(
            f"{_text(os.fsdecode(path))}: the pipeline has no result of it "
            f"({error}). Run the same command again, with a new --out."
        ) from error
    if row["error"] is not None:
        return VideoError(row["error"])
    scores = {each["genre"]: each["score"] for each in row["scores"]}
    return FilmScores(row["genres"], scores, row["familiarity"])


# ---- Parquet -> a library ----


def load(library, results):
    """Takes what `scan` wrote into a library; what it knows already stays.

    Args:
        library: A `database.Library`.
        results: String, the results' folder.

    Returns:
        A `Loaded`.

    Raises:
        ValueError: If there are no results, or they are of another encoder
            than the library's features.
        OutsideError: If the library is scanned meanwhile.
        OSError: If features cannot be stored.
    """
    with scanning.alone(library.path):
        loaded = _load(library, str(results))
        library.set_copies(copies.find(library))
    return loaded


def _load(library, results):
    found = _found(results)
    loaded, left = Loaded(), set(found)
    for path in _listed(FileSystems.join(results, _FILMS)):
        try:
            (row,) = _rows(path)
            files = _files(row, found)
            film = _film_read(row) if row["error"] is None else None
        except (ValueError, OSError) as error:
            loaded.damaged.append(f"{path}: {error}")
            continue
        left -= {file["path"] for file in files}
        if files:
            _store(library, loaded, row, files, film)
    loaded.missing += [_text(os.fsdecode(path)) for path in sorted(left)]
    return loaded


def _listed(folder):
    if "://" not in folder:
        return sorted(map(str, pathlib.Path(folder).glob("*.parquet")))
    (match,) = FileSystems.match([FileSystems.join(folder, "*.parquet")])
    return sorted(each.path for each in match.metadata_list)


def _found(results):
    path = FileSystems.join(results, _FOUND)
    try:
        return set(_table(path)["path"].to_pylist())
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            "Expected the folder that scan --runner wrote. Received: "
            f"{results} ({error})"
        ) from error


def _files(row, found):
    """Returns a film's files, those of the last scan."""
    if not _CONTENT.fullmatch(row["content"] or ""):
        raise ValueError(f"expected a film, received {row['content']!r}")
    return [file for file in row["files"] if file["path"] in found]


def _film_read(row):
    """Returns the `reading.FilmRead` of a row.

    Raises:
        ValueError: If it is not whole.
    """
    pairs = np.frombuffer(row["pairs"] or b"", "<f2")
    lists = ("pair_seconds", "pair_shot", "shots", "notes")
    row = row | {name: row[name] or [] for name in lists}
    num_pairs, num_shots = len(row["pair_seconds"]), len(row["shots"])
    read = reading.FilmRead(
        *(row[name] for name in ("seconds", "width", "height")),
        tuple(row["notes"]),
        [tuple(shot.values()) for shot in row["shots"]],
        features.Features(
            pairs.reshape(num_pairs, -1),
            np.array(row["pair_seconds"], np.float64),
            np.array(row["pair_shot"], np.int64),
        ),
    )
    shot = read.features.shot
    if (
        None in (read.seconds, read.width, read.height)
        or shot.shape != (num_pairs,)
        or not np.all((shot >= 0) & (shot < num_shots))
    ):
        raise ValueError("expected a film's pairs and shots, received others")
    return read


def _store(library, loaded, row, files, film):
    if not row["is_settled"]:
        loaded.unsettled += [_text(os.fsdecode(x["path"])) for x in files]
        return
    _check_encoder(library, row["encoder"])
    for file in files:
        path = pathlib.Path(os.fsdecode(file["path"]))
        number = library.add_file(
            path, row["content"], file["size"], file["changed_ns"]
        )
    known = library.film(number)
    if known.is_read and known.error is None and _has_features(library, known):
        loaded.num_known += 1
    elif film is None:
        library.set_error(number, row["error"])
        loaded.errors.append(row["error"])
    else:
        features.save(library.path, row["content"], film.features)
        library.set_read(
            number,
            (film.seconds, film.width, film.height),
            *(film.shots, film.means, film.notes),
        )
        loaded.num_new += 1


def _has_features(library, film):
    return features.path_of(library.path, film.content).is_file()


def _check_encoder(library, encoder):
    if library.setting("encoder") is None:
        library.set_encoder(encoder)
    if library.setting("encoder") != encoder:
        raise ValueError(
            f"{library.path}: expected results of the library's encoder. "
            "Received: another version's. Scan again with this one."
        )


# ---- files ----


def _make_folder(path):
    if not FileSystems.exists(path):
        FileSystems.mkdirs(path)


def _write(path, table):
    """Writes a Parquet file, all of it or nothing."""
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    data = io.BytesIO()
    parquet.write_table(table, data, compression="zstd")
    with FileSystems.create(temporary) as file:
        file.write(data.getvalue())
    FileSystems.rename([temporary], [path])


def _table(path):
    with FileSystems.open(path) as file:
        data = file.read()
    # Its errors are of many kinds; those of what is no Parquet are ValueErrors.
    return parquet.read_table(io.BytesIO(data))


def _rows(path):
    table = _table(path)
    if table.schema != SCHEMA:
        raise ValueError("expected a result of scan --runner, received others")
    return table.to_pylist()
