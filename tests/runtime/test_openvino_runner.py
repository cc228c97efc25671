"""OpenVINO's runner: named outputs, one computation at a time, errors that name the file."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dogbreed.data.decoding.preprocessing import Pixels
from dogbreed.errors import EngineError
from dogbreed.runtime.conversion import to_openvino
from dogbreed.runtime.openvino_runner import OpenVinoRunner, read_openvino
from dogbreed.runtime.runner import F32, Runner
from dogbreed.runtime.torch_runner import TorchRunner

SIZE_PX = 32


class Two(nn.Module):
    """Two outputs that differ for each image."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 5)
        nn.init.normal_(self.layer.weight, generator=torch.Generator().manual_seed(0))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.layer(images.float() / 255)
        return maps.mean((2, 3)), maps.amax((2, 3))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return Two().eval()


@pytest.fixture(scope="module")
def runner(network: nn.Module) -> OpenVinoRunner:
    return OpenVinoRunner(to_openvino(network, SIZE_PX, ("mean", "max")), F32)


def some_pixels(count: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE_PX, SIZE_PX, 3), np.uint8)


def test_both_engines_return_the_same_arrays_by_name(
    network: nn.Module, runner: OpenVinoRunner
) -> None:
    in_torch: Runner = TorchRunner(network, ("mean", "max"))
    assert runner.outputs == in_torch.outputs == ("mean", "max")
    found, expected = runner(some_pixels(3)), in_torch(some_pixels(3))
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name].dtype == expected[name].dtype == np.float32
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-4)
    assert np.abs(expected["mean"] - expected["max"]).min() > 0.01, "else any name would do"


def test_threads_with_batches_of_different_sizes_disturb_none(runner: OpenVinoRunner) -> None:
    batches = [some_pixels(1 + number % 5, seed=number) for number in range(60)]
    expected = [runner(batch)["max"] for batch in batches]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda batch: runner(batch)["max"], batches))
    for each, alone in zip(found, expected, strict=True):
        np.testing.assert_allclose(each, alone, rtol=1e-5)


def test_only_one_thread_computes_at_a_time(runner: OpenVinoRunner) -> None:
    inside, at_once = 0, []
    compiled = runner._compiled

    def counting(pixels: Pixels, *, share_inputs: bool) -> object:
        nonlocal inside
        inside += 1
        at_once.append(inside)
        answer = compiled(pixels, share_inputs=share_inputs)
        inside -= 1
        return answer

    runner._compiled = counting
    try:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(runner, [some_pixels(4)] * 30))
    finally:
        runner._compiled = compiled
    assert at_once == [1] * 30


def test_a_file_that_openvino_cannot_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "openvino.xml"
    path.write_text('<?xml version="1.0"?><net name="a" version="11"></net>')
    with pytest.raises(EngineError, match=rf"can't run {path} .*engine=torch"):
        read_openvino(path, F32)


def test_outputs_must_be_as_many_as_their_names(network: nn.Module) -> None:
    with pytest.raises(EngineError, match="can't convert"):
        to_openvino(network, SIZE_PX, ("mean",))
