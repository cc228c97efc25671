"""The machine's limit: photos a second if they cost nothing but matrix products."""

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from dogbreed.backbone.architecture import Backbone
from dogbreed.runtime.engine import EngineChoice
from dogbreed.runtime.runner import BF16, CUDA

# A product large enough for the full rate, and small enough to cost a tenth of a second.
SIDE = {"cpu": 2048, "cuda": 8192}
ROUNDS = 5


def photos_per_s_limit(backbone: Backbone, choice: EngineChoice) -> float:
    """Photos a second if the frozen part ran at the rate of torch's matrix product.

    Operations of convolutions and products are counted by torch, multiplications and additions
    each as one. An engine that needs fewer operations, or computes faster, can exceed it.
    """
    return _operations_per_s(choice) / operations_per_photo(backbone)


def operations_per_photo(backbone: Backbone) -> int:
    """Multiplications and additions of the frozen part for one photo."""
    size_px = backbone.preprocessing.size_px
    example = torch.zeros(1, 3, size_px, size_px, dtype=torch.uint8)
    example = example.to(next(backbone.trunk.parameters()).device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        backbone.trunk(example)
    return int(counter.get_total_flops())


def _operations_per_s(choice: EngineChoice) -> float:
    device = "cuda" if choice.name == CUDA else "cpu"
    dtype = torch.bfloat16 if choice.precision == BF16 else torch.float32
    side = SIDE[device]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(ROUNDS + 1):  # the first one warms up
        started = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / min(seconds[1:])
