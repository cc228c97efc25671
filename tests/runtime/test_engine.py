"""The runners: the numbers of the plain trunk, whichever runs it, and a sentence where none can."""

import importlib.util
import socket

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from dogbreed.backbone.architecture import LAST_STAGE, Backbone, build_backbone
from dogbreed.data.decoding.preprocessing import Pixels
from dogbreed.errors import EngineError
from dogbreed.runtime import openvino_runner
from dogbreed.runtime.engine import BATCH_SIZE, EngineChoice, build_runner, choose_engine
from dogbreed.runtime.runner import AUTO, BF16, CUDA, F32, OPENVINO, TORCH, Floats

SIZE_PX = 64
CHOICES = [
    EngineChoice(OPENVINO, BF16, "test"),
    EngineChoice(OPENVINO, F32, "test"),
    EngineChoice(TORCH, BF16, "test"),
    EngineChoice(TORCH, F32, "test"),
]
EVERY_CHOICE = pytest.mark.parametrize(
    "choice", CHOICES, ids=lambda choice: f"{choice.name}-{choice.precision}"
)


def some_pixels(count: int) -> Pixels:
    """8-bit photos [count, 64, 64, 3] with structure: coarse noise enlarged, and fine noise."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 200, (count, 8, 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    return (coarse + random.integers(0, 56, coarse.shape)).astype(np.uint8)


def plain(backbone: Backbone, pixels: Pixels) -> Floats:
    """The trunk run by plain torch in float32."""
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    return backbone.frozen(images).numpy()


def assert_same_numbers(precision: str, found: Floats, expected: npt.NDArray[np.float32]) -> None:
    """Rows of `found` point where those of `expected` do, and are as long."""
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    found, expected = (rows.reshape(len(rows), -1) for rows in (found, expected))
    if precision == F32:
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * expected.std())
        return
    lengths = np.linalg.norm(found, axis=1), np.linalg.norm(expected, axis=1)
    cosines = (found * expected).sum(1) / (lengths[0] * lengths[1])
    assert cosines.min() > 0.999
    np.testing.assert_allclose(lengths[0], lengths[1], rtol=0.02)


@pytest.fixture(scope="module")
def resnet() -> Backbone:
    return build_backbone("resnet18", "none")


@pytest.mark.parametrize("name", ["convnext_tiny", "swin_t"])
@pytest.mark.slow
def test_runners_agree_with_the_plain_trunk(name: str) -> None:
    backbone = build_backbone(name, "none")
    pixels = some_pixels(2)
    expected = plain(backbone, pixels)
    for choice in CHOICES:
        found = build_runner(choice, backbone.trunk, SIZE_PX)(pixels)
        assert_same_numbers(choice.precision, found, expected)


@EVERY_CHOICE
def test_batches_of_any_size_give_the_same_rows(choice: EngineChoice, resnet: Backbone) -> None:
    pixels = some_pixels(32)
    expected = plain(resnet, pixels)
    runner = build_runner(choice, resnet.trunk, SIZE_PX)
    parts = [runner(pixels[:1]), runner(pixels[1:4]), runner(pixels)]
    # A runner must not write the next batch over the rows that it gave out.
    assert_same_numbers(choice.precision, np.concatenate(parts[:2]), expected[:4])
    assert_same_numbers(choice.precision, parts[2], expected)


@pytest.mark.parametrize("choice", [CHOICES[0], CHOICES[2]], ids=[OPENVINO, TORCH])
def test_maps_before_the_last_stage_agree_too(choice: EngineChoice) -> None:
    backbone = build_backbone("resnet18", "none", LAST_STAGE)
    pixels = some_pixels(2)
    found = build_runner(choice, backbone.trunk, SIZE_PX)(pixels)
    assert found.shape == (2, 256, 4, 4)
    assert_same_numbers(choice.precision, found, plain(backbone, pixels))


def test_every_runner_has_its_batch_size() -> None:
    assert BATCH_SIZE.keys() == {OPENVINO, CUDA, TORCH}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_missed() -> None:
    with pytest.raises(EngineError, match=r"engine=cuda: .*no GPU.*engine=auto"):
        choose_engine(CUDA)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_the_gpu_agrees_with_the_plain_trunk() -> None:
    pixels = some_pixels(33)
    for name in ("resnet18", "convnext_tiny", "swin_t"):
        backbone = build_backbone(name, "none")
        expected = plain(backbone, pixels)  # before the runner takes the trunk to the GPU
        runner = build_runner(choose_engine(CUDA), backbone.trunk, SIZE_PX)
        assert_same_numbers(
            BF16, np.concatenate([runner(pixels[:1]), runner(pixels[1:])]), expected
        )


def test_auto_says_what_it_took_and_why() -> None:
    choice = choose_engine(AUTO)
    assert choice.name == (CUDA if torch.cuda.is_available() else OPENVINO)
    assert choice.precision in (BF16, F32)
    assert len(choice.reason.split()) > 2
    assert choose_engine(OPENVINO).name == OPENVINO
    assert choose_engine(TORCH).name == TORCH


@pytest.mark.parametrize(("abilities", "precision"), [(["FP32"], F32), (["FP32", "BF16"], BF16)])
def test_the_precision_is_one_that_the_processor_has(
    abilities: list[str], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Processor:
        def get_property(self, *_: str) -> list[str]:
            return abilities

    monkeypatch.setattr(openvino_runner, "openvino_core", Processor)
    assert choose_engine(OPENVINO).precision == precision


def test_without_openvino_torch_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineError, match=r"engine=openvino: .*pip install openvino"):
        choose_engine(OPENVINO)
    choice = choose_engine(AUTO)
    assert choice.name == TORCH
    assert choice.reason == "there is neither a GPU nor OpenVINO"


class Airy(nn.Module):
    """An operation that OpenVINO doesn't have."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = torch.special.airy_ai(images.float())
        return values


class Broken(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise ValueError("of its own")


@pytest.mark.parametrize("trunk", [Airy(), Broken()], ids=["no such operation", "broken"])
def test_a_network_that_cannot_be_converted_is_refused(trunk: nn.Module) -> None:
    with pytest.raises(EngineError, match=r"OpenVINO can't.*engine=torch"):
        build_runner(EngineChoice(OPENVINO, F32, "test"), trunk, SIZE_PX)


def test_conversion_tells_no_one(resnet: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    from openvino.tools.ovc import telemetry_stub, telemetry_utils

    assert telemetry_utils.tm is telemetry_stub
    told: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda *to: told.append(to))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *to, **_: told.append(to))
    runner = build_runner(EngineChoice(OPENVINO, F32, "test"), resnet.trunk, SIZE_PX)
    runner(some_pixels(1))
    assert told == []
