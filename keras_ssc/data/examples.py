"""A film -> the examples of a data set.

Here and not beside the builder: processes of Apache Beam, on this machine or
on another, have this package and not the builder's folder.
"""

import csv
import dataclasses
import io

from keras_ssc import flow
from keras_ssc.data import sampling
from keras_ssc.errors import FilmListError
from keras_ssc.films import image_files


def of_film(film, config, task):
    """Makes a film's examples, as a function of Apache Beam.

    Args:
        film: A `film_list.Film`.
        config: An `cleaning.ExtractConfig`.
        task: The data set's task, see `tasks`.

    Yields:
        Tuples (key, example); and for each pair that was dropped a line of
        CSV, tagged `dropped`: film, scene, path, frame_number, seconds,
        reason.

    Raises:
        VideoError: If the film cannot be read.
        ValueError: If all its pairs were dropped.
    """
    import apache_beam as beam

    try:
        extraction = sampling.extract_pairs(film, config)
    except FilmListError as error:
        raise FilmListError(f"film {film.name!r}: {error}") from error
    if not extraction.kept:
        raise ValueError(f"film {film.name!r}: no pair is left, all dropped")
    for outcome in extraction.outcomes:
        row = {**dataclasses.asdict(outcome.candidate), "film": film.name}
        row["genres"] = film.genres
        if outcome.reason:
            cells = [
                *(row[name] for name in ("film", "scene", "path")),
                *(row[name] for name in ("frame_number", "seconds")),
                outcome.reason,
            ]
            line = io.StringIO()
            csv.writer(line, lineterminator="").writerow(cells)
            yield beam.pvalue.TaggedOutput("dropped", line.getvalue())
            continue
        encoded = [outcome.frame_png, outcome.next_frame_png]
        frames = [image_files.decode_frame(png) for png in encoded]
        made = example(map(io.BytesIO, encoded), frames, row, task)
        yield f"{film.name}_{row['path'].name}_{row['frame_number']}", made


def example(frame_files, frames, row, task):
    """Returns an example with the features of `scene_genre`.

    Args:
        frame_files: Paths or binary files of the encoded frame and the next.
        frames: The two decoded, uint8 arrays (height, width, 3), RGB.
        row: Dict with `film`, `genres`, `scene`, `frame_number` and `seconds`.
        task: The data set's task, see `tasks`.

    Returns:
        A dict.
    """
    frame_file, next_frame_file = frame_files
    return {
        "frame": frame_file,
        "next_frame": next_frame_file,
        "label": task.example_label(row["genres"]),
        "film": row["film"],
        "scene": row["scene"],
        "frame_number": row["frame_number"],
        "seconds": row["seconds"],
        "motion_magnitude": flow.motion_magnitude(flow.farneback_flow(*frames)),
    }
