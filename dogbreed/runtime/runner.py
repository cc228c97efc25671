"""The interface of every engine: a network that takes 8-bit pixels and returns named arrays.

Nothing but numpy is imported here: what serves a model must load without torch.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dogbreed.data.decoding.preprocessing import Pixels

Floats = npt.NDArray[np.float32]

AUTO, OPENVINO, CUDA, TORCH = "auto", "openvino", "cuda", "torch"
BF16, F32 = "bf16", "f32"

# Names of outputs: of a backbone's frozen part, and of a trained model.
ACTIVATIONS = "activations"
LOGITS, FEATURES, CLASS_MAPS = "logits", "features", "class_maps"


class Runner(Protocol):
    """A network on one engine, in one precision. Any thread may call it."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it returns."""
        ...

    def __call__(self, pixels: Pixels) -> Mapping[str, Floats]:
        """pixels [n, size, size, 3] to one array [n, ...] for each output."""
        ...
