"""Runners of the frozen trunk: the same numbers as torch, at the machine's limit.

A runner takes 8-bit pixels [n, size, size, 3] and gives activations [n, *boundary] as float32.
"""

import importlib.util
import warnings
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from dogbreed.data.photos import Pixels
from dogbreed.errors import EngineError

Activations = npt.NDArray[np.float32]

AUTO, OPENVINO, CUDA, TORCH = "auto", "openvino", "cuda", "torch"
BF16, F32 = "bf16", "f32"

# Photos per call. More gains nothing on a CPU and costs memory; a GPU wants larger ones.
BATCH_SIZE = {OPENVINO: 32, CUDA: 256, TORCH: 32}


@dataclass(frozen=True)
class EngineChoice:
    """Which runner, in which precision, and why; the first two are part of a feature's identity."""

    name: str
    precision: str
    reason: str


class Runner(Protocol):
    """What runs the trunk."""

    def __call__(self, pixels: Pixels) -> Activations:
        """pixels [n, size, size, 3] to activations [n, *boundary]."""
        ...


def choose_engine(requested: str = AUTO) -> EngineChoice:
    """Pick the runner: CUDA where there is a GPU, else OpenVINO, else plain torch.

    Raises:
        EngineError: the runner that was asked for isn't there.
    """
    has_gpu = torch.cuda.is_available()
    has_openvino = importlib.util.find_spec("openvino") is not None
    if requested == CUDA and not has_gpu:
        raise EngineError("engine=cuda: torch finds no GPU here. engine=auto takes what there is.")
    if requested == OPENVINO and not has_openvino:
        raise EngineError("engine=openvino: it isn't installed (pip install openvino).")
    if requested == CUDA or (requested == AUTO and has_gpu):
        return EngineChoice(CUDA, BF16, f"there is a GPU ({torch.cuda.get_device_name()})")
    if requested == OPENVINO or (requested == AUTO and has_openvino):
        import openvino

        abilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if "BF16" in abilities:
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


class _ChannelsLast(nn.Module):
    """The trunk over pixels as photos have them, [n, size, size, 3]."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        activations: torch.Tensor = self.trunk(pixels.permute(0, 3, 1, 2))
        return activations


def _openvino_runner(choice: EngineChoice, trunk: nn.Module, size_px: int) -> Runner:
    import openvino

    hints = {
        "INFERENCE_PRECISION_HINT": choice.precision,
        "PERFORMANCE_HINT": "LATENCY",  # one batch at a time on all cores
    }
    model = openvino_model(trunk, size_px)
    try:
        compiled: Any = openvino.Core().compile_model(model, "CPU", hints)
    except RuntimeError as error:
        raise EngineError(
            f"OpenVINO can't run this network ({error}); try engine=torch."
        ) from error

    def run(pixels: Pixels) -> Activations:
        activations: Activations = compiled(pixels, share_inputs=True)[0]
        return activations

    return run


def openvino_model(trunk: nn.Module, size_px: int) -> Any:
    """The trunk as an OpenVINO model over uint8 pixels [n, size_px, size_px, 3].

    OpenVINO's own `convert_model` isn't used: it reports each call to its maker's analytics.

    Raises:
        EngineError: the trunk can't be traced or converted.
    """
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    example = torch.zeros(2, size_px, size_px, 3, dtype=torch.uint8)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # Tracing is deprecated, and warns of shape checks that are constant for one size_px.
            # OpenVINO 2026.4 can't read torch 2.15's exported programs: trace until it can.
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(_ChannelsLast(trunk), example, check_trace=False)
            decoder = TorchScriptPythonDecoder(traced)  # must outlive the conversion
            frontend = FrontEndManager().load_by_framework("pytorch")
            model = frontend.convert(frontend.load(decoder))
        model.reshape([-1, size_px, size_px, 3])
    except Exception as error:
        raise EngineError(
            f"OpenVINO can't convert this network ({type(error).__name__}); use engine=torch."
        ) from error
    return model


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
