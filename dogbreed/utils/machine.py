"""What this process may use of the machine."""

import functools
import os
from typing import Any


def cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def openvino_core() -> Any:
    """The one `openvino.Core` of this process, which is never given up.

    Each Core gives the thread a stack for its signals and, when it goes, puts back the one that it
    found. Two that don't go in the opposite order leave a stack that is gone: the next signal, even
    that of a child that ended, then kills the process (OpenVINO 2026.4).
    """
    import openvino

    return openvino.Core()


def openvino_has_bf16() -> bool:
    """Whether OpenVINO multiplies in bf16 on this processor."""
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
