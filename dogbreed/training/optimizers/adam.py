"""Adam, and AdamW with decoupled weight decay."""

from typing import TYPE_CHECKING

from dogbreed.configuration.optimizers import OPTIMIZERS, OptimizerSettings, ParameterGroups

if TYPE_CHECKING:
    import torch


def adam(groups: ParameterGroups, settings: OptimizerSettings) -> "torch.optim.Optimizer":
    """torch's Adam with its own betas."""
    import torch

    return torch.optim.Adam(groups, eps=settings.eps, weight_decay=settings.weight_decay)


def adamw(groups: ParameterGroups, settings: OptimizerSettings) -> "torch.optim.Optimizer":
    """torch's AdamW with its own betas."""
    import torch

    return torch.optim.AdamW(groups, eps=settings.eps, weight_decay=settings.weight_decay)


OPTIMIZERS.register("adam", adam)
OPTIMIZERS.register("adamw", adamw)
