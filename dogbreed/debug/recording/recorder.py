"""The observer that writes all observations into a recording."""

import math
from pathlib import Path

from dogbreed.debug.recording.observations import Epoch, Layers, Start, Step
from dogbreed.debug.recording.records import (
    EPOCHS,
    LAYERS,
    STEPS,
    RecordingWriter,
    recorded_metrics,
)


class Recorder:
    """Writes the recording `path`, which `read_recording` reads at any moment.

    Raises:
        OSError, RecordingError: as RecordingWriter.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: RecordingWriter | None = None
        self._metrics = recorded_metrics()

    def start(self, start: Start) -> None:
        """Start a new recording, or append to that of the training that is resumed."""
        if not start.first_step:
            self._path.unlink(missing_ok=True)
        self._writer = RecordingWriter(self._path, start.layers)

    def step(self, step: Step) -> None:
        """A row of steps."""
        assert self._writer is not None
        self._writer.add(STEPS, step.step, step.cross_entropy, step.top1, step.lr, step.seconds)

    def layers(self, layers: Layers) -> None:
        """A row of layers."""
        assert self._writer is not None
        norms = (layers.grad_norm, layers.weight_norm, layers.update_ratio)
        self._writer.add(LAYERS, layers.step, *norms)

    def epoch(self, epoch: Epoch) -> None:
        """A row of epochs."""
        assert self._writer is not None
        self._writer.add(
            EPOCHS,
            *(epoch.epoch, epoch.step, epoch.train_cross_entropy, epoch.train_top1),
            *(epoch.valid_cross_entropy, epoch.valid_top1),
            *(epoch.valid_metrics.get(name, math.nan) for name in self._metrics),
        )

    def close(self) -> None:
        """Write what waits."""
        if self._writer is not None:
            self._writer.close()
