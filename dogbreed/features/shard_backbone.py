"""What a training on a feature shard needs of the backbone: the part that it trains.

backbone.json          which network, weights and frozen part the features were computed with
trained.safetensors    the initial state of the trained part; not there where only the head is
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from dogbreed.backbone.architecture import Backbone, empty_backbone
from dogbreed.backbone.weights import read_weights, weights_digest
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import StoreError, WeightsError
from dogbreed.utils.documents import DocumentError, read_json
from dogbreed.utils.files import atomic_write, write_text

DESCRIPTION, TRAINED = "backbone.json", "trained.safetensors"
MAX_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class _Description:
    """The values of backbone.json; the digests are SHA-256 of `weights_digest`."""

    name: str
    trainable: str
    weights: str
    frozen_sha256: str
    trained_sha256: str


def write_backbone(folder: Path, backbone: Backbone, weights: str) -> None:
    """Write the trained part of `backbone` into the shard; `weights` is the name of its weights."""
    state = backbone.tail.state_dict()
    if state:
        from safetensors.torch import save

        content = save({name: tensor.contiguous() for name, tensor in state.items()})
        with atomic_write(folder / TRAINED) as temporary:
            temporary.write_bytes(content)
    description = _Description(
        name=backbone.name,
        trainable=backbone.trainable,
        weights=weights,
        frozen_sha256=backbone.digest(),
        trained_sha256=weights_digest(state),
    )
    write_text(folder / DESCRIPTION, json.dumps(asdict(description)))


def read_backbone(
    folder: Path, name: str, trainable: str, preprocessing: Preprocessing
) -> tuple[Backbone, str]:
    """The backbone of a shard, whose frozen part is blank, and the name of its weights.

    Raises:
        StoreError: the shard has none, was extracted with another one, or is damaged.
    """
    found = _read(folder / DESCRIPTION)
    if (found.name, found.trainable) != (name, trainable):
        raise StoreError(
            f"The feature shard {folder} was extracted with model.backbone={found.name} and "
            f"model.trainable={found.trainable}, not with {name} and {trainable}: extract it again."
        )
    backbone = empty_backbone(name, trainable, preprocessing)
    backbone.frozen_digest = found.frozen_sha256
    if backbone.tail.state_dict():
        try:
            state = read_weights(name, str(folder / TRAINED))
            backbone.tail.load_state_dict(state)
        except (WeightsError, RuntimeError) as error:
            raise _damaged(folder / TRAINED) from error
    if weights_digest(backbone.tail.state_dict()) != found.trained_sha256:
        raise _damaged(folder / TRAINED)
    return backbone, found.weights


def _read(path: Path) -> _Description:
    try:
        values = read_json(path, MAX_BYTES)
        names = {field.name for field in fields(_Description)}
        if values.keys() != names or not all(isinstance(each, str) for each in values.values()):
            raise DocumentError("has other keys than a shard's")
    except DocumentError as error:
        raise StoreError(f"{path} {error}: extract the feature shard again.") from error
    return _Description(**values)


def _damaged(path: Path) -> StoreError:
    return StoreError(f"{path} is damaged: copy the feature shard again, or extract it again.")
