"""What a feature shard has of the backbone: enough to train on it, and verified."""

import json
from pathlib import Path

import pytest
import torch

from dogbreed.backbone.architecture import Backbone, build_backbone
from dogbreed.errors import StoreError
from dogbreed.features.shard_backbone import DESCRIPTION, TRAINED, read_backbone, write_backbone

NAME = "resnet18"


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return build_backbone(NAME, "none", "last_stage")


@pytest.fixture
def shard(tmp_path: Path, backbone: Backbone) -> Path:
    write_backbone(tmp_path, backbone, "MY_WEIGHTS")
    return tmp_path


def read(shard: Path, name: str = NAME, trainable: str = "last_stage") -> tuple[Backbone, str]:
    from dogbreed.backbone.architecture import preprocessing_of

    return read_backbone(shard, name, trainable, preprocessing_of(name))


def test_the_trained_part_is_the_same_and_the_frozen_one_is_identified(
    shard: Path, backbone: Backbone
) -> None:
    found, weights = read(shard)
    assert weights == "MY_WEIGHTS"
    assert found.digest() == backbone.digest()
    for name, tensor in backbone.tail.state_dict().items():
        torch.testing.assert_close(found.tail.state_dict()[name], tensor, rtol=0, atol=0)
    assert not torch.equal(next(found.trunk.parameters()), next(backbone.trunk.parameters()))


def test_a_head_needs_no_tensors(tmp_path: Path) -> None:
    whole = build_backbone(NAME, "none", "head")
    write_backbone(tmp_path, whole, "none")
    assert [path.name for path in tmp_path.iterdir()] == [DESCRIPTION]
    assert read(tmp_path, trainable="head")[0].digest() == whole.digest()


def test_another_backbone_is_refused(shard: Path) -> None:
    with pytest.raises(StoreError, match=r"backbone=resnet18 and model\.trainable=last_stage, not"):
        read(shard, trainable="head")
    with pytest.raises(StoreError, match="not with resnet34"):
        read(shard, "resnet34")


def test_a_damaged_one_is_refused(shard: Path) -> None:
    content = bytearray((shard / TRAINED).read_bytes())
    content[-1] ^= 1
    (shard / TRAINED).write_bytes(content)
    with pytest.raises(StoreError, match=rf"{TRAINED} is damaged"):
        read(shard)
    (shard / TRAINED).write_bytes(content[:100])
    with pytest.raises(StoreError, match=rf"{TRAINED} is damaged"):
        read(shard)
    (shard / DESCRIPTION).write_text(json.dumps({"name": NAME}))
    with pytest.raises(StoreError, match="other keys"):
        read(shard)
    (shard / DESCRIPTION).unlink()
    with pytest.raises(StoreError, match="extract the feature shard again"):
        read(shard)
