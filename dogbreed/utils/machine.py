"""Which resources of the machine this process may use."""

import functools
import os
from typing import Any


def cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_count(workers: int | str) -> int:
    """The value of a key `workers` as a number: "auto" is one per core."""
    return cores() if workers == "auto" else int(workers)


@functools.cache
def openvino_core() -> Any:
    """The only `openvino.Core` of this process, which is never deleted.

    Each Core sets the thread's signal stack and restores the previous one when it is deleted. Two
    that aren't deleted in reverse order leave a stack that is freed: the next signal, even that of
    a child that ended, then kills the process (OpenVINO 2026.4).
    """
    import openvino

    return openvino.Core()


def openvino_has_bf16() -> bool:
    """Whether OpenVINO multiplies in bf16 on this processor."""
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
