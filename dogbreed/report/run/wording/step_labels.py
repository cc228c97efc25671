"""Moments of a run: its steps with their epochs, and the seconds since it began."""

from collections.abc import Sequence

import numpy as np

from dogbreed.debug.recording.records import Recording
from dogbreed.report.formatting import seconds


def epochs_of(recording: Recording, steps: Sequence[int]) -> list[str]:
    """ " (epoch 3)" for each step; nothing while no epoch has ended that says which it is."""
    ends, epochs = recording.epochs["step"], recording.epochs["epoch"]
    if not len(ends):
        return [""] * len(steps)
    numbers = np.append(epochs, epochs[-1] + 1)[np.searchsorted(ends, steps)]
    return [f" (epoch {number})" for number in numbers.tolist()]


def at_step(recording: Recording, step: int) -> str:
    """step 640 (epoch 10)."""
    return f"step {step:,}{epochs_of(recording, [step])[0]}"


def at_second(elapsed_s: float) -> str:
    """2 min 7 s into the run: when a trigger saw something."""
    return seconds(elapsed_s)
