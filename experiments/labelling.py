"""How many labels the queue of a library saves.

    python -m experiments.labelling

Films are drawn and encoded, without files: how they are read is measured
elsewhere. A person who answers truly labels films in the order of the queue,
which is made anew after every five, at random or by name. Measured is the share
of all films whose genres are right in the end, as labelled or as suggested.
"""

import argparse
import dataclasses
import fractions
import pathlib

import numpy as np
import threadpoolctl
import tqdm
from scipy import stats

from experiments import drawing
from experiments import measured
from keras_ssc import checks
from keras_ssc import command
from keras_ssc import files
from keras_ssc import models
from keras_ssc import tasks
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.library import heads
from keras_ssc.library import learning
from keras_ssc.library import queueing
from keras_ssc.metrics import tables
from keras_ssc.prediction import pair_inputs
from keras_ssc.sample_films import filming
from keras_ssc.sample_films import films
from keras_ssc.sample_films import styles

# Of the films that are reported; the queue's formula was chosen on those of
# seed 101.
DRAWING_SEED = 202

_SHOTS = 6

# Of the genres, the share of their films in a library where some are rare.
_SHARES = (1, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 8)

# Of what is added to features, times their own spread over the films.
_NOISE = 4.0

# Labels from one time that the person looks at the queue to the next.
_STEP = 5

# Of the films that are drawn, those that a seed's library has.
_SHARE = 0.8

# Labels that are wrong, for the doubts.
_WRONG = 0.05

ORDERS = ("queue", "random", "alphabetical")

# Shares of right films that are to be reached.
GOALS = (0.9, 0.95, 0.99)

_FEATURES = ("frame_features", "flow_features")


@dataclasses.dataclass(frozen=True, eq=False)
class Known:
    """Films of which all is known.

    Attributes:
        names: Array of strings (films,).
        means: float32 array (films, n), see `Library.means`.
        genres: List (films,) of tuples of strings.
    """

    names: np.ndarray
    means: np.ndarray
    genres: list

    def part(self, places):
        """Returns some of the films, in this order."""
        return Known(
            self.names[places],
            self.means[places],
            [self.genres[place] for place in places],
        )


# ---- films ----


def draw(seed, films_per_genre, folder):
    """Draws films and encodes them, or finds that stored.

    Args:
        seed: Integer, another one draws other films.
        films_per_genre: Integer.
        folder: `pathlib.Path`, where the features are kept.

    Returns:
        A `Known`, one genre a film.
    """
    path = folder / f"{seed}_{films_per_genre}.npz"
    if not path.exists():
        planned = [
            _plan(genre, number, seed)
            for number in range(films_per_genre)
            for genre in REPORT_GENRES
        ]
        means = [_encode(film) for film in tqdm.tqdm(planned, unit="film")]
        temporary = path.with_name(f".{path.name}.tmp")
        with files.replacing(path, temporary), open(temporary, "wb") as file:
            np.savez(
                file,
                names=[film.title for film in planned],
                genres=[film.genre for film in planned],
                means=np.float16(means),
            )
    with np.load(path, allow_pickle=False) as stored:
        genres = [(genre,) for genre in stored["genres"].tolist()]
        return Known(stored["names"], np.float32(stored["means"]), genres)


def _plan(genre, number, seed):
    titles = styles.TITLES[genre]
    name = f"{titles[number % len(titles)]}_{number // len(titles) + 1}.mp4"
    # Of each shot, one pair.
    return films.Film(
        *(genre, number, "train", pathlib.Path(name), (2,) * _SHOTS),
        *(fractions.Fraction(24), (480, 270), seed),
    )


def _encode(film):
    """Returns the mean features of a film's pairs, float32 (n,)."""
    frames = np.stack(list(filming.film_frames(film)))
    encoder = models.embedded_pair_encoder()
    inputs = pair_inputs.PairInputs(models.EMBEDDED_SIZE)(
        frames[::2], frames[1::2]
    )
    found = encoder({name: inputs[name] for name in encoder.inputs}, _FEATURES)
    pairs = np.concatenate([found[name] for name in _FEATURES], axis=1)
    return np.float16(pairs).mean(axis=0, dtype=np.float32)


def with_several_genres(known):
    """Gives the same films two genres each: of the picture and of the motion.

    Returns:
        A `Known`.
    """
    pace = {7.0: "fast", 0.3: "slow", 2.5: "steady"}
    return dataclasses.replace(
        known,
        genres=[
            (styles.STYLES[genre].world, pace[styles.STYLES[genre].slowest])
            for (genre,) in known.genres
        ],
    )


