"""The engine of the feature pass: which one runs a backbone's frozen part, and running it."""

import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import PIL.features
import torch
from torch import nn

from dogbreed.data.decoding.preprocessing import Pixels
from dogbreed.errors import EngineError
from dogbreed.runtime import openvino_runner
from dogbreed.runtime.conversion import to_openvino
from dogbreed.runtime.openvino_runner import OpenVinoRunner
from dogbreed.runtime.runner import (
    ACTIVATIONS,
    AUTO,
    BF16,
    CUDA,
    F32,
    OPENVINO,
    TORCH,
    Floats,
    Runner,
)
from dogbreed.runtime.torch_runner import TorchRunner

# Images per call. More gains nothing on a CPU and costs memory; a GPU wants larger batches.
BATCH_SIZE = {OPENVINO: 8, CUDA: 256, TORCH: 32}

# Runs a frozen part: pixels [n, size, size, 3] to activations [n, *split point's shape].
FrozenRunner = Callable[[Pixels], Floats]


@dataclass(frozen=True)
class EngineChoice:
    """Which engine, in which precision, and why; all but the reason is a feature's identity.

    `versions` are those of the software that decodes photos and computes features here.
    """

    name: str
    precision: str
    reason: str
    versions: Mapping[str, str] = field(default_factory=dict)


def choose_engine(requested: str = AUTO, precision: str = AUTO) -> EngineChoice:
    """Choose the engine: CUDA where there is a GPU, else OpenVINO, else torch on the CPU.

    `precision` is bf16, f32, or "auto": bf16 where the machine multiplies in it.

    Raises:
        EngineError: the requested engine isn't available.
    """
    choice = _fastest(requested)
    choice = replace(choice, versions=software_versions(choice.name))
    if precision in (AUTO, choice.precision):
        return choice
    return replace(choice, precision=precision, reason="it was requested")


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
        raise EngineError("engine=cuda: torch finds no GPU here: use engine=auto.")
    if requested == OPENVINO and not has_openvino:
        raise EngineError("engine=openvino: it isn't installed (pip install openvino).")
    if requested == CUDA or (requested == AUTO and has_gpu):
        return EngineChoice(CUDA, BF16, f"there is a GPU ({torch.cuda.get_device_name()})")
    if requested == OPENVINO or (requested == AUTO and has_openvino):
        if openvino_runner.openvino_has_bf16():
            return EngineChoice(OPENVINO, BF16, "the processor multiplies in bf16")
        return EngineChoice(OPENVINO, F32, "the processor has no bf16")
    reason = "it was requested" if requested == TORCH else "there is neither a GPU nor OpenVINO"
    if torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return EngineChoice(TORCH, BF16, reason)
    return EngineChoice(TORCH, F32, reason)


def build_runner(choice: EngineChoice, frozen_part: nn.Module, size_px: int) -> FrozenRunner:
    """Compile `frozen_part` (uint8 images [n, 3, size_px, size_px] to activations) for `choice`.

    Raises:
        EngineError: it can't be converted; the message names engine=torch as the alternative.
    """
    runner: Runner
    if choice.name == OPENVINO:
        model = to_openvino(frozen_part, size_px, (ACTIVATIONS,))
        runner = OpenVinoRunner(model, choice.precision)
    else:
        device = "cuda" if choice.name == CUDA else "cpu"
        runner = TorchRunner(frozen_part, (ACTIVATIONS,), device=device, precision=choice.precision)
    return lambda pixels: runner(pixels)[ACTIVATIONS]
