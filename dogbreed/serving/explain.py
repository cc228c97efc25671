"""What in a photo speaks for a class: Grad-CAM (Selvaraju et al. 2017), laid over the photo."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from dogbreed.data.photos import CENTRE, Pixels, Preprocessing
from dogbreed.errors import EngineError
from dogbreed.network import Network
from dogbreed.serving.forms import Floats

LONGEST_PX = 1024  # of the result: it is looked at, not measured
SHORTEST_PX = 512  # below it, a photo under its heat is hard to recognise

# Inferno (van der Walt & Smith 2015): even steps of heat look evenly apart, in grey as well.
_COLOURS = np.array(
    [
        (0, 0, 4),
        (31, 12, 72),
        (85, 15, 109),
        (136, 34, 106),
        (186, 54, 85),
        (227, 89, 51),
        (249, 140, 10),
        (249, 201, 50),
        (252, 255, 164),
    ],
    np.float32,
)
_MOST_OPAQUE = 0.7


class Explainer:
    """Explains what a network sees.

    Raises:
        EngineError: the network has no map of features to take the heat from.
    """

    def __init__(self, network: Network, preprocessing: Preprocessing) -> None:
        self._network = network
        self._preprocessing = preprocessing
        self._layer = _last_map(network, preprocessing.size_px)
        # What a photo's shorter side should have at least, where the photo has it.
        self.wanted_px = max(SHORTEST_PX, preprocessing.size_px)

    def explain(self, photo: Image.Image, class_index: int) -> Image.Image:
        """An upright RGB photo with the heat of a class over its centre square."""
        heat = self.heat(self._preprocessing.view(photo, CENTRE), class_index)
        small = photo.copy()
        small.thumbnail((LONGEST_PX, LONGEST_PX))
        return overlay(small, heat, self._preprocessing.crop_share)

    def heat(self, pixels: Pixels, class_index: int) -> Floats:
        """How much each cell of the last map speaks for a class: [cells, cells] in 0..1.

        `pixels` is one view, [size, size, 3].
        """
        kept: list[Tensor] = []

        def keep(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            # The parameters are frozen: the graph begins here. The copy may be changed in place.
            kept.append(output.detach().requires_grad_())
            return kept[-1].clone()

        handle = self._layer.register_forward_hook(keep)
        try:
            with torch.enable_grad():
                logits = _logits(self._network, torch.from_numpy(pixels.copy())[None])
                (slope,) = torch.autograd.grad(logits[0, class_index], kept[-1])
        finally:
            handle.remove()
        weights = slope.mean((2, 3), keepdim=True)
        heat = (weights * kept[-1]).sum(1)[0].detach().relu()
        shares: Floats = (heat / heat.max().clamp_min(1e-12)).numpy()
        return shares


def overlay(photo: Image.Image, heat: Floats, crop_share: float = 1.0) -> Image.Image:
    """The photo under colours that are the stronger, the hotter: [cells, cells] in 0..1.

    The heat covers what the centre view shows: a square of `crop_share` of the shorter side.
    """
    side = max(1, round(min(photo.size) * crop_share))
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    smooth = Image.fromarray(heat.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC)
    shares = np.asarray(smooth).clip(0, 1)
    opacity = (_MOST_OPAQUE * shares)[..., None]
    pixels = np.array(photo, np.float32)
    square = pixels[top : top + side, left : left + side]
    square[:] = (1 - opacity) * square + opacity * _coloured(shares)
    return Image.fromarray(pixels.round().astype(np.uint8))


def _coloured(shares: Floats) -> Floats:
    """Shares [h, w] in 0..1 as colours [h, w, 3]."""
    steps = np.linspace(0, 1, len(_COLOURS))
    channels = [np.interp(shares, steps, channel) for channel in _COLOURS.T]
    return np.stack(channels, -1).astype(np.float32)


def _logits(network: Network, images: Tensor) -> Tensor:
    """As the network gives them, with a graph through its frozen part too; images [n, h, w, 3]."""
    backbone = network.backbone
    logits: Tensor = network.head(backbone.tail(backbone.trunk(images.permute(0, 3, 1, 2))))
    return logits


def _last_map(network: Network, size_px: int) -> nn.Module:
    """The last layer that gives channels of more than one cell, [n, channels, h, w]."""
    last: list[tuple[nn.Module, int]] = []

    def look(layer: nn.Module, inputs: Any, output: Any) -> None:
        # Transformers go on with tokens [n, tokens, width]: a map before them explains little.
        if isinstance(output, Tensor) and min(output.shape[-2:]) > 1 and output.ndim in (3, 4):
            last[:] = [(layer, output.ndim)]

    parts = (network.backbone.trunk.layers, network.backbone.tail)
    layers = [layer for part in parts for layer in part.modules()]  # type: ignore[union-attr]
    handles = [layer.register_forward_hook(look) for layer in layers]
    try:
        with torch.no_grad():
            _logits(network, torch.zeros(1, size_px, size_px, 3, dtype=torch.uint8))
    finally:
        for handle in handles:
            handle.remove()
    if not last or last[0][1] != 4:
        raise EngineError(
            f"explain: Grad-CAM needs convolutions to the network's end, {network.backbone.name} "
            "ends in tokens. Leave explain away, or train a ResNet, ConvNeXt or EfficientNet."
        )
    return last[0][0]