def with_rare_genres(known):
    """Leaves films of some genres out: two are rare, two usual.

    Returns:
        A `Known`.
    """
    kept = []
    for genre, share in zip(REPORT_GENRES, _SHARES, strict=True):
        own = [x for x, each in enumerate(known.genres) if each == (genre,)]
        kept += own[: round(share * len(own))]
    return known.part(np.sort(kept))


def with_noise(known):
    """Adds noise to the features, so that genres overlap.

    Returns:
        A `Known`.
    """
    noise = np.random.default_rng(0).normal(size=known.means.shape)
    means = known.means + _NOISE * known.means.std(axis=0) * noise
    return dataclasses.replace(known, means=np.float32(means))


# ---- the person ----


@threadpoolctl.threadpool_limits.wrap(limits=1, user_api="blas")
def simulate(known, order, seed, most=None):
    """Labels films truly; looks at the queue anew after every five.

    Args:
        known: A `Known`.
        order: String, one of `ORDERS`.
        seed: Integer.
        most: Integer, labels at most; None for all films.

    Returns:
        A list of tuples: how many labels, and the share of all films whose
        genres are right, as labelled or as suggested.
    """
    checks.one_of("order", order, ORDERS)
    space = heads.space_of(known.means, seed)
    person = _Person(known, space, order, seed)
    found = []
    total = len(known.genres)
    for count in range(1, min(most or total, total) + 1):
        if count % _STEP == 1:
            person.look()
        person.label()
        found.append((count, person.learn()))
    return found


class _Person:
    def __init__(self, known, space, order, seed):
        self._known, self._space, self._order = known, space, order
        self._seed = seed
        self._is_labelled = np.zeros(len(known.genres), bool)
        self._sure = np.zeros(len(known.genres))
        self._next = None

    def look(self):
        """Looks up which films come next."""
        known = self._known
        if self._order == "alphabetical":
            order = np.argsort(known.names, kind="stable")
        elif self._order == "random":
            rng = np.random.default_rng(self._seed)
            order = rng.permutation(len(known.names))
        else:
            order = queueing.order(
                1 - self._sure,
                self._space.coordinates(known.means),
                self._is_labelled,
            )
        self._next = iter(order[~self._is_labelled[order]])

    def label(self):
        """Labels the next film."""
        self._is_labelled[next(self._next)] = True

    def learn(self):
        """Learns; returns the share of films that are right."""
        known, labelled = self._known, np.flatnonzero(self._is_labelled)
        own = known.part(labelled)
        fitted = _fit(own, self._space, self._seed)
        if fitted is None:
            return len(labelled) / len(known.genres)
        task = fitted.head.task
        scores = fitted.head.scores(known.means)
        is_named = heads.named(task, scores)
        self._sure = heads.confidence(scores, is_named)
        is_right = [
            {task.genres[place] for place in np.flatnonzero(each)} == set(true)
            for each, true in zip(is_named, known.genres, strict=True)
        ]
        return float(np.mean(np.array(is_right) | self._is_labelled))


def _fit(known, space, seed):
    """Fits a head to labelled films; None if they have a single genre."""
    genres = tuple(sorted({x for each in known.genres for x in each}))
    if len({frozenset(each) for each in known.genres}) < 2:
        return None
    name = "several" if any(len(x) > 1 for x in known.genres) else "one"
    task = tasks.of(name, genres)
    label = np.array([task.label_of(each) for each in known.genres])
    return heads.fit(task, space, known.means, label, seed)


@threadpoolctl.threadpool_limits.wrap(limits=1, user_api="blas")
def find_wrong(known, seed):
    """Labels all films, some wrongly, and counts the doubts.

    Returns:
        A dict of integers: `wrong`, labels that are; `doubted`, labels that
        are doubted; `found`, wrong ones of these.
    """
    rng = np.random.default_rng(seed)
    total = len(known.genres)
    wrong = rng.choice(total, round(_WRONG * total), replace=False)
    kinds = sorted(set(known.genres))
    genres = list(known.genres)
    for place in wrong:
        others = [kind for kind in kinds if kind != genres[place]]
        genres[place] = others[rng.integers(len(others))]
    said = dataclasses.replace(known, genres=genres)
    fitted = _fit(said, heads.space_of(known.means, seed), seed)
    task = fitted.head.task
    is_of = np.array(
        [[genre in own for genre in task.genres] for own in genres]
    )
    doubted = learning.doubtful(
        is_of, fitted.left_out, heads.named(task, fitted.left_out)
    )
    return {
        "wrong": len(wrong),
        "doubted": int(doubted.sum()),
        "found": int(doubted[wrong].sum()),
    }


# ---- measured ----


