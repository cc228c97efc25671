"""Class activation maps of convolutional networks: Grad-CAM (Selvaraju et al. 2017), in torch."""

from typing import Any

import torch
from torch import Tensor, nn

from dogbreed.artifact.network import Network
from dogbreed.data.decoding.preprocessing import Pixels
from dogbreed.errors import EngineError
from dogbreed.runtime.runner import Floats


class GradCam:
    """Sums a network's last feature maps, each weighted by the mean gradient of a class's logit.

    Raises:
        EngineError: the network doesn't end in feature maps.
    """

    def __init__(self, network: Network, size_px: int) -> None:
        self._network = network
        self._layer = _last_map(network, size_px)

    def __call__(self, pixels: Pixels, class_index: int) -> Floats:
        """The class activation map, [cells, cells].

        `pixels` is one view, [size, size, 3].
        """
        captured: list[Tensor] = []

        def capture(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            # The parameters are frozen: the graph begins at this tensor. The next layer may modify
            # the clone in place.
            captured.append(output.detach().requires_grad_())
            return captured[-1].clone()

        handle = self._layer.register_forward_hook(capture)
        try:
            with torch.enable_grad():
                logits = _logits(self._network, torch.from_numpy(pixels.copy())[None])
                (gradient,) = torch.autograd.grad(logits[0, class_index], captured[-1])
        finally:
            handle.remove()
        weights = gradient.mean((2, 3), keepdim=True)
        weighted: Floats = (weights * captured[-1]).sum(1)[0].detach().numpy()
        return weighted


def _logits(network: Network, images: Tensor) -> Tensor:
    """The network's logits, with gradients through its frozen part too; images [n, h, w, 3]."""
    backbone = network.backbone
    logits: Tensor = network.head(backbone.tail(backbone.trunk(images.permute(0, 3, 1, 2))))
    return logits


def _last_map(network: Network, size_px: int) -> nn.Module:
    """The last layer whose output has more than one cell per channel, [n, channels, h, w]."""
    last: list[tuple[nn.Module, int]] = []

    def record(layer: nn.Module, inputs: Any, output: Any) -> None:
        # Transformers continue with tokens [n, tokens, width]: a map before them explains little.
        if isinstance(output, Tensor) and min(output.shape[-2:]) > 1 and output.ndim in (3, 4):
            last[:] = [(layer, output.ndim)]

    parts = (network.backbone.trunk.layers, network.backbone.tail)
    layers = [layer for part in parts for layer in part.modules()]  # type: ignore[union-attr]
    handles = [layer.register_forward_hook(record) for layer in layers]
    try:
        with torch.no_grad():
            _logits(network, torch.zeros(1, size_px, size_px, 3, dtype=torch.uint8))
    finally:
        for handle in handles:
            handle.remove()
    if not last or last[0][1] != 4:
        raise EngineError(
            f"explain: Grad-CAM needs a network that ends in convolutions, {network.backbone.name} "
            "ends in tokens: set explain=false, or train a ResNet, ConvNeXt or EfficientNet."
        )
    return last[0][0]
