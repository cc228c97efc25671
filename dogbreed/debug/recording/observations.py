"""The observations of a training: its steps, its layers, its epochs; and who receives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Start:
    """What is known before the first step.

    `layers` are the trained layers' names in the order of the network, `sizes` how many weights
    each has; `first_step` is above 0 where an interrupted training is resumed; `weighted_classes`
    says whether the loss weighs the classes; `patience` after how many epochs without a better one
    early stopping ends the training, None: it doesn't.
    """

    layers: tuple[str, ...]
    sizes: tuple[int, ...]
    first_step: int
    weighted_classes: bool
    patience: int | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """One optimiser step, counted from 0.

    `cross_entropy` (nats) is the batch's plain one, before the step; where a module doesn't give
    its logits, the loss that it minimises. `top1` is a share, NaN where it isn't known; `classes`
    is None there. `culprit` says where a loss that isn't finite comes from.
    """

    step: int
    cross_entropy: float
    top1: float
    lr: float
    seconds: float
    ends_epoch: bool = False
    classes: int | None = None
    culprit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The inputs of the first layer in a batch: mean, standard deviation, and the least value."""

    mean: float
    sd: float
    least: float
    is_photos: bool


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The trained layers at one step: norms over each layer's weights, [layers] each.

    `update_ratio` is the norm of the step's change over that of the weights before it. A gradient
    that isn't there is NaN. `silent` says of each unit of each activation, by the activation's
    name, for how many records in a row it gave nothing for any photo.
    """

    step: int
    cross_entropy: float
    lr: float
    grad_norm: Floats
    weight_norm: Floats
    update_ratio: Floats
    inputs: Inputs | None = None
    silent: Mapping[str, Counts] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """An epoch, counted from 1, with its validation; `step` is its last one.

    `class_counts` are the photos of each class that it trained on, where targets are given.
    `valid_metrics` are the values of further registered metrics by name, NaN where none is logged.
    """

    epoch: int
    step: int
    train_cross_entropy: float
    train_top1: float
    valid_cross_entropy: float
    valid_top1: float
    class_counts: Sequence[int] | None = None
    valid_metrics: Mapping[str, float] = field(default_factory=dict)


class Observer(Protocol):
    """What receives the observations of a training.

    An OSError or RecordingError from any of these ends its observations, not the training.
    """

    def start(self, start: Start) -> None:
        """Before the first step."""

    def step(self, step: Step) -> None:
        """After each step."""

    def layers(self, layers: Layers) -> None:
        """After every n-th step."""

    def epoch(self, epoch: Epoch) -> None:
        """After each epoch's validation."""

    def close(self) -> None:
        """After the last step, however the training ended."""
