"""Scores found transitions against known ones.

The rule of TRECVID: a found one counts for a known one that it lies in, and for
one alone; a second in the same is false.
"""

import collections
import dataclasses

import numpy as np

# A found transition may lie so many frames before or behind a known one.
TOLERANCE = 2

# A false one so near to a known one, or to a distractor, is put down to it.
_NEAR_TRANSITION, _NEAR_DISTRACTOR = 12, 3


@dataclasses.dataclass(frozen=True, eq=False)
class Film:
    """A film whose transitions are known.

    Attributes:
        path: `pathlib.Path`.
        num_frames: Integer.
        transitions: List of `shots.Transition`, ascending; the kind is
            `"gradual"` where the truth does not say which.
        distractors: List of the same, what is no transition.
        montage: Boolean, whether it is scored apart.
    """

    path: object
    num_frames: int
    transitions: list
    distractors: list = dataclasses.field(default_factory=list)
    montage: bool = False


class Score:
    """Counts hits, misses and false alarms over films.

    Args:
        tolerance: Integer, frames.
    """

    def __init__(self, tolerance=TOLERANCE):
        self.tolerance = tolerance
        self.num_frames = 0
        self.known = collections.Counter()
        self.hits = collections.Counter()
        self.false = collections.Counter()
        self.named = []
        self.offsets = []

    def add(self, film, found):
        """Adds a film.

        Args:
            film: A `Film`.
            found: Sequence of `shots.Transition`; the kind may be None.
        """
        self.num_frames += film.num_frames
        self.known.update(x.kind for x in film.transitions)
        matched = self._matched(film.transitions, found)
        for place, known in matched.items():
            self.hits[known.kind] += 1
            if found[place].kind is not None and known.kind != "gradual":
                self.named.append(found[place].kind == known.kind)
            if known.num_frames and found[place].num_frames:
                self.offsets.append(
                    (
                        abs(found[place].first_frame - known.first_frame),
                        abs(found[place].end_frame - known.end_frame),
                    )
                )
        for place, each in enumerate(found):
            if place not in matched:
                self.false[self._cause(film, _frame(each))] += 1

    def _matched(self, known, found):
        """Returns a dict from places in `found` to known transitions."""
        near = []
        for place, each in enumerate(found):
            for number, one in enumerate(known):
                beyond = _beyond(one, _frame(each))
                if beyond <= self.tolerance:
                    from_middle = abs(_frame(each) - _frame(one))
                    near.append((beyond, from_middle, place, number))
        matched, taken = {}, set()
        for _, _, place, number in sorted(near):
            if place not in matched and number not in taken:
                matched[place] = known[number]
                taken.add(number)
        return matched

    def _cause(self, film, frame):
        beyond = [_beyond(x, frame) for x in film.transitions]
        if min(beyond, default=np.inf) <= self.tolerance:
            return "duplicate"
        for each in film.distractors:
            if _beyond(each, frame) <= _NEAR_DISTRACTOR:
                return each.kind
        if min(beyond, default=np.inf) <= _NEAR_TRANSITION:
            return "near a transition"
        return "nothing"

    def summary(self):
        """Returns the scores as a dict of plain values."""
        num_hits, num_false = self.hits.total(), self.false.total()
        precision = _share(num_hits, num_hits + num_false)
        recall = _share(num_hits, self.known.total())
        first, end = np.median(self.offsets or [(np.nan,) * 2], axis=0).tolist()
        return {
            "num_frames": self.num_frames,
            "precision": precision,
            "recall": recall,
            "f1": 2 * precision * recall / max(precision + recall, 1e-9),
            "hits": {
                kind: [self.hits[kind], number]
                for kind, number in sorted(self.known.items())
            },
            "false": dict(sorted(self.false.items())),
            "false_per_1000_frames": _share(1000 * num_false, self.num_frames),
            "kind_right": _share(sum(self.named), len(self.named))
            if self.named
            else None,
            "frames_off": [first, end] if self.offsets else None,
        }


def _share(part, whole):
    return part / whole if whole else 0.0


def _frame(transition):
    """Returns where a transition is: its middle; of a cut its frame."""
    return (transition.first_frame + transition.end_frame) / 2


def _beyond(transition, frame):
    """Returns how many frames a frame is before or behind a transition."""
    return max(transition.first_frame - frame, frame - transition.end_frame, 0)
