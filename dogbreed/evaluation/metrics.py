"""The metrics of a split, and the line that carries them out of a running job."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from torch import Tensor
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

# What a training run prints after each epoch where there is no terminal.
LINE_METRICS = ("train_loss", "train_top1", "valid_loss", "valid_top1")
_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|nan|inf)"


@dataclass(frozen=True, kw_only=True)
class SplitMetrics:
    """How a model did on one split. All but `loss` (lower is better) are shares: higher is better.

    `loss` is the cross entropy in nats, without label smoothing or class weights, so that runs
    with different settings can be compared. `top5` counts a photo if its class is among the five
    likeliest (all of them, where there are fewer). `macro_f1` is the mean over classes.
    """

    loss: float
    top1: float
    top5: float
    macro_f1: float
    n: int

    def as_dict(self) -> dict[str, float | int]:
        """The fields in their order."""
        return asdict(self)


class SplitMeter:
    """Collects the metrics of a split, batch by batch."""

    def __init__(self, num_classes: int) -> None:
        self._loss = MeanMetric()
        self._shares = MetricCollection(
            {
                "top1": MulticlassAccuracy(num_classes, average="micro"),
                "top5": MulticlassAccuracy(num_classes, top_k=min(5, num_classes), average="micro"),
                "macro_f1": MulticlassF1Score(num_classes, average="macro"),
            },
            compute_groups=False,
        )
        self._count = 0

    def update(self, log_probabilities: Tensor, targets: Tensor) -> None:
        """log_probabilities [n, classes] and targets [n], on the CPU."""
        chosen = log_probabilities.gather(1, targets[:, None])
        self._loss.update(-chosen.mean(), weight=len(targets))
        self._shares.update(log_probabilities, targets)
        self._count += len(targets)

    def compute(self) -> SplitMetrics:
        """The metrics of all that was seen."""
        shares = {name: float(value) for name, value in self._shares.compute().items()}
        return SplitMetrics(loss=float(self._loss.compute()), n=self._count, **shares)


def metric_line(epoch: int, values: Mapping[str, float]) -> str:
    """One epoch as a line: `epoch=3 train_loss=0.512300 valid_top1=0.801000`."""
    shown = [f"{name}={values[name]:.6f}" for name in LINE_METRICS if name in values]
    return " ".join([f"epoch={epoch}", *shown])


def metric_regexes() -> dict[str, str]:
    """For each metric the regular expression that reads its value back from a line."""
    return {name: rf"\b{re.escape(name)}=({_NUMBER})" for name in LINE_METRICS}
