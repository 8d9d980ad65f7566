"""A built data set -> what can be measured of its films.

All pairs are counted, and their motion is as the builder stored it. Pictures
are looked at in the first frames of some pairs of each film, as they stream
by; none but a few for the bars are kept, and those on disk.
"""

import collections
import csv
import dataclasses
import hashlib
import itertools
import pathlib
import tempfile

import cv2
import numpy as np
import tensorflow_datasets as tfds
import tqdm
from sklearn.utils import class_weight

from keras_ssc.data import datasets
from keras_ssc.data import frame_folder
from keras_ssc.data import simple_features
from keras_ssc.films import black_bars
from keras_ssc.films import image_files
from keras_ssc.films import pairing
from keras_ssc.films.cleaning import NUM_BAR_FRAMES
from keras_ssc.genres import SEPARATOR

# Pairs whose numbers are read at once.
_BATCH = 256

# A hash of 16 x 16 bits. Of the real clips, frames of different films differ
# in 30 % of the bits at least, those of one shot in a few.
_HASH_SIDE = 16
MOST_DIFFERING_BITS = 26

# A title on black, or fog, has no gradient in most places: its bits are noise
# and identify nothing. Grey levels, and the share of the places.
_GRADIENT = 2
_GRADIENT_SHARE = 0.25


# Mean saturation of a black-and-white film. Rounding in the film's colour
# space leaves its pixels within 3 of 255 levels of grey, heavy compression
# within 5. Real black-and-white clips have 0.001 or less, the palest real and
# drawn colour films 0.06 and more. A tinted copy counts as colour.
GREY_SATURATION = 0.02

# With fewer films, most draws of a bootstrap hold the same ones: no interval,
# and an accuracy by film that moves in steps of 20 points and more.
FEWEST_TEST_FILMS = 5


@dataclasses.dataclass(frozen=True, eq=False)
class FilmMeasures:
    """What is measured of a film.

    Attributes:
        film: String, its name.
        split: String, its split.
        genres: Tuple of strings, its genres in the data set's order.
        magnitudes: float32 array (pairs,), the motion magnitude of all pairs.
        frame_numbers: int64 array (looked at,).
        frame_sizes: List of strings (looked at,), such as `480x270`.
        rate: Float, the film's frames a second, by the numbers and times of
            its pairs; None if the data set does not say them.
        repeated: Float, the share of the pairs that were looked at whose two
            frames are one picture, see `pairing.is_repeat`.
        saturation: Float, the mean of `saturation`.
        colours: float32 array (looked at, 64), see
            `simple_features.colour_histogram`.
        hashes: Dict from frame numbers to `difference_hash`, without the flat
            ones.
        bars: `black_bars.Bars` that are in the stored frames.
    """

    film: str
    split: str
    genres: tuple
    magnitudes: np.ndarray
    frame_numbers: np.ndarray
    frame_sizes: list
    rate: float | None
    repeated: float
    saturation: float
    colours: np.ndarray
    hashes: dict
    bars: black_bars.Bars


def measure(builder, most_pairs, seed=0, progress=False):
    """Measures the films of a data set.

    Args:
        builder: What `datasets.open_dataset` returned.
        most_pairs: Integer, how many pairs of a film are looked at; where it
            has more, they are drawn by the seed and the film's name.
        seed: Integer.
        progress: Boolean, whether to show a progress bar.

    Returns:
        A list of `FilmMeasures`, by split, genres and name.

    Raises:
        ValueError: If `most_pairs` is less than 1.
    """
    if most_pairs < 1:
        raise ValueError(
            f"Expected 1 or more pairs of a film. Received: {most_pairs}"
        )
    films = []
    for split in builder.info.splits:
        films += _measure_split(builder, split, most_pairs, seed, progress)
    return films


