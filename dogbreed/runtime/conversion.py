"""A torch network over images as an OpenVINO model over pixels."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from dogbreed.errors import EngineError


class ChannelsLast(nn.Module):
    """A network over pixels as photos have them, [n, size, size, 3]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> Any:
        return self.network(pixels.permute(0, 3, 1, 2))


def to_openvino(network: nn.Module, size_px: int, outputs: Sequence[str]) -> Any:
    """The network as an OpenVINO model over uint8 pixels [n, size_px, size_px, 3].

    `outputs` are the names of what the network returns, in order. OpenVINO's own `convert_model`
    isn't used: it reports each call to its maker's analytics.

    Raises:
        EngineError: the network can't be traced or converted.
    """
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    example = torch.zeros(2, size_px, size_px, 3, dtype=torch.uint8)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # Tracing is deprecated, and warns of shape checks that are constant for one size_px.
            # OpenVINO 2026.4 can't read torch 2.15's exported programs: trace until it can.
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(ChannelsLast(network), example, check_trace=False)
            decoder = TorchScriptPythonDecoder(traced)  # must outlive the conversion
            frontend = FrontEndManager().load_by_framework("pytorch")
            model = frontend.convert(frontend.load(decoder))
        model.reshape([-1, size_px, size_px, 3])
        for output, name in zip(model.outputs, outputs, strict=True):
            output.get_tensor().set_names({name})
    except Exception as error:
        raise EngineError(
            f"OpenVINO can't convert this network ({type(error).__name__}): use engine=torch."
        ) from error
    return model
