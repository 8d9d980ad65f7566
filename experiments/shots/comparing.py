"""Detectors compared on films whose transitions are known, as a table."""

import hashlib

from experiments.measured import machine
from experiments.measured import processor_seconds
from experiments.shots import detectors
from experiments.shots import scoring
from keras_ssc import checks
from keras_ssc.metrics import tables

_KINDS = ("cut", "dissolve", "fade", "wipe", "gradual")


def chosen(names=None):
    """Chooses detectors.

    Args:
        names: Sequence of keys of `detectors.DETECTORS`; all that can run here
            if None.

    Returns:
        A tuple (names, lines): a list, and why others were left out.

    Raises:
        ValueError: If one that was named is unknown or cannot run here.
    """
    for name in names or ():
        checks.one_of("detector", name, detectors.DETECTORS)
    reasons = {
        name: detectors.missing(name) for name in names or detectors.DETECTORS
    }
    lines = [line for line in reasons.values() if line]
    if names and lines:
        raise ValueError(lines[0])
    return [name for name, line in reasons.items() if not line], lines


def measure(
    films, names, tolerance=scoring.TOLERANCE, earlier=None, progress=None
):
    """Runs detectors on films and scores them.

    Args:
        films: List of `scoring.Film`.
        names: List of keys of `detectors.DETECTORS`.
        tolerance: Integer, frames that a found transition may be off.
        earlier: What this function returned of the same films, whose other
            detectors are kept; None for none.
        progress: Function of a string, called after each detector.

    Returns:
        A dict of plain values: `machine`; `tolerance`; `num_films`; `truth`,
        a checksum of what is known of them; `detectors`, a dict from names to
        `films` and `montage`, each as of `scoring.Score.summary` or None if
        there are no such films, and `times_decoding`, processor time as a
        multiple of decoding alone.

    Raises:
        ValueError: If what is kept is of other films, or by another tolerance.
        VideoError: If a film cannot be read.
    """
    rule = {"tolerance": tolerance, "truth": _checksum(films)}
    kept = earlier or {**rule, "detectors": {}}
    for key, value in rule.items():
        if kept.get(key) != value:
            raise ValueError(
                f"Expected earlier results of the same films, with the {key} "
                f"{value}. Received: {kept.get(key)}. Leave --keep out, or "
                "name another --out."
            )
    _, decoding = _run(detectors.decoding, films, tolerance)
    measured = dict(kept["detectors"])
    for name in names:
        scores, seconds = _run(detectors.DETECTORS[name], films, tolerance)
        measured[name] = {**scores, "times_decoding": seconds / decoding}
        if progress is not None:
            progress(f"{name}: {seconds:.0f} s of processor time")
    return {
        "machine": machine(),
        "num_films": len(films),
        **rule,
        "detectors": {
            name: measured[name]
            for name in detectors.DETECTORS
            if name in measured
        },
    }


def _checksum(films):
    known = [
        (film.num_frames, film.transitions, film.distractors) for film in films
    ]
    return hashlib.sha256(repr(known).encode()).hexdigest()[:12]


def _run(detect, films, tolerance):
    """Returns the scores of a detector and the processor seconds it took."""
    scores = {key: scoring.Score(tolerance) for key in ("films", "montage")}
    before = processor_seconds()
    for film in films:
        found = detect(film.path)
        scores["montage" if film.montage else "films"].add(film, found)
    seconds = processor_seconds() - before
    return {
        key: score.summary() if score.num_frames else None
        for key, score in scores.items()
    }, seconds


def text_of(found):
    """Writes what `measure` returned as Markdown."""
    parts = [
        f"{found['machine']}; {found['num_films']} films. Processor time as a "
        "multiple of decoding alone."
    ]
    named = {
        "films": "Transitions found of those that are there:",
        "montage": "Fast montage, shots of 4 to 20 frames:",
    }
    for key, words in named.items():
        scored = {name: each[key] for name, each in found["detectors"].items()}
        if all(scored.values()):
            times = [
                f"{each['times_decoding']:.1f}"
                for each in found["detectors"].values()
            ]
            parts += [words, _scores_table(scored, times)]
            if any(each["false"] for each in scored.values()):
                parts.append(_false_table(scored))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _scores_table(scored, times):
    kinds = [
        kind
        for kind in _KINDS
        if any(kind in each["hits"] for each in scored.values())
    ]
    header = ["", "precision", "recall", "F1", *kinds, "false a 1,000 frames"]
    header += ["kind right", "first, last frame off", "times decoding"]
    rows = [
        [
            name,
            *(f"{each[key]:.2f}" for key in ("precision", "recall", "f1")),
            *("{} of {}".format(*each["hits"][kind]) for kind in kinds),
            f"{each['false_per_1000_frames']:.2f}",
            tables.percent(each["kind_right"]),
            "{:.0f}, {:.0f}".format(*each["frames_off"])
            if each["frames_off"]
            else "-",
            time,
        ]
        for (name, each), time in zip(scored.items(), times, strict=True)
    ]
    return tables.markdown_table(header, rows)


def _false_table(scored):
    causes = sorted(
        {cause for each in scored.values() for cause in each["false"]}
    )
    rows = [
        [name, *(each["false"].get(cause, 0) for cause in causes)]
        for name, each in scored.items()
    ]
    return tables.markdown_table(["false alarms", *causes], rows)
