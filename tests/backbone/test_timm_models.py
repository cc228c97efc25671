"""timm's networks: their features are timm's own, and what is missing or unknown is named."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("timm")

import timm
from timm.data import config as timm_config

from dogbreed.backbone.architecture import build_backbone, parameters_of, preprocessing_of
from dogbreed.backbone.licences import is_non_commercial, licence_of
from dogbreed.errors import ConfigError, EngineError, WeightsError

FAMILIES = [
    "resnet18",  # convolutions
    pytest.param("vit_tiny_patch16_224", marks=pytest.mark.slow),  # a transformer
    pytest.param("coatnet_nano_rw_224", marks=pytest.mark.slow),  # both
]


@pytest.mark.parametrize("name", FAMILIES)
def test_features_are_those_of_timm(name: str) -> None:
    backbone = build_backbone(f"timm/{name}", "none")
    network = timm.create_model(name, num_classes=0).eval()
    network.load_state_dict(backbone.trunk.get_submodule("layers").state_dict())
    config = timm_config.resolve_model_data_config(network)  # type: ignore[no-untyped-call]
    random = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    images = torch.from_numpy(random).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(config[each]).view(3, 1, 1) for each in ("mean", "std"))
    with torch.no_grad():
        wanted = network((images / 255 - mean) / std)
    features = backbone(images)
    assert features.shape == (2, backbone.num_features)
    torch.testing.assert_close(features, wanted, rtol=1e-4, atol=1e-4)
    pixels = backbone.preprocessing
    assert (pixels.size_px, pixels.crop_share) == (config["input_size"][1], config["crop_pct"])
    assert pixels.resample == config["interpolation"]
    assert parameters_of(f"timm/{name}") == sum(p.numel() for p in network.parameters())


def test_a_file_of_weights_may_have_a_classifier(tmp_path: Path) -> None:
    network = timm.create_model("resnet18", num_classes=7)
    path = tmp_path / "weights.pth"
    torch.save(network.state_dict(), path)
    backbone = build_backbone("timm/resnet18", path)
    stem = backbone.trunk.get_submodule("layers.conv1").get_parameter("weight")
    assert torch.equal(stem, network.get_submodule("conv1").get_parameter("weight"))
    with pytest.raises(WeightsError, match="not the weights of timm/resnet34"):
        build_backbone("timm/resnet34", path)


def test_licences_are_as_timm_states_them() -> None:
    assert licence_of("timm/vit_small_patch14_dinov2.lvd142m") == "apache-2.0"
    assert licence_of("timm/convnextv2_atto.fcmae_ft_in1k") == "cc-by-nc-4.0"
    assert not is_non_commercial("apache-2.0")
    assert not is_non_commercial("BSD-3-Clause")
    assert is_non_commercial("cc-by-nc-4.0")
    assert is_non_commercial("CC-BY-NC-SA 4.0")


def test_the_tag_of_the_weights_decides_the_pixels() -> None:
    large = preprocessing_of("timm/vit_base_patch16_clip_224.laion2b")
    assert large.mean == (122.770938, 116.746013, 104.093736)
    assert preprocessing_of("timm/vit_base_patch16_224.augreg_in21k").mean == (127.5, 127.5, 127.5)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("timm/resnt18", "Did you mean timm/resnet18"), ("timm/resnet18.a1_in1", "timm/resnet18.a1")],
)
def test_an_unknown_name_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"model.backbone={name}: timm has no such.*{hint}"):
        build_backbone(name, "none")


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"pip install 'dogbreed\[timm\]'"):
        build_backbone("timm/resnet18", "none")


def test_weights_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_host(*_: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", no_host)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    with pytest.raises(WeightsError, match=r"timm/resnet18 can't be fetched.*model.weights=FILE"):
        build_backbone("timm/resnet18")


@pytest.mark.slow
def test_other_networks_do_not_import_it() -> None:
    code = (
        "import sys; from dogbreed.backbone.architecture import parameters_of\n"
        "parameters_of('resnet18'); print('timm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
