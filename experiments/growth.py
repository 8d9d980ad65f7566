"""How the cost of a data set grows with its films, and what many would cost.

    python -m experiments.growth --sizes 10 100 1000 --film long_film.mp4

Each number of short drawn films goes through the commands that a user gives,
each in a process of its own: extract, extract again with nothing to do, and
build. With --film, a film of real length is extracted and judged, and what
100,000 of them would cost is reckoned from that, the arithmetic shown. Parts
that are not named by --parts stay as they were measured before.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import av
import numpy as np
import tqdm

from experiments import benchmark
from experiments import model_table
from experiments import readme
from keras_ssc import command
from keras_ssc import extraction
from keras_ssc import files
from keras_ssc import frame_folder
from keras_ssc import frame_index
from keras_ssc import models
from keras_ssc import pair_files
from keras_ssc import tables
from keras_ssc import train_config
from keras_ssc.errors import OutsideError
from keras_ssc.film_list import COLUMNS
from keras_ssc.film_list import read_film_list
from keras_ssc.genres import GENRES

BUILDER = pathlib.Path(__file__).parent.parent / "tfds_builder" / "scene_genre"

# A drawn film: as small and short as one can be and still have pairs of two
# scenes, since what grows is the number of films.
_SIZE, _NUM_FRAMES, _RATE = (96, 54), 24, 24

# Pairs of a drawn film, and the size they are stored at.
_NUM_PAIRS, _STORED = 4, "96x54"

# What the reckoning is for.
_MANY = 100_000
_MANY_SECONDS = 90 * 60

# The training that is reckoned, with the report's settings, and of how many
# pairs its step is measured: a processor takes as long for each of more.
_MODEL, _BATCH_SIZE = "double_stack", 8

# Work of a training beside that of one pass forward: the backward one computes
# the gradients of inputs and of weights, each as much work again.
_PASSES = 3

PARTS = ("sizes", "runners", "film", "training", "accelerator")


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: Float, by the clock.
        core_seconds: Float, of all its processes together.
        megabytes: Float, the largest memory of one of its processes.
    """

    seconds: float
    core_seconds: float
    megabytes: float


def cost_of(*arguments):
    """Runs a command; returns its `Cost`.

    Raises:
        OutsideError: If it ends with another exit code than 0.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [str(each) for each in arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        kilobytes = 0
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            # Not the usage's ru_maxrss: that begins with the memory of the
            # process that started it, this one, which holds TensorFlow.
            kilobytes = max(kilobytes, *map(peak, family(process.pid)))
            time.sleep(0.02)
        _, status, usage = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        lines = said.read().decode("utf-8", "replace").strip().splitlines()
    if process.returncode:
        raise OutsideError(
            f"{' '.join(map(str, arguments))} ended with exit code "
            f"{process.returncode}: {' '.join(lines[-1:])}"
        )
    return Cost(
        time.perf_counter() - start,
        usage.ru_utime + usage.ru_stime,
        kilobytes / 1024,
    )


def family(number):
    """Returns the numbers of a process and of all that it has started."""
    family = [number]
    for parent in family:
        with contextlib.suppress(OSError):
            for path in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
                family += map(int, path.read_text().split())
    return family


def peak(number):
    """Returns a process's largest memory so far, in kilobytes."""
    with contextlib.suppress(OSError):
        status = pathlib.Path(f"/proc/{number}/status").read_text()
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0  # it has ended