def measure(known, seeds, most=None, progress=True):
    """Simulates all orders on libraries of some of the films.

    Args:
        known: A `Known`.
        seeds: Integer, how many libraries, each 80 % of the films.
        most: See `simulate`.
        progress: Boolean, whether to show a progress bar.

    Returns:
        A dict of plain values: `num_films` of a library; `labels`, a list of
        counts; `right`, a dict from each order to a list of a library's
        shares; `wrong`, a list of what `find_wrong` returned.
    """
    right, wrong = {order: [] for order in ORDERS}, []
    with tqdm.tqdm(total=seeds * len(ORDERS), disable=not progress) as bar:
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            total = len(known.genres)
            kept = rng.choice(total, round(_SHARE * total), replace=False)
            library = known.part(np.sort(kept))
            wrong.append(find_wrong(library, seed))
            for order in ORDERS:
                counts, shares = zip(
                    *simulate(library, order, seed, most), strict=True
                )
                right[order].append(list(shares))
                bar.update()
    return {
        "num_films": len(kept),
        "labels": list(counts),
        "right": right,
        "wrong": wrong,
    }


def labels_needed(found, order, goal):
    """Returns how many labels each library needs, a float array (seeds,).

    NaN of one that did not reach the goal.
    """
    counts = np.array(found["labels"])
    return np.array(
        [
            counts[np.argmax(np.array(shares) >= goal)]
            if max(shares) >= goal
            else np.nan
            for shares in found["right"][order]
        ]
    )


def interval(values):
    """Returns the mean and the ends of its 95 % interval, by Student's t."""
    values = np.asarray(values, float)
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return values.mean(), values.mean() - half, values.mean() + half


def text_of(results):
    """Writes what `main` stored as Markdown."""
    parts = []
    for name, found in results["sets"].items():
        rows = []
        for goal in GOALS:
            needed = {
                order: labels_needed(found, order, goal) for order in ORDERS
            }
            ratio = needed["queue"] / needed["random"]
            rows.append(
                [tables.percent(goal)]
                + [_told(needed[order], "{:.0f}") for order in ORDERS]
                + [_told(100 * ratio, "{:.0f}")]
            )
        rows.append(
            ["mean share right, %"]
            + [
                _told(100 * np.mean(found["right"][order], axis=1), "{:.1f}")
                for order in ORDERS
            ]
            + ["-"]
        )
        header = ["films right", *ORDERS, "queue of random, %"]
        counted = {
            key: sum(each[key] for each in found["wrong"])
            for key in ("wrong", "doubted", "found")
        }
        parts.append(
            f"{name}: libraries of {found['num_films']} films, labels until "
            "so many are right:\n\n"
            f"{tables.markdown_table(header, rows)}\n"
            f"Of {counted['wrong']} wrong labels among "
            f"{found['num_films'] * len(found['wrong'])} in all libraries, "
            f"{counted['found']} are doubted, and "
            f"{counted['doubted'] - counted['found']} true ones.\n"
        )
    return f"{results['machine']}\n\n" + "\n".join(parts)


def _told(values, form):
    if np.isnan(values).any():
        reached = int(np.sum(~np.isnan(values)))
        return f"reached by {reached} of {len(values)}"
    mean, low, high = map(form.format, interval(values))
    return f"{mean} ({low} to {high})"


def figures_of(results):
    """Draws the curves: a dict from a name to a PNG."""
    return {"curves": drawing.labels_figure(results["sets"], ORDERS)}


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.labelling")
    add = parser.add_argument
    add("--out", default="results/labelling", metavar="FOLDER")
    add("--films-per-genre", type=int, default=34, metavar="N")
    add("--seeds", type=int, default=5, metavar="N")
    add("--drawing-seed", type=int, default=DRAWING_SEED, metavar="N")
    add("--most", type=int, default=80, metavar="N", help="labels at most")
    arguments = parser.parse_args()
    folder = pathlib.Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    known = draw(arguments.drawing_seed, arguments.films_per_genre, folder)
    sets = {
        "One genre a film": known,
        "One genre a film, some rare": with_rare_genres(known),
        "One genre a film, with noise": with_noise(known),
        "Two genres a film": with_several_genres(known),
    }
    results = {
        "machine": measured.machine(),
        "sets": {
            name: measure(each, arguments.seeds, arguments.most)
            for name, each in sets.items()
        },
    }
    path = folder / "results.json"
    files.write_text(path, measured.as_json(results))
    figure = folder / "curves.png"
    files.write_bytes(figure, figures_of(results)["curves"])
    print(text_of(results))
    print(f"written: {path}, {figure}")


if __name__ == "__main__":
    command.run(main)
