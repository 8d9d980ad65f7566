"""A film's shots, and what leads from one to the next."""

import dataclasses

KINDS = ("cut", "dissolve", "fade", "wipe")


@dataclasses.dataclass(frozen=True)
class Transition:
    """What leads from a shot to the next.

    Attributes:
        kind: String, one of `KINDS`.
        first_frame: Integer, the first frame that no longer shows the earlier
            shot alone; of a cut the next shot's first frame.
        end_frame: Integer, the next shot's first frame; of a cut the same. The
            transition's own frames are those from `first_frame` to the one
            before `end_frame`.
    """

    kind: str
    first_frame: int
    end_frame: int

    @property
    def num_frames(self):
        """How many frames show the transition; 0 for a cut."""
        return self.end_frame - self.first_frame


@dataclasses.dataclass(frozen=True)
class Shot:
    """A part of a film between two transitions.

    Attributes:
        start_seconds: Float, presentation time of its first frame.
        end_seconds: Float, when the frame after its last one is shown.
        first_frame: Integer, its first frame's number in the film, from 0.
        end_frame: Integer, the number of the frame after its last one.
        transition: The `Transition` that leads to it; None for a film's first
            shot, and where the film was not searched for shots.
    """

    start_seconds: float
    end_seconds: float
    first_frame: int = 0
    end_frame: int = 0
    transition: Transition | None = None