def _measure_split(builder, split, most_pairs, seed, progress):
    names = ("film", "label", "frame_number", "motion_magnitude")
    names += ("scene", "seconds")
    task = datasets.task_of(builder)
    stored = _read(builder, split, names).map(
        lambda example: {
            **example,
            "label": task.prepared_label(example["label"]),
        }
    )
    batches = list(stored.batch(_BATCH).as_numpy_iterator())
    films, labels, numbers, magnitudes, scenes, seconds = (
        np.concatenate([batch[name] for batch in batches]) for name in names
    )
    chosen = {
        film: _choose(film, np.flatnonzero(films == film), most_pairs, seed)
        for film in sorted(set(films.tolist()))
    }
    with tempfile.TemporaryDirectory(prefix="dataset_card_") as folder:
        looks = _look_at(builder, split, chosen, folder, progress)
        found = []
        for film, places in chosen.items():
            own = films == film
            sizes, repeats, saturations, colours, hashes = zip(
                *(looks[place] for place in places), strict=True
            )
            telling = zip(numbers[places].tolist(), hashes, strict=True)
            found.append(
                FilmMeasures(
                    film.decode("utf-8"),
                    split,
                    tuple(task.true_genres(labels[places[0]])),
                    magnitudes[own],
                    numbers[places],
                    list(sizes),
                    frame_rate(scenes[own], numbers[own], seconds[own]),
                    float(np.mean(repeats)),
                    float(np.mean(saturations)),
                    np.array(colours),
                    {x: bits for x, bits in telling if bits is not None},
                    _find_bars(folder, places),
                )
            )
    order = {genre: place for place, genre in enumerate(task.genres)}
    return sorted(
        found, key=lambda film: [order[genre] for genre in film.genres]
    )


def _read(builder, split, names, decoders=None):
    """Returns a data set of some features of a split, in the stored order."""
    return builder.as_dataset(
        split=split,
        shuffle_files=False,
        decoders=tfds.decode.PartialDecoding(
            dict.fromkeys(names, True), decoders
        ),
    )


def _choose(film, places, most_pairs, seed):
    """Draws of a film's places; other films do not change the draw."""
    digest = hashlib.sha256(film).digest()
    generator = np.random.default_rng([seed, *digest[:8]])
    return generator.permutation(places)[:most_pairs]


def _look_at(builder, split, chosen, folder, progress):
    """Returns places -> size, saturation, colours, hash; keeps some frames."""
    kept = {x for places in chosen.values() for x in places[:NUM_BAR_FRAMES]}
    wanted = set(np.concatenate([*chosen.values()]))
    names = ("frame", "next_frame")
    stored = _read(
        builder,
        split,
        names,
        dict.fromkeys(names, tfds.decode.SkipDecoding()),
    )
    bar = tqdm.tqdm(
        stored.as_numpy_iterator(),
        total=builder.info.splits[split].num_examples,
        unit="pair",
        desc=f"look at {split}",
        disable=not progress,
    )
    looks = {}
    for place, example in enumerate(bar):
        if place in wanted:
            frame, next_frame = (
                image_files.decode_frame(example[name]) for name in names
            )
            looks[place] = (
                "{1}x{0}".format(*frame.shape),
                pairing.is_repeat(pairing.change(frame, next_frame)),
                saturation(frame),
                simple_features.colour_histogram(frame),
                difference_hash(frame),
            )
        if place in kept:
            path = pathlib.Path(folder, f"{place}.png")
            path.write_bytes(example["frame"])
    return looks


def _find_bars(folder, places):
    """Finds bars in the frames that were kept, of the commonest size."""
    frames = [
        image_files.read_frame(pathlib.Path(folder, f"{place}.png"))
        for place in places[:NUM_BAR_FRAMES]
    ]
    shapes = collections.Counter(frame.shape for frame in frames)
    ((shape, _),) = shapes.most_common(1)
    return black_bars.find_bars(
        [frame for frame in frames if frame.shape == shape]
    )


