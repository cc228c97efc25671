"""The observer that writes TensorBoard's events, by choice: `tensorboard --logdir outputs`."""

import math
from collections.abc import Mapping
from pathlib import Path

from dogbreed.debug.recording.observations import Epoch, Layers, Start, Step
from dogbreed.errors import RecordingError


class TensorBoardEvents:
    """Writes the same numbers as the recording, under names that group them.

    Raises:
        RecordingError: TensorBoard isn't installed.
        OSError: the folder can't be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise RecordingError(
                "debug.tensorboard=true: TensorBoard can't be used here "
                f"({error}): pip install 'dogbreed[tensorboard]'"
            ) from error
        self._folder = folder
        self._writer_class = SummaryWriter

    def start(self, start: Start) -> None:
        """Open the events; TensorBoard ignores those of steps that are trained again."""
        self._names = start.layers
        self._writer = self._writer_class(str(self._folder), purge_step=start.first_step or None)

    def step(self, step: Step) -> None:
        """Loss, accuracy and learning rate."""
        values = {"cross_entropy/train": step.cross_entropy, "top1/train": step.top1, "lr": step.lr}
        self._add(values, step.step)

    def layers(self, layers: Layers) -> None:
        """The norms of each layer."""
        for kind in ("grad_norm", "weight_norm", "update_ratio"):
            norms = getattr(layers, kind).tolist()
            names = (f"{kind}/{name}" for name in self._names)
            self._add(dict(zip(names, norms, strict=True)), layers.step)

    def epoch(self, epoch: Epoch) -> None:
        """Validation, at the epoch's last step."""
        values = {"cross_entropy/valid": epoch.valid_cross_entropy, "top1/valid": epoch.valid_top1}
        values |= {f"{name}/valid": value for name, value in epoch.valid_metrics.items()}
        self._add(values, epoch.step)
        self._writer.flush()

    def close(self) -> None:
        """Write what waits."""
        self._writer.close()

    def _add(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            if not math.isnan(value):  # a number that isn't known
                self._writer.add_scalar(name, value, step)
