"""Stochastic gradient descent with momentum."""

from typing import TYPE_CHECKING

from dogbreed.configuration.optimizers import OPTIMIZERS, OptimizerSettings, ParameterGroups

if TYPE_CHECKING:
    import torch


def sgd(groups: ParameterGroups, settings: OptimizerSettings) -> "torch.optim.Optimizer":
    """torch's SGD."""
    import torch

    return torch.optim.SGD(groups, momentum=settings.momentum, weight_decay=settings.weight_decay)


OPTIMIZERS.register("sgd", sgd)
