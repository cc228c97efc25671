"""The optimisers by the name that `optim.name` takes.

The configuration lists the names in --help: no module that registers one imports torch before it
builds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dogbreed.utils.registry import Registry

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """The keys of `optim` that an optimiser may use; the learning rates are in its groups."""

    eps: float
    weight_decay: float
    momentum: float


# The head first, then the trained layers of the backbone: dictionaries of `params` and `lr`.
ParameterGroups = list[dict[str, Any]]
Builder = Callable[[ParameterGroups, OptimizerSettings], "torch.optim.Optimizer"]

OPTIMIZERS: Registry[Builder] = Registry("optimiser", "dogbreed.training.optimizers")
