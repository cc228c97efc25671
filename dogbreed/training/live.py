"""What a training shows while it runs: rows of the terminal's live block, lines elsewhere."""

import itertools
import math
import time
from collections.abc import Mapping, Sequence

from dogbreed.data.layouts.splits import SPLITS, PhotoFolders
from dogbreed.report.formatting import percent
from dogbreed.utils.metric_lines import brief_line, is_read_by_sagemaker
from dogbreed.utils.nouns import counted
from dogbreed.utils.screen import BRIEF, Canvas, open_block

MAX_PRINTED = 18  # about so many epochs are printed where there is no terminal
MAX_SPARKLINE = 56  # columns: with the lowest and highest value a line of 77
LONG_EPOCH_S = 3.0  # of a longer epoch the steps are shown

Epoch = Mapping[str, float]


def show_photos(folders: PhotoFolders, noun: str) -> None:
    """Show how many photos and classes there are, if there is a live block."""
    block = open_block()
    if block is None:
        return
    total = counted(len(folders.all_samples()), "photo")
    sizes = ", ".join(f"{len(folders.samples[split]):,} {split}" for split in SPLITS)
    line = f"{total} of {counted(len(folders.classes), noun)} ({sizes})"
    block.add(lambda canvas: [line])


def best_of(epochs: Sequence[Epoch]) -> Epoch:
    """The epoch whose weights are saved: that of the lowest validation loss; else the first."""
    finite = [epoch for epoch in epochs if not math.isnan(epoch["valid_loss"])]
    return min(finite or epochs[:1], key=lambda epoch: epoch["valid_loss"])


def printed_as(history: Sequence[Epoch], epochs: int) -> dict[str, str | None]:
    """What the log record of the newest epoch has for the screen besides its message.

    In a job nothing: SageMaker reads the metrics of each epoch. In a live block it has a row.
    Elsewhere the first, the last and evenly spaced epochs between are printed in brief.
    """
    if is_read_by_sagemaker():
        return {}
    number = int(history[-1]["epoch"])
    due = number in (1, epochs) or number % math.ceil(epochs / MAX_PRINTED) == 0
    if open_block() is not None or not due:
        return {BRIEF: None}
    return {BRIEF: brief_line(number, epochs, history[-1], int(best_of(history)["epoch"]))}


class EpochRow:
    """A row of the live block: the newest epoch, and the course of the validation top-1.

    `history` has the epochs of an earlier process first, if this one resumes it.
    """

    def __init__(self, epochs: int, history: Sequence[Epoch]) -> None:
        self._epochs, self._history = epochs, history
        self._before, self._started = len(history), time.monotonic()
        self._count, self._per_epoch_s = len(history), 0.0
        self._ended, self._step = self._started, ""

    def advance(self, step: int, steps: int) -> None:
        """Note the steps that are done of the running epoch; they are shown of a long one."""
        self._step = f"step {step:,}/{steps:,}"

    def end(self) -> None:
        """Show no steps any more: the training has ended."""
        self._step = ""

    def __call__(self, canvas: Canvas) -> list[str]:
        """`epoch 12/20  valid top-1 74.2 %  loss 1.21  best 74.2 % (12)  0.3 s/epoch`."""
        history = list(self._history)
        if len(history) > self._count:
            self._count, self._ended = len(history), time.monotonic()
            self._per_epoch_s = (self._ended - self._started) / (self._count - self._before)
        is_long = self._step and time.monotonic() - self._ended >= LONG_EPOCH_S
        running = [self._step] if is_long else []
        if not history:
            return packed([f"epoch 1/{self._epochs}", *running], canvas.width)
        now, best = history[-1], best_of(history)
        parts = [
            f"epoch {int(now['epoch'])}/{self._epochs}",
            f"valid top-1 {percent(now['valid_top1'])}",
            f"loss {now['valid_loss']:.2f}",
            f"best {percent(best['valid_top1'])} ({int(best['epoch'])})",
        ]
        if self._count > self._before:
            parts.append(f"{self._per_epoch_s:.{1 if self._per_epoch_s >= 0.095 else 2}f} s/epoch")
        top1 = [epoch["valid_top1"] for epoch in history]
        return [*packed(parts + running, canvas.width), *_course(top1, canvas)]


def packed(parts: Sequence[str], width: int) -> list[str]:
    """The parts as lines of at most `width` characters, where a part isn't longer itself."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f"  {part}"
        else:
            lines.append(part)
    return lines


def _course(values: Sequence[float], canvas: Canvas) -> list[str]:
    """The sparkline of finite values between their lowest and highest; none for fewer than two."""
    if len(values) < 2:
        return []
    label = f"{percent(min(values))} to {percent(max(values))}"
    line = sparkline(values, min(MAX_SPARKLINE, canvas.width), canvas.steps)
    return packed([line, label], canvas.width)


def sparkline(values: Sequence[float], width: int, steps: str) -> str:
    """One character per value, or per mean of neighbours where there are more than `width`."""
    columns = min(width, len(values))
    ends = [len(values) * column // columns for column in range(columns + 1)]
    means = [
        math.fsum(values[start:end]) / (end - start) for start, end in itertools.pairwise(ends)
    ]
    low, high = min(means), max(means)
    scale = (len(steps) - 1) / (high - low) if high > low else 0.0
    return "".join(steps[round((mean - low) * scale)] for mean in means)