def draw_films(folder, num_films):
    """Draws short films of all genres and splits, and their list.

    Args:
        folder: `pathlib.Path`; films that are there are not drawn again.
        num_films: Integer.

    Returns:
        `pathlib.Path` of the list.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in tqdm.trange(num_films, desc="draw the films"):
        path = folder / f"{number:05d}.mp4"
        if not path.exists():
            _draw_film(path, number)
        genre = GENRES[number % len(GENRES)]
        # Every tenth one tests, and there is one of each genre.
        split = "test" if number // len(GENRES) % 10 == 0 else "train"
        rows.append((path.stem, genre, split, path.name, "", ""))
    film_list = folder / f"films_{num_films}.csv"
    files.write_csv(film_list, COLUMNS, rows)
    return film_list


def _draw_film(path, number):
    width, height = _SIZE
    generator = np.random.default_rng(number)
    coarse = generator.integers(30, 230, (height // 6 + 2, width // 3, 3))
    picture = np.kron(coarse, np.ones((6, 6, 1))).astype(np.uint8)
    temporary = path.with_suffix(".unfinished.mp4")
    with av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264", rate=_RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "threads": "1"}
        for step in range(_NUM_FRAMES):
            frame = picture[:height, step : step + width]
            container.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(
                        np.ascontiguousarray(frame), format="rgb24"
                    )
                )
            )
        container.mux(stream.encode())
    os.replace(temporary, path)


def measure(num_films, work_dir):
    """Measures one number of films.

    Args:
        num_films: Integer.
        work_dir: `pathlib.Path` of a folder for films and data.

    Returns:
        A dict: `films`; the costs of `extract`, of `extract_again` and of
        `build`; the seconds in which the film list is read and checked
        (`read_list`), and those in which the stored pairs are listed
        (`list_pairs`); `megabytes_stored`.
    """
    film_list = draw_films(work_dir / "films", num_films)
    frames, data = work_dir / "frames", work_dir / "data"
    for folder in (frames, data):
        shutil.rmtree(folder, ignore_errors=True)
    call = [sys.executable, "-m", "keras_ssc.extract", film_list]
    call += ["--out", frames, "--pairs", _NUM_PAIRS, "--size", _STORED]
    measured = {
        "films": num_films,
        "extract": dataclasses.asdict(cost_of(*call)),
        "extract_again": dataclasses.asdict(cost_of(*call)),
        "build": dataclasses.asdict(
            cost_of(*build_command("frames", frames, data))
        ),
    }
    start = time.perf_counter()
    extraction.without_duplicates(read_film_list(film_list)[0])
    measured["read_list"] = time.perf_counter() - start
    start = time.perf_counter()
    pair_files.list_pairs(frames)
    frame_folder.read_records(frames)
    measured["list_pairs"] = time.perf_counter() - start
    measured["megabytes_stored"] = _megabytes(frames)
    return measured


def build_command(config, source, data, *options):
    """Returns the arguments of `tfds build` of one of the builder's configs.

    Args:
        config: String, the config's name.
        source: Path of the manual folder.
        data: Path of the folder of data sets.
        *options: Strings, more arguments.
    """
    tfds = pathlib.Path(sys.executable).with_name("tfds")
    return [
        *(tfds, "build", BUILDER, "--config", config),
        *("--manual_dir", source, "--data_dir", data, *options),
    ]


def compare_runners(num_films, work_dir):
    """Builds from films by Beam, in one process and in one for each core.

    Returns:
        A dict from `one process` and `several processes` to their `Cost`.
    """
    film_list = draw_films(work_dir / "films", num_films)
    source = work_dir / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    for path in (work_dir / "films").glob("*.mp4"):
        os.link(path, source / path.name)
    shutil.copy(film_list, source / "films.csv")
    several = "direct_running_mode=multi_processing,direct_num_workers=0"
    costs = {}
    for name, options in (
        ("one process", ()),
        ("several processes", ("--beam_pipeline_options", several)),
    ):
        data = work_dir / "data"
        shutil.rmtree(data, ignore_errors=True)
        costs[name] = dataclasses.asdict(
            cost_of(*build_command("films", source, data, *options))
        )
    return costs


def measure_film(path, run, work_dir):
    """Measures a film of real length: extract, and a verdict if there is a run.

    Args:
        path: `pathlib.Path` of the film.
        run: Path of an evaluated run; None for no verdict.
        work_dir: `pathlib.Path`.

    Returns:
        A dict: `seconds` of the film; its `pairs`; the costs of `extract`,
        and of `verdict` and `quick_verdict`; `megabytes_stored`.
    """
    film_list = work_dir / "film.csv"
    row = ("film", GENRES[0], "train", str(path.resolve()), "", "")
    files.write_csv(film_list, COLUMNS, [row])
    frames = work_dir / "frames"
    shutil.rmtree(frames, ignore_errors=True)
    call = (sys.executable, "-m", "keras_ssc.extract", film_list)
    measured = {
        "seconds": frame_index.index_frames(path).end_seconds,
        "extract": dataclasses.asdict(cost_of(*call, "--out", frames)),
        "megabytes_stored": _megabytes(frames),
        "pairs": len(pair_files.list_pairs(frames)[0]),
    }
    if run is not None:
        predict = (sys.executable, "-m", "keras_ssc.predict", run, path)
        for name, options in (("quick_verdict", ["--quick"]), ("verdict", [])):
            measured[name] = dataclasses.asdict(cost_of(*predict, *options))
    return measured


def measure_training(runs=5):
    """Measures a step of `_MODEL` with the report's settings.

    Args:
        runs: Integer, how often it is timed.

    Returns:
        A dict: what `model_table.measure_network` returns; `epochs`; `cores`
        that it was measured on.
    """
    settings = models.MODELS[_MODEL].report
    config = train_config.fill_in(
        train_config.TrainConfig(
            model=_MODEL, **{**settings, "batch_size": _BATCH_SIZE}
        )
    )
    return {
        **model_table.measure_network(config, runs, num_steps=1),
        "epochs": settings["epochs"],
        "cores": len(os.sched_getaffinity(0)),
    }


def measured_on_accelerator(path=readme.RESULTS / "accelerator.json"):
    """Takes the step of `_MODEL` from what `experiments.accelerator` wrote.

    Args:
        path: `pathlib.Path` of its results.

    Returns:
        A dict, `machine` and `pairs_a_second`; None if there is no such step.
    """
    results = readme.earlier(path)
    for step in results.get("steps", []):
        if (step["model"], step["flow"]) == (_MODEL, "graph"):
            seconds = statistics.median(step["seconds"])
            return {
                "machine": results["machine"],
                "pairs_a_second": step["batch_size"] / seconds,
            }
    return None


def _megabytes(folder):
    sizes = (p.stat().st_size for p in folder.rglob("*") if p.is_file())
    return sum(sizes) / 2**20


def text_of(results):
    """Writes the results as Markdown.

    Args:
        results: Dict of `machine`, `sizes` (list, see `measure`), `runners`
            (dict, see `compare_runners`), and perhaps of `film`, `training`
            and `accelerator` (dicts, see `measure_film`, `measure_training`,
            `measured_on_accelerator`).

    Returns:
        String.
    """
    rows = [
        [
            f"{each['films']:,}",
            f"{1000 * each['extract']['seconds'] / each['films']:.0f}",
            f"{1000 * each['extract_again']['seconds'] / each['films']:.1f}",
            f"{1000 * each['build']['seconds'] / each['films']:.0f}",
            f"{1000 * each['read_list'] / each['films']:.2f}",
            f"{1000 * each['list_pairs'] / each['films']:.2f}",
            f"{each['extract']['megabytes']:.0f}",
            f"{each['build']['megabytes']:.0f}",
        ]
        for each in results["sizes"]
    ]
    parts = [
        f"{results['machine']}. Drawn films of {_NUM_FRAMES} frames, "
        f"{_SIZE[0]}x{_SIZE[1]} pixels, {_NUM_PAIRS} pairs each; milliseconds "
        "a film, the start of the process among them.",
        tables.markdown_table(
            [
                "films",
                "extract",
                "extract again, nothing to do",
                "tfds build",
                "the list read and checked",
                "stored pairs listed",
                "extract's largest process, MB",
                "build's largest process, MB",
            ],
            rows,
        ),
    ]
    if results.get("runners"):
        costs = results["runners"]
        parts.append(
            f"`tfds build --config films` of {costs['films']:,} films by "
            "Beam's local runner: "
            + ", ".join(
                f"{cost['seconds']:.0f} seconds in {name}"
                for name, cost in costs.items()
                if name != "films"
            )
            + "."
        )
    if results.get("film"):
        parts.append(_reckoning(results["film"]))
    if results.get("film") and results.get("training"):
        parts.append(
            _reckoning_of_training(
                results["training"], results["film"], results.get("accelerator")
            )
        )
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _reckoning(film):
    """Reckons what many films cost from what one did, arithmetic shown."""
    minutes = film["seconds"] / 60
    scale = _MANY_SECONDS / film["seconds"]
    extracting = film["extract"]["core_seconds"]
    lines = [
        f"Measured on one film of {minutes:.0f} minutes: extract of "
        f"{film['pairs']} pairs takes {extracting:.0f} core-seconds and "
        f"{film['megabytes_stored']:.0f} MB of disk.",
        "",
        f"{_MANY:,} films of {_MANY_SECONDS // 60} minutes, from that:",
        "",
        _product(
            "extract", extracting, scale, "pairs are few, decoding is the rest"
        ),
        f"- disk: {film['megabytes_stored']:.0f} MB x {_MANY:,} = "
        f"{film['megabytes_stored'] * _MANY / 2**20:,.1f} TB of frames",
    ]
    for name, words in (
        ("verdict", "a verdict with every shot"),
        ("quick_verdict", "a verdict with --quick"),
    ):
        if name in film:
            lines.append(_product(words, film[name]["core_seconds"], scale, ""))
    lines += [
        "",
        "Films are independent of each other: `tfds build` of the `films` "
        "configs reads them through Beam, and `--beam_pipeline_options` puts "
        "that on Dataflow, Flink or Spark. Workers of one core for a day's "
        f"extract: {_hours(extracting, scale):,.0f} / 24 = "
        f"{_hours(extracting, scale) / 24:,.0f}.",
    ]
    return "\n".join(lines)


def _reckoning_of_training(training, film, accelerator=None):
    """Reckons what it takes to train on many films within a day."""
    pairs_of_all = film["pairs"] * _MANY
    seen = pairs_of_all * training["epochs"]
    operations = 2 * _PASSES * training["multiply_adds"]
    speed = seen / 86_400
    a_core = (
        training["batch_size"] / training["seconds_a_step"] / training["cores"]
    )
    height, width = training["image_size"]
    lines = [
        f"Training {training['model']} on their pairs in a day, with the "
        f"report's settings ({width}x{height}, {training['epochs']} epochs):",
        "",
        f"- pairs: {_MANY:,} x {film['pairs']} x {training['epochs']} = "
        f"{seen:,}, and / 86,400 = {speed:,.0f} a second",
        f"- work: {training['multiply_adds'] / 1e9:.1f} billion "
        f"multiply-adds a pair x 2 x {_PASSES} passes x {speed:,.0f} = "
        f"{speed * operations / 1e12:,.0f} TFLOP/s, the flow's apart",
    ]
    if accelerator:
        rate = accelerator["pairs_a_second"]
        lines.append(
            f"- on accelerators, the flow within the step, measured by "
            f"`experiments.accelerator` on one ({accelerator['machine']}): "
            f"{rate:,.0f} pairs a second, so {speed:,.0f} / {rate:,.0f} = "
            f"{speed / rate:,.1f} of them, their input apart"
        )
    lines.append(
        f"- on cores such as these, measured: {a_core:.2f} pairs a second "
        f"each, so {speed:,.0f} / {a_core:.2f} = {speed / a_core:,.0f} "
        "cores: not a task for them"
    )
    return "\n".join(lines)


def _hours(core_seconds, scale):
    return core_seconds * scale * _MANY / 3600


def _product(words, core_seconds, scale, why):
    reason = f" ({why})" if why else ""
    return (
        f"- {words}: {core_seconds:.0f} core-seconds x {scale:.2f} x "
        f"{_MANY:,} / 3,600 = {_hours(core_seconds, scale):,.0f} "
        f"core-hours{reason}"
    )


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.growth")
    add = parser.add_argument
    add("--sizes", nargs="+", type=int, default=[10, 100, 1000], metavar="N")
    add("--runner-films", type=int, default=100, metavar="N")
    add("--film", type=pathlib.Path, help="a film of real length")
    add("--run", type=pathlib.Path, help="an evaluated run, for verdicts")
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--out", default="results/growth", metavar="DIR")
    add("--readme", action="store_true", help="into experiments/README.md")
    arguments = parser.parse_args()
    sizes = [*arguments.sizes, arguments.runner_films]
    if min(sizes) < len(GENRES):
        raise ValueError(
            f"Expected {len(GENRES)} films or more, one of each genre. "
            f"Received: {min(sizes)}"
        )
    if arguments.film is not None and not arguments.film.is_file():
        raise ValueError(f"Expected a film. There is no file {arguments.film}.")
    out = pathlib.Path(arguments.out)
    work_dir = out / "work"
    work_dir.mkdir(parents=True, exist_ok=True)
    results = {"machine": benchmark.machine(), "sizes": []}
    results |= readme.earlier(out / "growth.json", machine=results["machine"])
    if "sizes" in arguments.parts:
        results["sizes"] = [
            measure(number, work_dir) for number in arguments.sizes
        ]
    if "runners" in arguments.parts:
        results["runners"] = {
            "films": arguments.runner_films,
            **compare_runners(arguments.runner_films, work_dir),
        }
    if "film" in arguments.parts and arguments.film:
        results["film"] = measure_film(arguments.film, arguments.run, work_dir)
    if "training" in arguments.parts:
        results["training"] = measure_training()
    if "accelerator" in arguments.parts:
        results["accelerator"] = measured_on_accelerator()
    text = text_of(results)
    readme.write("growth", results, text, out)
    print(text)
    print(f"written: {out}/growth.md, {out}/growth.json")
    if arguments.readme:
        readme.put_results("growth", results, text)


if __name__ == "__main__":
    command.run(main)
