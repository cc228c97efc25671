"""What "auto" becomes: backbone, weights, pixels, engine; and what is logged about it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dogbreed.backbone.providers.base import PROVIDERS, Provider, provider_of
from dogbreed.configuration.composing import compose
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import EngineError, WeightsError
from dogbreed.runtime.runner import OPENVINO, TORCH
from dogbreed.training.preparation import resolve

Logged = Callable[[], str]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing can be fetched, and no cache of torch has weights."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")


@pytest.mark.usefixtures("no_network")
def test_the_samples_are_trained_on_a_backbone_that_is_installed(logged: Logged) -> None:
    config, backbone, _ = resolve(compose([]), None)
    assert backbone.name == config.model.backbone == "efficientnet_lite2"
    assert config.model.weights == "IMAGENET1K"
    assert (config.data.size_px, backbone.preprocessing.size_px) == (260, 260)
    lines = [line for line in logged().splitlines() if "efficientnet_lite2" in line]
    assert lines == [
        "The weights of resnet50 can't be fetched: the sample photos are trained on "
        "efficientnet_lite2, whose weights are installed."
    ]


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("source", ["data.root=photos", "data.source=oxford_pets"])
def test_other_photos_stop_with_what_can_be_done(source: str) -> None:
    with pytest.raises(WeightsError) as error:
        resolve(compose([source]), None)
    for offer in ("model.backbone=efficientnet_lite2", "model.weights=FILE", "to a network"):
        assert offer in str(error.value)


@pytest.mark.usefixtures("no_network")
def test_requested_weights_are_never_replaced() -> None:
    with pytest.raises(WeightsError, match="IMAGENET1K_V1 of resnet18 can't be fetched"):
        resolve(compose(["model.backbone=resnet18", "model.weights=IMAGENET1K_V1"]), None)


@pytest.mark.parametrize(
    ("overrides", "size_px", "fit", "crop_share"),
    [
        ([], 224, "crop", 0.95),
        (["data.size_px=96"], 96, "crop", 0.95),
        (["data.crop_share=1"], 224, "crop", 1.0),
        (["data.fit=pad"], 224, "pad", 1.0),
        (["data.fit=stretch", "data.crop_share=1"], 224, "stretch", 1.0),
    ],
)
def test_pixels_are_the_backbones_unless_they_are_set(
    overrides: list[str], size_px: int, fit: str, crop_share: float
) -> None:
    pytest.importorskip("timm")
    network = ["model.backbone=timm/resnet18", "model.weights=none", "engine=torch"]
    config, backbone, choice = resolve(compose([*network, *overrides]), None)
    assert (config.data.size_px, config.data.crop_share) == (size_px, crop_share)
    wanted = replace(
        provider_of("timm/resnet18").preprocessing("timm/resnet18"),
        size_px=size_px,
        fit=fit,
        crop_share=crop_share,
    )
    assert backbone.preprocessing == wanted
    assert "timm" in choice.versions, "which computes the features too"


def test_a_licence_that_excludes_commercial_use_is_reported(tmp_path: Path, logged: Logged) -> None:
    timm = pytest.importorskip("timm")
    name = "convnextv2_atto.fcmae_ft_in1k"
    torch.save(timm.create_model("convnextv2_atto").state_dict(), tmp_path / "weights.pth")
    network = [f"model.backbone=timm/{name}", f"model.weights={tmp_path / 'weights.pth'}"]
    resolve(compose([*network, "engine=torch"]), None)
    assert "non-commercial use only (cc-by-nc-4.0)" in logged()
    resolve(compose(["model.backbone=efficientnet_lite0", "engine=torch"]), None)
    assert "non-commercial" not in logged()


class Spectrum(nn.Module):
    """An operation that OpenVINO has no counterpart for."""

    def forward(self, images: Tensor) -> Tensor:
        grey = images.float().mean(1)
        spectrum: Tensor = torch.linalg.eigvalsh(grey @ grey.mT)
        return spectrum


class OddProvider(Provider):
    """A network that OpenVINO can't convert."""

    title, prefix, all_convert = "odd", "odd/", False

    def names(self) -> Sequence[str]:
        return ("odd/spectrum",)

    def licence(self, name: str) -> str:
        return "CC0-1.0"

    def build(self, name: str) -> nn.Module:
        return nn.Sequential(Spectrum(), nn.Linear(32, 4))

    def parameters(self, name: str) -> int:
        return 132

    def weight_names(self, name: str) -> Sequence[str]:
        return ()

    def default_weights(self, name: str) -> str:
        return "none"

    def fetch(self, name: str, weights: str) -> dict[str, Tensor]:
        raise AssertionError

    def preprocessing(self, name: str) -> Preprocessing:
        return Preprocessing(size_px=32)


@pytest.fixture
def odd() -> Iterator[None]:
    PROVIDERS.register("odd", OddProvider())
    yield
    PROVIDERS.unregister("odd")


@pytest.mark.usefixtures("odd")
def test_torch_runs_what_openvino_cannot(logged: Logged) -> None:
    network = ["model.backbone=odd/spectrum", "model.weights=none"]
    config, _, choice = resolve(compose(network), None)
    assert (choice.name, config.engine, config.artifact.openvino) == (TORCH, TORCH, False)
    printed = logged()
    assert "OpenVINO can't convert this network" in printed
    assert "stored without OpenVINO's formats" in printed
    with pytest.raises(EngineError, match=r"can't convert odd/spectrum: use engine=auto"):
        resolve(compose([*network, "engine=openvino"]), None)


@pytest.mark.usefixtures("odd")
def test_a_requested_engine_does_not_wait_for_its_export_to_fail() -> None:
    network = ["model.backbone=odd/spectrum", "model.weights=none", "engine=torch"]
    config, _, choice = resolve(compose([*network, "artifact.int8=true"]), None)
    assert (choice.name, choice.reason) == (TORCH, "it was requested")
    assert not config.artifact.openvino
    assert not config.artifact.int8


def test_networks_that_are_known_to_convert_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(*_: object) -> None:
        raise EngineError("it was tried")

    monkeypatch.setattr("dogbreed.features.engines.to_openvino", tried)
    _, _, choice = resolve(compose(["model.backbone=efficientnet_lite0"]), None)
    assert choice.name == OPENVINO
