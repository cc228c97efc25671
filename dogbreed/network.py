"""The network that answers: backbone and head as plain torch, without Lightning."""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dogbreed.backbone.architecture import Backbone, empty_backbone
from dogbreed.errors import ArtifactError
from dogbreed.serving import artifact


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


def build_head(
    features: int, classes: int, *, head: str = "linear", hidden: int = 512, dropout: float = 0.0
) -> nn.Module:
    """What turns features [n, features] into logits [n, classes]."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if head == "mlp":
        layers["hidden"] = nn.Linear(features, hidden)
        layers["activation"] = nn.GELU()
    layers["dropout"] = nn.Dropout(dropout)
    output = nn.Linear(hidden if head == "mlp" else features, classes)
    # From zero every class is as likely: the first loss is ln(classes) whatever the features'
    # scale, and runs of different seeds differ less.
    nn.init.zeros_(output.weight)
    nn.init.zeros_(output.bias)
    layers["output"] = output
    return nn.Sequential(layers)


def load_network(folder: Path, description: artifact.Description) -> Network:
    """The network of an artifact, in eval mode.

    Raises:
        ArtifactError: weights missing, changed, or of another shape than the description's.
    """
    tensors = artifact.read_tensors(folder, description)
    try:
        backbone = empty_backbone(**description.backbone)
        head = build_head(backbone.num_features, len(description.classes), **description.head)
        network = Network(backbone, head)
        network.load_state_dict(_as_float(tensors), strict=True)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ArtifactError(
            f"{folder}: its description and its weights don't belong together "
            f"({str(error).splitlines()[0]}): train again, or copy the whole folder."
        ) from error
    return network.eval()


def _as_float(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Weights kept in half precision as the network computes with them."""
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
