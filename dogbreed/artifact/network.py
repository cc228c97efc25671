"""The trained network in torch, without Lightning: backbone and head."""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dogbreed.artifact.description import Description
from dogbreed.artifact.folder import read_tensors
from dogbreed.backbone.architecture import Backbone, empty_backbone, parameters_of
from dogbreed.errors import ArtifactError

LINEAR = "linear"
# Of a torchvision network's parameters, at most this fraction is its own classifier's, which an
# artifact lacks: ShuffleNet's smallest, 75 %.
_MAX_CLASSIFIER_FRACTION = 0.8


class Network(nn.Module):
    """Images [n, 3, size, size] to logits [n, classes]; parameters named as in BreedClassifier."""

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Logits alone."""
        logits: Tensor = self.head(self.backbone(images))
        return logits


class LogitsAndFeatures(nn.Module):
    """Images [n, 3, size, size] to logits [n, classes] and features [n, features].

    What is exported and what torch runs; `network` has a `backbone` and a `head`.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.backbone, self.head = network.backbone, network.head

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(images)
        return self.head(features), features


def build_head(
    features: int, classes: int, *, head: str = LINEAR, hidden: int = 512, dropout: float = 0.0
) -> nn.Module:
    """What turns features [n, features] into logits [n, classes]."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if head == "mlp":
        layers["hidden"] = nn.Linear(features, hidden)
        layers["activation"] = nn.GELU()
    layers["dropout"] = nn.Dropout(dropout)
    output = nn.Linear(hidden if head == "mlp" else features, classes)
    # From zero every class is equally likely: the first loss is ln(classes) whatever the features'
    # scale, and runs of different seeds differ less.
    nn.init.zeros_(output.weight)
    nn.init.zeros_(output.bias)
    layers["output"] = output
    return nn.Sequential(layers)


def load_network(folder: Path, description: Description) -> Network:
    """The network of an artifact, in eval mode.

    Raises:
        ArtifactError: weights missing, changed, or of another shape than the description's.
    """
    tensors = read_tensors(folder, description)
    try:
        _check_size(tensors, description.backbone["name"])
        backbone = empty_backbone(**description.backbone, preprocessing=description.pixels())
        shape = (backbone.num_features, len(description.classes))
        with torch.device("meta"):  # nothing is allocated before the shapes are checked
            expected = build_head(*shape, **description.head).state_dict()
        for name, tensor in expected.items():
            if tensors[f"head.{name}"].shape != tensor.shape:
                raise ValueError(f"head.{name} has another shape")
        network = Network(backbone, build_head(*shape, **description.head))
        network.load_state_dict(_as_float(tensors), strict=True)
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        raise ArtifactError(
            f"{folder}: its description and its weights don't belong together "
            f"({_first_line(error)}): train again, or copy the complete folder."
        ) from error
    return network.eval()


def _check_size(tensors: Mapping[str, Tensor], name: str) -> None:
    """Raise a ValueError where a network is named that is many times as large as the weights."""
    found = sum(tensor.numel() for tensor in tensors.values())
    if found < (1 - _MAX_CLASSIFIER_FRACTION) * parameters_of(name):
        raise ValueError(f"{found:,} numbers are too few for {name}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _as_float(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Weights that are stored in half precision, in the type that the network computes in."""
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
