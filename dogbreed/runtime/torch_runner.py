"""Networks run by torch, on the CPU or a GPU: the one place that calls them outside training."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from dogbreed.data.decoding.preprocessing import Pixels
from dogbreed.runtime.runner import BF16, F32, Floats


class TorchRunner:
    """A torch network over images [n, 3, size, size] (uint8), in eval mode, on one device.

    Args:
        network: it is moved to `device`; it returns a tensor, or a tuple of one for each output.
        outputs: the names of what it returns.
        device: "cpu" or "cuda".
        precision: "bf16" computes under autocast; the outputs are float32 either way.
        threads: cores to compute on, a setting of the process; 0: all.
    """

    def __init__(
        self,
        network: nn.Module,
        outputs: Sequence[str],
        *,
        device: str = "cpu",
        precision: str = F32,
        threads: int = 0,
    ) -> None:
        if threads:
            torch.set_num_threads(threads)
        self._device = torch.device(device)
        self._network = network.to(self._device)  # the backbone is in channels last already
        self._outputs = tuple(outputs)
        self._precision = precision

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it returns."""
        return self._outputs

    def __call__(self, pixels: Pixels) -> Mapping[str, Floats]:
        """pixels [n, size, size, 3] to one array [n, ...] for each output."""
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2)  # channels last without a copy
        if self._device.type == "cuda":
            images = images.pin_memory().to(self._device, non_blocking=True)
        in_bf16 = self._precision == BF16
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=in_bf16),
        ):
            answer = self._network(images)
            tensors = (answer,) if isinstance(answer, torch.Tensor) else answer
            arrays = [tensor.float().cpu().numpy() for tensor in tensors]
        return dict(zip(self._outputs, arrays, strict=True))
