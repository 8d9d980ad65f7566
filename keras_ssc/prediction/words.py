"""A verdict in words: on the terminal, on the page and below pictures."""

from keras_ssc.films import film_list
from keras_ssc.genres import genre_words
from keras_ssc.metrics.tables import percent
from keras_ssc.metrics.unlike import UNLIKE

# Genres that a text lists, in a line and in lines.
_MOST_GENRES, _MOST_LINES = 8, 21

# What is said where none of several genres is named.
_NONE = "none of its genres"

# What is said instead of a genre, and of a shot.
_UNLIKE = "unlike the films it was trained on"
UNLIKE_SHOT = "unlike the training films"


def genre_score(scores, genre):
    """Says a genre and its score: `horror, 75.0 %`."""
    return f"{genre_words(genre)}, {percent(scores[genre])}"


def named(answer):
    """Says the genres that a verdict or an answer names, with their scores.

    Of what is unlike the training films it says that, and the best guess.
    """
    if answer.is_unlike:
        guess = max(answer.scores, key=answer.scores.get)
        return f"{_unlike(answer)}; best guess: " + genre_score(
            answer.scores, guess
        )
    told = [genre_score(answer.scores, genre) for genre in answer.genres]
    return "; ".join(told[:_MOST_GENRES]) or _NONE


def _unlike(answer):
    return f"{_UNLIKE} (familiarity {answer.familiarity:.2f})"


def headline(verdict):
    """Says a `verdict.FilmVerdict` in a few words."""
    is_said = verdict.is_sure or verdict.is_unlike
    uncertain = "" if is_said else "uncertain; best guess: "
    return uncertain + named(verdict)


def shot_text(shot):
    """Says a `verdict.ShotVerdict` in a few words."""
    if shot.genres is None:
        return "not judged"
    if shot.is_unlike:
        return UNLIKE_SHOT
    told = [
        f"{genre_words(genre)} {100 * shot.scores[genre]:.0f} %"
        for genre in shot.genres
    ]
    return ", ".join(told) or _NONE


def clock(seconds):
    """Writes a time or a length as hh:mm:ss."""
    return film_list.format_time(seconds)[:8]


def reasons(dropped):
    """Says how many pairs were dropped, and for what.

    Args:
        dropped: Dict from a reason to how many.
    """
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items())


def repeated(count, total):
    """Says how many pairs are one picture shown twice."""
    return (
        f"{count} of {total} pairs ({percent(count / total)}) are one picture "
        "that is shown twice or stands still"
    )


def film_text(verdict):
    """Returns a film's verdict as lines for people."""
    shares = verdict.shares if verdict.shots else None
    found = f"{verdict.num_pairs} pairs"
    if verdict.shots:
        length = clock(verdict.seconds)
        found = f"{length} long, {len(verdict.shots)} shots, {found}"
    if verdict.dropped:
        found += f"; dropped: {reasons(verdict.dropped)}"
    then = ""
    if verdict.runner_up is not None and not verdict.is_unlike:
        then = f"; then {genre_score(verdict.scores, verdict.runner_up)}"
    return "\n".join(
        [
            f"{verdict.path}: {headline(verdict)}{then}",
            *_score_lines(verdict.scores, shares),
            f"  {found}",
            *(f"  {line}" for line in remarks(verdict)),
        ]
    )


def remarks(verdict):
    """Returns what else there is to tell of a film, line by line."""
    lines = list(verdict.notes)
    if verdict.num_repeated:
        lines.append(repeated(verdict.num_repeated, verdict.num_pairs) + ".")
    if verdict.familiarity is not None:
        lines.append(_familiarity_text(verdict))
    return lines


def _familiarity_text(verdict):
    """Says how familiar a film is, and how many of its pairs do not vote."""
    told = f"familiarity {verdict.familiarity:.2f}"
    if verdict.num_unlike:
        told += (
            f"; {verdict.num_unlike} of {verdict.num_pairs} pairs are "
            f"{_UNLIKE} (below {UNLIKE}) and do not vote"
        )
    return f"{told}."


def pair_text(answer):
    """Returns a pair's `serving_client.Answer` as lines for people."""
    lines = [f"genre: {', '.join(answer.genres) or _NONE}"]
    if answer.is_unlike:
        lines = [named(answer)]
    lines += _score_lines(answer.scores)
    return "\n".join([*lines, *measured_lines(answer)])


def measured_lines(answer):
    """Says a pair's motion and familiarity, each in a line if it is known."""
    lines = []
    if answer.motion_magnitude is not None:
        lines.append(f"motion magnitude: {answer.motion_magnitude:.4g}")
    if answer.familiarity is not None:
        lines.append(f"familiarity: {answer.familiarity:.2f}")
    return lines


def _score_lines(scores, shares=None):
    ordered = sorted(scores.items(), key=lambda item: -item[1])
    shown = ordered[: _MOST_LINES if len(ordered) > _MOST_LINES + 1 else None]
    width = max(16, *(len(genre) + 1 for genre, _ in shown))
    for genre, score in shown:
        line = f"  {genre:<{width}}{100 * score:5.1f} %"
        if shares is not None:
            line += f"  {100 * shares[genre]:5.1f} % of the film"
        yield line
    if len(shown) < len(ordered):
        yield f"  and {len(ordered) - len(shown)} more, each with less"


def page_lines(verdict):
    """Returns what the page says below a film's headline, line by line."""
    shares = sorted(verdict.shares.items(), key=lambda item: -item[1])
    evidence = ", ".join(
        f"{genre_words(genre)} in {percent(share)} of the film"
        for genre, share in shares[:_MOST_GENRES]
        if share
    )
    then = ""
    if verdict.runner_up is not None and not verdict.is_unlike:
        then = f" The runner-up is {genre_words(verdict.runner_up)}."
    pairs = f"{verdict.num_pairs} pairs of {len(verdict.shots)} shots"
    if verdict.dropped:
        pairs += f"; pairs not used: {reasons(verdict.dropped)}"
    return [
        f"{verdict.path}, {clock(verdict.seconds)}",
        f"Evidence for {evidence or _NONE}.{then}",
        f"Based on {pairs}.",
        *remarks(verdict),
    ]
