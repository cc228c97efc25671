"""Grad-CAM (Selvaraju et al. 2017) in torch, for any network that ends in maps of features."""

from typing import Any

import torch
from torch import Tensor, nn

from dogbreed.artifact.network import Network
from dogbreed.data.decoding.photos import Pixels
from dogbreed.errors import EngineError
from dogbreed.runtime.runner import Floats


class GradCam:
    """Weighs a network's last maps by how a class's logit changes with them.

    Raises:
        EngineError: the network doesn't end in maps of features.
    """

    def __init__(self, network: Network, size_px: int) -> None:
        self._network = network
        self._layer = _last_map(network, size_px)

    def __call__(self, pixels: Pixels, class_index: int) -> Floats:
        """The Grad-CAM of a class before its ReLU: [cells, cells].

        `pixels` is one view, [size, size, 3].
        """
        outputs: list[Tensor] = []

        def record(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            # The parameters are frozen: the graph begins here. The copy may be changed in place.
            outputs.append(output.detach().requires_grad_())
            return outputs[-1].clone()

        handle = self._layer.register_forward_hook(record)
        try:
            with torch.enable_grad():
                logits = _logits(self._network, torch.from_numpy(pixels.copy())[None])
                (slope,) = torch.autograd.grad(logits[0, class_index], outputs[-1])
        finally:
            handle.remove()
        weights = slope.mean((2, 3), keepdim=True)
        weighted: Floats = (weights * outputs[-1]).sum(1)[0].detach().numpy()
        return weighted


def _logits(network: Network, images: Tensor) -> Tensor:
    """The network's logits, with a graph through its frozen part too; images [n, h, w, 3]."""
    backbone = network.backbone
    logits: Tensor = network.head(backbone.tail(backbone.trunk(images.permute(0, 3, 1, 2))))
    return logits


def _last_map(network: Network, size_px: int) -> nn.Module:
    """The last layer whose output has channels of more than one cell, [n, channels, h, w]."""
    last: list[tuple[nn.Module, int]] = []

    def inspect(layer: nn.Module, inputs: Any, output: Any) -> None:
        # Transformers continue with tokens [n, tokens, width]: a map before them explains little.
        if isinstance(output, Tensor) and min(output.shape[-2:]) > 1 and output.ndim in (3, 4):
            last[:] = [(layer, output.ndim)]

    parts = (network.backbone.trunk.layers, network.backbone.tail)
    layers = [layer for part in parts for layer in part.modules()]  # type: ignore[union-attr]
    handles = [layer.register_forward_hook(inspect) for layer in layers]
    try:
        with torch.no_grad():
            _logits(network, torch.zeros(1, size_px, size_px, 3, dtype=torch.uint8))
    finally:
        for handle in handles:
            handle.remove()
    if not last or last[0][1] != 4:
        raise EngineError(
            f"explain: Grad-CAM needs convolutions to the network's end, {network.backbone.name} "
            "ends in tokens. Omit explain, or train a ResNet, ConvNeXt or EfficientNet."
        )
    return last[0][0]
