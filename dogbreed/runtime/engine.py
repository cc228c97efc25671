"""Runners of the frozen trunk: the same numbers as torch, at the machine's limit.

A runner takes 8-bit pixels [n, size, size, 3] and gives activations [n, *boundary] as float32.
"""

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import PIL.features
import torch
from torch import nn

from dogbreed.data.decoding.photos import Pixels
from dogbreed.errors import EngineError
from dogbreed.runtime.conversion import to_openvino
from dogbreed.utils.machine import openvino_core, openvino_has_bf16

Activations = npt.NDArray[np.float32]

AUTO, OPENVINO, CUDA, TORCH = "auto", "openvino", "cuda", "torch"
BF16, F32 = "bf16", "f32"

# Photos per call. More gains nothing on a CPU and costs memory; a GPU wants larger ones.
BATCH_SIZE = {OPENVINO: 8, CUDA: 256, TORCH: 32}


@dataclass(frozen=True)
class EngineChoice:
    """Which runner, in which precision, and why; all but the reason is a feature's identity.

    `versions` are those of the software that decodes photos and computes features here.
    """

    name: str
    precision: str
    reason: str
    versions: Mapping[str, str] = field(default_factory=dict)


class Runner(Protocol):
    """What runs the trunk."""

    def __call__(self, pixels: Pixels) -> Activations:
        """pixels [n, size, size, 3] to activations [n, *boundary]."""
        ...


def choose_engine(requested: str = AUTO, precision: str = AUTO) -> EngineChoice:
    """Pick the runner: CUDA where there is a GPU, else OpenVINO, else plain torch.

    `precision` is bf16, f32, or "auto": bf16 where the machine multiplies in it.

    Raises:
        EngineError: the runner that was asked for isn't there.
    """
    choice = _fastest(requested)
    choice = replace(choice, versions=software_versions(choice.name))
    if precision in (AUTO, choice.precision):
        return choice
    return replace(choice, precision=precision, reason="it was asked for")


def software_versions(engine: str) -> dict[str, str]:
    """Versions of what turns a photo's bytes into features: decoders, crops, network, engine."""
    names = ["Pillow", "pillow-heif", "numpy", "torchvision"]
    versions = {
        "torch": torch.__version__,  # with its build, which the package's metadata lacks
        "libjpeg-turbo": str(PIL.features.version_feature("libjpeg_turbo")),
    }
    for name in [*names, OPENVINO] if engine == OPENVINO else names:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _fastest(requested: str) -> EngineChoice:
    has_gpu = torch.cuda.is_available()
    has_openvino = importlib.util.find_spec("openvino") is not None
    if requested == CUDA and not has_gpu:
        raise EngineError("engine=cuda: torch finds no GPU here. engine=auto takes what there is.")
    if requested == OPENVINO and not has_openvino:
        raise EngineError("engine=openvino: it isn't installed (pip install openvino).")
    if requested == CUDA or (requested == AUTO and has_gpu):
        return EngineChoice(CUDA, BF16, f"there is a GPU ({torch.cuda.get_device_name()})")
    if requested == OPENVINO or (requested == AUTO and has_openvino):
        if openvino_has_bf16():
            return EngineChoice(OPENVINO, BF16, "the processor multiplies in bf16")
        return EngineChoice(OPENVINO, F32, "the processor has no bf16")
    reason = "it was asked for" if requested == TORCH else "there is neither a GPU nor OpenVINO"
    if torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return EngineChoice(TORCH, BF16, reason)
    return EngineChoice(TORCH, F32, reason)


def build_runner(choice: EngineChoice, trunk: nn.Module, size_px: int) -> Runner:
    """Compile `trunk` (uint8 images [n, 3, size_px, size_px] to activations) for `choice`.

    Raises:
        EngineError: the trunk can't be converted; the message names engine=torch as the way out.
    """
    if choice.name == OPENVINO:
        return _openvino_runner(choice, trunk, size_px)
    return _torch_runner(choice, trunk)


def _openvino_runner(choice: EngineChoice, trunk: nn.Module, size_px: int) -> Runner:
    hints = {
        "INFERENCE_PRECISION_HINT": choice.precision,
        "PERFORMANCE_HINT": "LATENCY",  # one batch at a time on all cores
    }
    model = to_openvino(trunk, size_px)
    try:
        compiled: Any = openvino_core().compile_model(model, "CPU", hints)
    except RuntimeError as error:
        raise EngineError(
            f"OpenVINO can't run this network ({error}); try engine=torch."
        ) from error

    def run(pixels: Pixels) -> Activations:
        activations: Activations = compiled(pixels, share_inputs=True)[0]
        return activations

    return run


def _torch_runner(choice: EngineChoice, trunk: nn.Module) -> Runner:
    device = torch.device("cuda" if choice.name == CUDA else "cpu")
    trunk = trunk.to(device)  # the backbone is in channels last already
    on_gpu = device.type == "cuda"

    def run(pixels: Pixels) -> Activations:
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2)  # channels last without a copy
        if on_gpu:
            images = images.pin_memory().to(device, non_blocking=True)
        with (
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=choice.precision == BF16),
        ):
            activations: Activations = trunk(images).float().cpu().numpy()
        return activations

    return run
