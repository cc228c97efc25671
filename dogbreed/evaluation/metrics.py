"""The metrics of a split."""

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score


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
        # Each process meters all that it was given; Lightning's processes may be gone by then.
        alone: dict[str, Any] = {"sync_on_compute": False}
        self._loss = MeanMetric(**alone)
        self._shares = MetricCollection(
            {
                "top1": MulticlassAccuracy(num_classes, average="micro", **alone),
                "top5": MulticlassAccuracy(num_classes, min(5, num_classes), "micro", **alone),
                "macro_f1": MulticlassF1Score(num_classes, average="macro", **alone),
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
