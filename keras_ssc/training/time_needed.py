"""Says early how long a training will take."""

import statistics
import sys
import time

import keras

# Steps that are timed. The one before them compiles.
_NUM_STEPS = 3

# A training that ends sooner needs no word.
_MOST_SECONDS = 600


class TimeNeeded(keras.callbacks.Callback):
    """Tells after the first steps how long a long training will take.

    Args:
        num_steps: Integer, all steps that are to be done.
        remedy: String, what takes less time.
    """

    def __init__(self, num_steps, remedy):
        super().__init__()
        self.num_steps = num_steps
        self.remedy = remedy
        self._ends = []

    def on_train_batch_end(self, batch, logs=None):
        """Takes the time; tells it once."""
        if len(self._ends) > _NUM_STEPS:
            return
        self._ends.append(time.monotonic())
        if len(self._ends) <= _NUM_STEPS:
            return
        pairs = zip(self._ends, self._ends[1:], strict=False)
        step = statistics.median(end - start for start, end in pairs)
        seconds = step * self.num_steps
        if seconds > _MOST_SECONDS:
            print(
                f"\nnote: on this machine, without a GPU, this training takes "
                f"about {_words(seconds)}: {self.num_steps:,} steps of "
                f"{step:.1f} s. {self.remedy}",
                file=sys.stderr,
            )


def _words(seconds):
    minutes = seconds / 60
    if minutes < 100:
        return f"{minutes:.0f} minutes"
    hours = minutes / 60
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
