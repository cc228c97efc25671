"""torchvision's classification networks and their weights."""

import io
import os
import re
import socket
import sys
import warnings
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
import torchvision
from torch import Tensor, nn

from dogbreed.backbone.providers.base import PROVIDERS, Provider
from dogbreed.errors import WeightsError
from dogbreed.utils.user_paths import cache_dir, cached_in, private_folder

# Networks whose layers can be called one after the other, and so be cut before the last stage:
# the attributes in the order of their forward pass. `features` stands for its own layers.
_STAGES = ("layer1", "layer2", "layer3", "layer4")
_BLOCKS = ("block1", "block2", "block3", "block4")
_SEQUENCES: dict[tuple[str, ...], tuple[tuple[str, ...], str]] = {
    ("resnet", "resnext", "wide_resnet"): (
        ("conv1", "bn1", "relu", "maxpool", *_STAGES, "avgpool", "flatten", "fc"),
        "layer4",
    ),
    ("regnet",): (("stem", *_BLOCKS, "avgpool", "flatten", "fc"), "block4"),
    ("efficientnet", "mobilenet_v3"): (
        ("features", "avgpool", "flatten", "classifier"),
        "features.-2",
    ),
    ("convnext",): (("features", "avgpool", "classifier"), "features.-1"),
}

# Names in torchvision's published files from before its DenseNet and its ViT were rewritten.
_RENAMED = (
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)"), r"\1"),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)


class TorchvisionProvider(Provider):
    """The networks of torchvision.models that classify images."""

    title = "torchvision"
    cut_families = ("ResNet", "ResNeXt", "RegNet", "EfficientNet", "MobileNetV3", "ConvNeXt")

    def names(self) -> Sequence[str]:
        """Those of `torchvision.models.list_models(module=torchvision.models)`."""
        names: list[str] = torchvision.models.list_models(module=torchvision.models)
        return names

    def licence(self, name: str) -> str:
        """Of the code; SWAG weights, which are never the default, are CC-BY-NC-4.0.

        Source: torchvision's README, "Pre-trained Model License".
        """
        return "BSD-3-Clause; weights may have terms of the data that they were trained on"

    def has_weights(self, name: str) -> bool:
        """Whether they are in our cache or torch's own."""
        weights = torchvision.models.get_model_weights(name).__members__[self.default_weights(name)]
        return (_download_dir(weights) / _file_name(weights)).is_file()

    def build(self, name: str) -> nn.Module:
        """The network with one output, for images that are normalised as for all others."""
        with warnings.catch_warnings():
            # GoogLeNet and Inception announce a change of their random weights.
            warnings.simplefilter("ignore", FutureWarning)
            network: nn.Module = torchvision.models.get_model(name, weights=None)
        if hasattr(network, "transform_input"):  # GoogLeNet, Inception
            network.transform_input = True  # type: ignore[assignment]
            network.aux_logits = False  # type: ignore[assignment]
            for auxiliary in ("aux1", "aux2", "AuxLogits"):
                if hasattr(network, auxiliary):
                    setattr(network, auxiliary, None)
        return network

    def parameters(self, name: str) -> int:
        """By torchvision's own count."""
        return int(next(iter(torchvision.models.get_model_weights(name))).meta["num_params"])

    def weight_names(self, name: str) -> Sequence[str]:
        """As torchvision has them, DEFAULT among them."""
        return tuple(torchvision.models.get_model_weights(name).__members__)

    def default_weights(self, name: str) -> str:
        """The first ImageNet weights of a network.

        Later recipes (label smoothing, mixup) give worse features under a frozen backbone
        (Kornblith et al. 2019, section 4.2). Two networks have none; of theirs, those for photos of
        224 px are the last.
        """
        names = [member.name for member in torchvision.models.get_model_weights(name)]
        return "IMAGENET1K_V1" if "IMAGENET1K_V1" in names else names[-1]

    def fetch(self, name: str, weights: str) -> dict[str, Tensor]:
        """From our cache, torch's own or download.pytorch.org."""
        return _download(name, torchvision.models.get_model_weights(name).__members__[weights])

    def tensor_name(self, key: str) -> str:
        """Names from before torchvision's DenseNet and ViT were rewritten."""
        for pattern, replacement in _RENAMED:
            key = pattern.sub(replacement, key)
        return key

    def layer_order(self, name: str) -> tuple[Sequence[str], str] | None:
        """By the family that the name begins with."""
        for families, sequence in _SEQUENCES.items():
            if name.startswith(families):
                return sequence
        return None

    def layer(self, network: nn.Module, attribute: str) -> nn.Module:
        """RegNet has its blocks in `trunk_output`."""
        if attribute.startswith("block") and hasattr(network, "trunk_output"):
            return network.trunk_output.get_submodule(attribute)  # type: ignore[union-attr]
        return network.get_submodule(attribute)


def _download(name: str, weights: Any) -> dict[str, Tensor]:
    """torchvision's weights, from a cache or the network."""
    folder = _download_dir(weights)
    with cached_in(folder):
        if folder.is_relative_to(torch.hub.get_dir()):  # torch's own, which users may share
            folder.mkdir(parents=True, exist_ok=True)
        else:
            private_folder(folder.parent)
            private_folder(folder)
    previous_s = socket.getdefaulttimeout()
    socket.setdefaulttimeout(10)  # seconds for a silent network; the library sets none
    # torch's own bar for a person; elsewhere silence, as its lines are no one's.
    is_terminal = sys.stderr.isatty()
    try:
        with ExitStack() as quiet:
            if not is_terminal:  # torch says one thing on stdout and another on stderr
                quiet.enter_context(redirect_stdout(io.StringIO()))
                quiet.enter_context(redirect_stderr(io.StringIO()))
            state: dict[str, Tensor] = weights.get_state_dict(
                progress=is_terminal, check_hash=True, weights_only=True, model_dir=str(folder)
            )
    except Exception as error:
        raise WeightsError(
            f"The weights {weights.name} of {name} can't be fetched from {weights.url} "
            f"({type(error).__name__}). Give a file (model.weights=FILE), use another network "
            "connection, or start from random weights (model.weights=none)."
        ) from error
    finally:
        socket.setdefaulttimeout(previous_s)
    return state


def _download_dir(weights: Any) -> Path:
    """Our cache; torch's own where the user has set it, or where it has these weights already."""
    of_torch = Path(torch.hub.get_dir(), "checkpoints")
    known = of_torch / _file_name(weights)
    if "TORCH_HOME" in os.environ or os.path.isfile(known):  # noqa: PTH113 (never raises)
        return of_torch
    return cache_dir() / "weights"


def _file_name(weights: Any) -> str:
    """The file that torch downloads weights to."""
    return Path(urlsplit(weights.url).path).name


PROVIDERS.register("torchvision", TorchvisionProvider())