def frame_rate(scenes, numbers, seconds):
    """Computes how many frames a second a film has.

    Args:
        scenes: Integer array (pairs,), the scene of each of its pairs.
        numbers: Integer array (pairs,), their first frames' numbers.
        seconds: Float array (pairs,), when these are shown.

    Returns:
        A float; None if no scene has two pairs with times.
    """
    rates = []
    for scene in np.unique(scenes):
        frames, times = numbers[scenes == scene], seconds[scenes == scene]
        if np.ptp(times) > 0:
            rates.append(float(np.ptp(frames) / np.ptp(times)))
    return float(np.median(rates)) if rates else None


def saturation(frame):
    """Computes how colourful a frame is.

    Args:
        frame: uint8 array (height, width, 3), RGB.

    Returns:
        float32: the mean over the pixels of the largest of red, green and
        blue less the smallest, divided by 255. Not by the largest, as in HSV:
        of two nearly black pixels that would make one colourful.
    """
    # Over whole channels: NumPy takes ten times as long over the last axis.
    channels = cv2.split(frame)
    chroma = np.maximum.reduce(channels) - np.minimum.reduce(channels)
    return np.float32(chroma.mean() / 255)


def difference_hash(frame):
    """Computes a perceptual hash (dHash): where it gets brighter rightwards.

    Args:
        frame: uint8 array (height, width, 3), RGB.

    Returns:
        uint8 array (32,) of 256 bits, which other size, compression or
        brightness hardly change; None where the frame is so flat that they
        would identify nothing.
    """
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    size = (_HASH_SIDE + 1, _HASH_SIDE)
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    steps = np.diff(small.astype(np.int16), axis=1)
    if np.mean(np.abs(steps) > _GRADIENT) <= _GRADIENT_SHARE:
        return None
    return np.packbits(steps > 0)


def find_twins(films):
    """Finds films of different splits that have nearly the same frames.

    Args:
        films: List of `FilmMeasures`.

    Returns:
        A list of dicts, one for each two films: `films`, `splits` and
        `genres`, of both; `num_frames` of the first film's that have a twin
        in the other; `frame_numbers` of the two that are most alike, and
        `differing_bits` of these, of 256.
    """
    twins = []
    for both in itertools.combinations(films, 2):
        hashes = [np.array([*film.hashes.values()]) for film in both]
        if both[0].split == both[1].split or not all(map(len, hashes)):
            continue
        # Of each of the first's frames, the most similar one of the other.
        distances, nearest = cv2.batchDistance(
            *hashes, cv2.CV_32S, normType=cv2.NORM_HAMMING, K=1
        )
        first = int(distances.argmin())
        closest = zip(both, (first, nearest[first, 0]), strict=True)
        if distances[first, 0] <= MOST_DIFFERING_BITS:
            twins.append(
                {
                    "films": [film.film for film in both],
                    "splits": [film.split for film in both],
                    "genres": [SEPARATOR.join(film.genres) for film in both],
                    "num_frames": int(np.sum(distances <= MOST_DIFFERING_BITS)),
                    "frame_numbers": [
                        [*film.hashes][place] for film, place in closest
                    ],
                    "differing_bits": int(distances[first, 0]),
                }
            )
    return twins


