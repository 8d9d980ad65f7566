"""scene_genre: pairs of consecutive film frames, labelled with a genre."""

import collections
import concurrent.futures
import dataclasses
import itertools
import pathlib
import tempfile

import numpy as np
import tensorflow_datasets as tfds

from keras_ssc import checks
from keras_ssc import sample_films
from keras_ssc import tasks
from keras_ssc.data import examples
from keras_ssc.data import extraction
from keras_ssc.data import frame_folder
from keras_ssc.data import pair_files
from keras_ssc.data import provenance
from keras_ssc.films import cleaning
from keras_ssc.films import image_files
from keras_ssc.films import splitting
from keras_ssc.films.film_list import SPLITS
from keras_ssc.films.film_list import read_film_list

# Pairs whose flow is computed at once; enough to keep all cores at work.
_CHUNK = 32


@dataclasses.dataclass(eq=False)
class SceneGenreConfig(tfds.core.BuilderConfig):
    """Where the pairs come from, and how they are drawn from films.

    Attributes:
        source: String, `"sample"`, `"frames"` or `"films"`.
        num_pairs: Integer, how many pairs a film (not for `"frames"`).
        stride: Integer, how many frames on the next frame is, whatever the
            film's rate; about 1/24 s if None (not for `"frames"`).
        seed: Integer, draws other pairs (not for `"frames"`).
        films_per_genre: Integer, how many films are drawn for `"sample"`.
        film_seconds: Float, the length of a film drawn for `"sample"`.
        split: String, how films whose list says no split are dealt, such as
            `"70/15/15"`: train, validation, test (for `"films"`).
        task: String, `"one"` or `"several"` genres a film; None: as the list
            has it (for `"films"`).
    """

    source: str = "films"
    num_pairs: int = 300
    stride: int | None = None
    seed: int = 0
    films_per_genre: int = 5
    film_seconds: float = 8.0
    split: str = "70/15/15"
    task: str | None = None

    def extract_config(self):
        """Returns the `cleaning.ExtractConfig` of this config."""
        return cleaning.ExtractConfig(
            num_pairs=self.num_pairs, stride=self.stride, seed=self.seed
        )


