"""Networks run by OpenVINO on the CPU: the one place that compiles and calls them."""

import functools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dogbreed.data.decoding.preprocessing import Pixels
from dogbreed.errors import EngineError
from dogbreed.runtime.class_maps import add_class_maps
from dogbreed.runtime.runner import AUTO, BF16, F32, Floats


class OpenVinoRunner:
    """An OpenVINO model over pixels, compiled for this processor.

    Args:
        model: an `openvino.Model` with named outputs.
        precision: "bf16" or "f32".
        threads: cores to compute on; 0: all.
        name: what an error message calls the network.

    Raises:
        EngineError: OpenVINO can't compile it.
    """

    def __init__(
        self, model: Any, precision: str, *, threads: int = 0, name: str = "this network"
    ) -> None:
        hints: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",  # one batch at a time on all cores
        }
        if threads:
            hints["INFERENCE_NUM_THREADS"] = threads
        with _engine_errors(name):
            self._compiled: Any = openvino_core().compile_model(model, "CPU", hints)
        self._outputs = tuple(
            each for output in self._compiled.outputs for each in sorted(output.get_names())
        )
        # One call at a time: separate infer requests for each thread corrupt memory when they
        # compute different numbers of photos at once (OpenVINO 2026.4).
        self._turn = threading.Lock()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it returns."""
        return self._outputs

    def __call__(self, pixels: Pixels) -> Mapping[str, Floats]:
        """pixels [n, size, size, 3] to one array [n, ...] for each output."""
        with self._turn:
            answer = self._compiled(pixels, share_inputs=True)
        return {name: answer[name] for name in self._outputs}


def read_openvino(path: Path, precision: str, *, threads: int = 0) -> OpenVinoRunner:
    """A model from its .xml and .bin files; class maps become an output where they can be had.

    Raises:
        EngineError: OpenVINO can't read or compile it.
    """
    with _engine_errors(str(path)):
        model = openvino_core().read_model(path, path.with_suffix(".bin"))
        add_class_maps(model)
    return OpenVinoRunner(model, precision, threads=threads, name=str(path))


@contextmanager
def _engine_errors(name: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise EngineError(f"OpenVINO can't run {name} ({error}); try engine=torch.") from error


@functools.cache
def openvino_core() -> Any:
    """The one `openvino.Core` of this process, which is never destroyed.

    Each Core installs a signal stack for the thread and restores the previous one when it is
    destroyed. Two that aren't destroyed in the opposite order leave a freed stack: the next signal,
    even that of a child that ended, then kills the process (OpenVINO 2026.4).
    """
    import openvino

    return openvino.Core()


def openvino_has_bf16() -> bool:
    """Whether OpenVINO multiplies in bf16 on this processor."""
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def cpu_precision(precision: str = AUTO) -> str:
    """The precision that "auto" stands for in OpenVINO on this processor."""
    if precision != AUTO:
        return precision
    return BF16 if openvino_has_bf16() else F32
