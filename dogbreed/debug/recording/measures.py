"""What is measured of a network: its trained layers' norms, its silent units, its inputs."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dogbreed.debug.recording.observations import Counts, Floats, Inputs

ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU),
    *(nn.Hardswish, nn.Sigmoid, nn.Tanh),
)
# A unit that gives less than this for all photos is silent; GELU and SiLU never reach zero.
SILENT = 1e-6


class TrainedLayers:
    """The modules whose own parameters are trained, and the norms over each one's parameters.

    Trained is what requires a gradient or is in an optimiser's hands: a head that was frozen by
    mistake is the second alone.
    """

    def __init__(self, module: nn.Module, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        held = {
            id(parameter)
            for optimizer in optimizers
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        layers: dict[str, list[nn.Parameter]] = {}
        for name, parameter in module.named_parameters():
            if parameter.requires_grad or id(parameter) in held:
                layers.setdefault(name.rpartition(".")[0] or name, []).append(parameter)
        self.names = tuple(layers)
        self.sizes = tuple(sum(p.numel() for p in parameters) for parameters in layers.values())
        self._parameters = [p for parameters in layers.values() for p in parameters]
        self._layer_of = torch.tensor(
            [number for number, parameters in enumerate(layers.values()) for _ in parameters]
        )
        self._before: list[Tensor] = []
        self._norm_before = self._grad_norm = torch.empty(0)

    def before_step(self) -> None:
        """Copy the weights; compute the gradients' norms [layers], NaN where there is none."""
        if not self._before:  # allocated once
            self._before = [torch.empty_like(p) for p in self._parameters]
        with torch.no_grad():
            for copy, parameter in zip(self._before, self._parameters, strict=True):
                copy.copy_(parameter)
            self._norm_before = self._norms(self._before)
            self._grad_norm = self._norms(
                torch.full((), torch.nan, device=p.device) if p.grad is None else p.grad
                for p in self._parameters
            )

    def after_step(self) -> tuple[Floats, Floats, Floats]:
        """Norms of gradients, of weights before the step, and of the change over the latter."""
        with torch.no_grad():
            change = self._norms(
                p - copy for p, copy in zip(self._parameters, self._before, strict=True)
            )
        grad, weight = self._grad_norm.numpy(), self._norm_before.numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(change.numpy() == 0, 0, change.numpy() / weight)
        return grad, weight, ratio.astype(np.float32)

    def _norms(self, tensors: Iterable[Tensor]) -> Tensor:
        squares = torch.stack([torch.linalg.vector_norm(t.float()) for t in tensors]).cpu() ** 2
        return torch.zeros(len(self.names)).index_add(0, self._layer_of, squares).sqrt()


class ActivationProbe:
    """Inspects activations and inputs during one forward pass, then removes its hooks."""

    def __init__(self, module: nn.Module) -> None:
        self._leaves = [m for m in module.modules() if _has_weights(m)]
        self._activations = dict(_trained_activations(module))
        self._first: nn.Module | None = None
        self._handles: list[RemovableHandle] = []
        self._calls: dict[str, int] = {}
        self._silent: dict[str, Counts] = {}
        self.inputs: Inputs | None = None

    @property
    def silent(self) -> dict[str, Counts]:
        """Of each activation's units, for how many records in a row they were zero."""
        return dict(self._silent)

    def begin(self) -> None:
        """Inspect the next forward pass."""
        self.inputs = None
        self._calls.clear()
        # The layer that is called first is known once it was.
        for leaf in [self._first] if self._first else self._leaves:
            self._handles.append(leaf.register_forward_pre_hook(self._on_inputs))
        for activation in self._activations:
            self._handles.append(activation.register_forward_hook(self._on_outputs))

    def end(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _on_inputs(self, module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        if self.inputs is not None:
            return
        self._first = module
        inputs = arguments[0].detach().float()
        sd, mean = torch.std_mean(inputs)
        is_photos = isinstance(module, nn.Conv2d) and module.in_channels in (1, 3)
        numbers = torch.stack([mean, sd, inputs.min()]).tolist()
        self.inputs = Inputs(mean=numbers[0], sd=numbers[1], least=numbers[2], is_photos=is_photos)

    def _on_outputs(self, module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        # Networks use one activation in several places of a block.
        name = self._activations[module]
        number = self._calls[name] = self._calls.get(name, 0) + 1
        place = name if number == 1 else f"{name} ({number})"
        units = 1 if output.dim() == 4 else output.dim() - 1  # channels of maps, else the last
        others = [dimension for dimension in range(output.dim()) if dimension != units]
        nothing = (output.detach().abs().amax(others) < SILENT).cpu().numpy()
        before = self._silent.get(place, np.zeros(len(nothing), np.int64))
        self._silent[place] = np.where(nothing, before + 1, 0)


def first_not_finite(module: nn.Module, run: Callable[[], object]) -> str | None:
    """The first layer whose output isn't finite when `run` makes a forward pass, in words."""
    found: list[str] = []
    names = {m: name for name, m in module.named_modules() if _is_leaf(m)}

    def inspect(layer: nn.Module, arguments: tuple[object, ...], output: object) -> None:
        if found or not isinstance(output, Tensor) or bool(output.isfinite().all()):
            return
        given = [a for a in arguments if isinstance(a, Tensor)]
        if not all(bool(a.isfinite().all()) for a in given):
            found.append(f"the input of {names[layer]}")
        elif not all(bool(p.isfinite().all()) for p in layer.parameters()):
            found.append(f"the weights of {names[layer]}")
        else:
            found.append(f"the output of {names[layer]}")

    handles = [layer.register_forward_hook(inspect) for layer in names]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def _is_leaf(module: nn.Module) -> bool:
    return next(module.children(), None) is None


def _has_weights(module: nn.Module) -> bool:
    return _is_leaf(module) and next(module.parameters(), None) is not None


def _trained_activations(module: nn.Module) -> Iterable[tuple[nn.Module, str]]:
    """Activations beside trained layers, with their names."""
    for parent_name, parent in module.named_modules():
        if not any(p.requires_grad for p in parent.parameters()):
            continue
        for name, child in parent.named_children():
            if isinstance(child, ACTIVATIONS):
                yield child, f"{parent_name}.{name}".lstrip(".")