SAMPLE = SceneGenreConfig(
    name="sample",
    description="Films drawn by this project; needs no input.",
    source="sample",
    # Neighbouring pairs of films of some seconds say the same: more of them
    # cost time and teach nothing.
    num_pairs=48,
)
FRAMES = SceneGenreConfig(
    name="frames",
    description="Frames in the report's layout, in the manual folder.",
    source="frames",
)
FILMS = SceneGenreConfig(
    name="films",
    description="films.csv and its films, in the manual folder.",
    source="films",
)


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builds scene_genre from drawn films, from frames, or from films."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {
        "1.0.0": "First release.",
        "1.1.0": "The sample has a film of each genre to validate with.",
    }
    # `tfds build` without a config builds all of BUILDER_CONFIGS: only the
    # one that needs no input is in it. The others are found by their names.
    BUILDER_CONFIGS = [SAMPLE]
    builder_configs = {
        config.name: config for config in (SAMPLE, FRAMES, FILMS)
    }
    DEFAULT_BUILDER_CONFIG_NAME = "sample"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    The config `sample` needs nothing. For `frames`, put (or link) a folder in
    the report's layout (ani2D_train/ani2D_movie7_139.png, ..._140.png) here,
    or name it with --manual_dir; `python -m keras_ssc.extract` makes such a
    folder. For `films`, put films.csv and its films here.
    """

    # Known when the data set is read, or when what it is built from is.
    _task = _known_info = None

    @property
    def info(self):
        """The `tfds.core.DatasetInfo`; TFDS's own would stay as it began."""
        if self._known_info is None:
            self._known_info = self._info()
        return self._known_info

    def _set_task(self, task):
        """Makes the label what a task has, before anything is built."""
        file_format = self.info.file_format
        self._task, self._known_info = task, None
        self.info.set_file_format(file_format)

    def _task_of_info(self):
        return tasks.of_feature(self.info.features["label"])

    def _stored_task(self):
        """Returns the task that the data set was built for; None if none is."""
        try:
            features = tfds.features.FeaturesDict.from_config(self.data_path)
        except FileNotFoundError:
            return None
        return tasks.of_feature(features["label"])

    def _info(self):
        task = self._task or self._stored_task() or tasks.REPORT
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    # RGB; all frames of extract are 270x480.
                    "frame": tfds.features.Image(
                        shape=(None, None, 3), encoding_format="png"
                    ),
                    "next_frame": tfds.features.Image(
                        shape=(None, None, 3), encoding_format="png"
                    ),
                    "label": task.label_feature(),
                    "film": tfds.features.Text(),
                    # From 1 in the film's list; 0 where no index says it.
                    "scene": np.int32,
                    # In the film; the number in the file name where no index
                    # says it.
                    "frame_number": np.int64,
                    # Presentation time; not a number where no index says it.
                    "seconds": np.float64,
                    # Mean motion over sqrt(height x width), see keras_ssc.flow.
                    "motion_magnitude": np.float32,
                }
            ),
            supervised_keys=None,
        )

    def download_and_prepare(self, *, download_dir=None, **settings):
        """Builds the data set, unless it is there and nothing has changed.

        Raises:
            ValueError: If it was built from something else than is in the
                manual folder now; says what differs.
        """
        source, self._described = self.builder_config.source, None
        checks.one_of("source", source, ("sample", "frames", "films"))
        if source != "sample":
            config = settings.get("download_config")
            self._look_at_source(source, download_dir, config)
        super().download_and_prepare(download_dir=download_dir, **settings)
        if self._described is not None:
            provenance.write(self.data_path, self._described)

    def _look_at_source(self, source, download_dir, config):
        """Compares a data set with its source, or learns the source's task."""
        named = getattr(config, "manual_dir", None)
        root = pathlib.Path(
            named or download_dir or f"{self._data_dir_root}/downloads"
        )
        if not named:
            root /= "manual"
        elif not root.is_dir():
            raise ValueError(
                f"Expected --manual_dir as a folder. {root} is none."
            )
        modes = tfds.GenerateMode
        mode = getattr(config, "download_mode", modes.REUSE_DATASET_IF_EXISTS)
        if not self.is_prepared() or mode.overwrite_dataset:
            if root.is_dir():
                self._set_task(self._read_task(source, root))
        # What nobody named may be no folder of the kind at all.
        elif mode is modes.REUSE_DATASET_IF_EXISTS and (
            named or (root / "films.csv").exists() or _holds_pairs(root)
        ):
            self._check_source(source, root)

    def _check_source(self, source, root):
        built = provenance.read(self.data_path)
        if built is None:
            print(
                f"note: what {self.data_path} was built from is not known: it "
                "was built by an earlier version. --overwrite builds it anew."
            )
            return
        now = provenance.of_folder(source, root, self._reading())
        if found := provenance.differences(built, now):
            raise ValueError(
                f"{self.data_path} was built from {built['path']}, and {root} "
                f"differs from that: {provenance.told(found)}. Give the same "
                "command with --overwrite to build it anew."
            )

    def _read_task(self, source, root):
        """Returns the task that a folder's films or frames are for."""
        if source == "films":
            listed = self._read_list(root)
            return tasks.of(listed.task, listed.genres)
        return tasks.of(*frame_folder.read_task(root, _genres_in(root)))

    def _read_list(self, root):
        return read_film_list(root / "films.csv", **self._reading())

    def _reading(self):
        """Returns how a film list is read, see `read_film_list`."""
        config = self.builder_config
        shares = splitting.parse_shares(config.split)
        return {"shares": shares, "seed": config.seed, "task": config.task}

    def _split_generators(self, dl_manager):
        source = self.builder_config.source
        if source == "sample":
            return self._sample_splits()
        root = dl_manager.manual_dir
        read = self._frame_splits if source == "frames" else self._film_splits
        splits = read(root)
        self._described = provenance.of_folder(source, root, self._reading())
        return splits

    def _generate_examples(self, examples):
        return examples

    def _sample_splits(self):
        """Draws films and extracts them, as `extract` does with real ones."""
        # Lives as long as the builder: the examples are read later.
        self._folder = tempfile.TemporaryDirectory(prefix="scene_genre_")
        film_list = sample_films.draw_sample_films(
            f"{self._folder.name}/films",
            films_per_genre=self.builder_config.films_per_genre,
            seconds=self.builder_config.film_seconds,
        )
        frames = f"{self._folder.name}/frames"
        _, problems, _ = extraction.extract(
            film_list,
            frames,
            self.builder_config.extract_config(),
            progress=True,
        )
        _fail_on(problems, "the sample films")
        return self._frame_splits(frames)

    def _frame_splits(self, root):
        found, problems = pair_files.list_pairs(root)
        if not found:
            raise ValueError(
                "Expected a folder with <prefix>_<split>/ folders of frames, "
                "such as ani2D_train/ani2D_movie7_139.png. "
                f"Nothing of the kind in {root}."
            )
        _check_splits((pair.split, _movie_name(pair)) for pair in found)
        rows = _rows_by_frame(root, found)
        self._write_left_out(root, problems)
        by_split = collections.defaultdict(list)
        for pair in found:
            by_split[pair.split].append((pair, rows.get(_movie_file(pair))))
        return {
            split: self._generate_examples(
                _examples_of_pairs(by_split[split], self._task_of_info())
            )
            for split in SPLITS
            if split in by_split
        }

    def _write_left_out(self, root, problems):
        """Lists beside the data set what is not part of a pair."""
        if not problems:
            return
        lines = [f"{path}\t{reason}\n" for path, reason in problems]
        path = self.data_path / "left_out.tsv"
        path.write_text("".join(lines))
        print(
            f"{len(problems)} files of {root} are not part of a pair and are "
            f"left out, listed in left_out.tsv of the data set, such as: "
            f"{lines[0].strip()}"
        )

    def _film_splits(self, root):
        listed = self._read_list(root)
        films, duplicates = extraction.without_duplicates(listed.films)
        _fail_on(listed.problems + duplicates, root / "films.csv")
        for note in listed.notes:
            print(f"note: {note}")
        by_split = collections.defaultdict(list)
        for film in films:
            by_split[film.split].append(film)
        return {
            split: self._generate_examples(
                self._film_pipeline(split, by_split[split])
            )
            for split in SPLITS
            if split in by_split
        }

    def _film_pipeline(self, split, films):
        """Returns a Beam transform that makes one split's examples.

        One element is one film, so that a runner of many machines reads many
        films at once. Each machine must see the films at the same paths.
        """
        beam = tfds.core.lazy_imports.apache_beam
        dropped_path = str(self.data_path / f"dropped_{split}.csv")
        config, task = (
            self.builder_config.extract_config(),
            self._task_of_info(),
        )

        def expand(pipeline):
            extracted = (
                pipeline
                | f"films {split}" >> beam.Create(films)
                | f"spread {split}" >> beam.Reshuffle()
                | f"extract {split}"
                >> beam.FlatMap(examples.of_film, config, task).with_outputs(
                    "dropped", main="kept"
                )
            )
            _ = extracted.dropped | f"dropped {split}" >> beam.io.WriteToText(
                dropped_path,
                shard_name_template="",
                header="film,scene,path,frame_number,seconds,reason",
            )
            return extracted.kept

        return beam.ptransform_fn(expand)()