def predict_by_colours(films, seed=0):
    """Classifies the test films by colours alone.

    Args:
        films: List of `FilmMeasures`.
        seed: Integer.

    Returns:
        A dict: `num_films` that are tested on; `balanced_accuracy`, every
        film counting as much, with `low` and `high`, see
        `simple_features.balanced_accuracy_interval`; `chance`, what one
        answer for all films gets. Of fewer films than `FEWEST_TEST_FILMS`,
        `low` and `high` are None; where there is nothing to learn or to test
        on, or a film has several genres, all but `num_films` are.
    """
    train, test = (
        [film for film in films if film.split == split]
        for split in ("train", "test")
    )
    num_genres = [len({film.genres for film in own}) for own in (train, test)]
    prediction = {
        "num_films": len(test),
        **dict.fromkeys(("balanced_accuracy", "low", "high", "chance")),
    }
    # A classifier of one answer has none for a film of several genres.
    if min(num_genres) < 2 or any(len(film.genres) != 1 for film in films):
        return prediction
    names = list(dict.fromkeys(film.genres[0] for film in (*train, *test)))
    labels = np.repeat(
        [names.index(film.genres[0]) for film in train],
        [len(film.colours) for film in train],
    )
    classifier = simple_features.colour_classifier(seed).fit(
        np.concatenate([film.colours for film in train]),
        labels,
        # Every genre counts as much, however many pairs it has.
        class_weight.compute_sample_weight("balanced", labels),
    )
    answers = [names.index(film.genres[0]) for film in test]
    accuracy, low, high = simple_features.balanced_accuracy_interval(
        answers,
        [
            np.mean(classifier.predict(film.colours) == answer)
            for film, answer in zip(test, answers, strict=True)
        ],
        seed,
    )
    prediction |= {"balanced_accuracy": accuracy, "chance": 1 / num_genres[1]}
    if len(test) >= FEWEST_TEST_FILMS:
        prediction |= {"low": low, "high": high}
    return prediction


def read_drops(builder):
    """Reads which pairs a build of films dropped.

    Args:
        builder: What `datasets.open_dataset` returned.

    Returns:
        A dict from a film's name to a dict with `dropped`, how many pairs by
        reason, of films that lost pairs; None if the build wrote no lists.
    """
    paths = sorted(pathlib.Path(builder.data_path).glob("dropped_*.csv"))
    if not paths:
        return None
    films = collections.defaultdict(lambda: {"dropped": collections.Counter()})
    for path in paths:
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                films[row["film"]]["dropped"][row["reason"]] += 1
    return dict(films)


def count_left_out(builder):
    """Counts the files that a build of frames could make no pair of.

    Args:
        builder: What `datasets.open_dataset` returned.
    """
    path = pathlib.Path(builder.data_path) / "left_out.tsv"
    return len(path.read_text("utf-8").splitlines()) if path.exists() else 0


def read_frames_folder(folder, films):
    """Reads the records that extract wrote of a data set's films.

    Args:
        folder: The folder that extract filled.
        films: List of `FilmMeasures` of the data set.

    Returns:
        A dict from a film's name to a dict: `dropped`, how many pairs by
        reason; `candidates`, how many there were, None in old folders;
        `bars_cropped`, a dict from its files' names to sides in pixels.

    Raises:
        ValueError: If the folder has no records, or those of other films or
            of other pairs than the data set.
    """
    records = {
        record["film"]: record for record in frame_folder.read_records(folder)
    }
    if not records:
        raise ValueError(
            "Expected --frames as a folder that extract wrote, with records "
            f"in {folder}/index. Received a folder without any. Give the one "
            "that the data set was built from, or leave --frames out."
        )
    own = {film.film: film for film in films}
    others = [
        name
        for name in sorted(own.keys() | records.keys())
        if not _are_same_pairs(records.get(name), own.get(name))
    ]
    if others:
        raise ValueError(
            "Expected --frames as the folder that the data set was built "
            f"from. Received: {folder}, which has other pairs of "
            f"{len(others)} films, such as {others[0]!r}. "
            "Give the folder it was built from, or build the data set again."
        )
    return {name: _tell(record) for name, record in records.items()}


def _tell(record):
    reasons = [row["reason"] for row in record["pairs"] if row["reason"]]
    return {
        "dropped": dict(collections.Counter(reasons)),
        "candidates": record.get("num_candidates"),
        # By the file's name: its folder is the business of one machine.
        "bars_cropped": {
            pathlib.Path(path).name: bars
            for path, bars in record["bars"].items()
        },
    }


def _are_same_pairs(record, film):
    if record is None or film is None:
        return False
    kept = [row for row in record["pairs"] if row["status"] == "kept"]
    numbers = {row["frame_number"] for row in kept}
    looked_at = set(film.frame_numbers.tolist())
    return len(kept) == len(film.magnitudes) and looked_at <= numbers