def _fail_on(problems, source):
    """A data set does not shrink silently: it is built whole, or not."""
    if problems:
        # Those of a film list name it, too.
        named = (problem.removeprefix(f"{source}, ") for problem in problems)
        raise ValueError(
            f"{source}: {len(problems)} problems. Correct the list or take "
            "the films out of it. " + " | ".join(named)
        )


def _holds_pairs(root):
    return root.is_dir() and bool(pair_files.list_pairs(root)[0])


def _genres_in(root):
    """Yields the genres of a folder's pairs; lists them when it is asked."""
    for pair in pair_files.list_pairs(root)[0]:
        yield pair.genre


def _movie_name(pair):
    return pair_files.movie_name(pair.genre, pair.movie)


def _movie_file(pair):
    return f"{pair.frame_path.parent.name}/{pair.frame_path.name}"


def _check_splits(splits_and_films):
    splits = {}
    for split, film in splits_and_films:
        first = splits.setdefault(film, split)
        if first != split:
            raise ValueError(
                f"Film {film!r} is in two splits, {first} and {split}: a "
                "model would be tested on what it was trained on. Move it "
                "into one; if these are two films, give one another number."
            )


def _rows_by_frame(root, found):
    """Returns the index's rows by frame file, of a folder of extract's.

    Raises:
        ValueError: If a frame of a film's record is missing, or a film's
            record, as after an extract that was killed.
    """
    rows = {}
    for record in frame_folder.read_records(root):
        for row in record["pairs"]:
            if row["status"] == "kept":
                own = frame_folder.genres_of(record)
                film = {"film": record["film"], "genres": own}
                rows[row["frame_file"]] = {**row, **film}
    frame_files = {_movie_file(pair) for pair in found}
    missing = set(rows) - frame_files
    if missing:
        raise ValueError(
            f"{len(missing)} frames of the index are missing in {root}, such "
            f"as {min(missing)} or its next frame. Extract again."
        )
    unknown = frame_files - set(rows)
    if unknown and frame_folder.is_of_extract(root):
        raise ValueError(
            f"There is no record of {len(unknown)} pairs in {root}, such as "
            f"{min(unknown)}. Run extract again: it resumes where it was "
            "interrupted."
        )
    return rows


def _examples_of_pairs(pairs_and_rows, task):
    """Yields (key, example), reading and measuring many pairs at once."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        items = iter(pairs_and_rows)
        while chunk := list(itertools.islice(items, _CHUNK)):
            yield from pool.map(
                lambda item: _example_of_pair(*item, task), chunk
            )


def _example_of_pair(pair, row, task):
    # TFDS stores a file without looking at it: decoded here, a damaged one
    # fails the build and not a training.
    frame = image_files.read_frame(pair.frame_path)
    next_frame = image_files.read_frame(pair.next_frame_path)
    if frame.shape != next_frame.shape:
        raise ValueError(
            f"{pair.frame_path} is {frame.shape[1]}x{frame.shape[0]} pixels, "
            f"{pair.next_frame_path.name} {next_frame.shape[1]}x"
            f"{next_frame.shape[0]}: expected two frames of one size."
        )
    row = row or {
        "film": _movie_name(pair),
        "genres": [pair.genre],
        "scene": 0,
        "frame_number": pair.number,
        "seconds": np.nan,
    }
    paths = pair.frame_path, pair.next_frame_path
    example = examples.example(paths, (frame, next_frame), row, task)
    return f"{_movie_name(pair)}_{pair.number}", example
