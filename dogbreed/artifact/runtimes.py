"""The runtimes of a trained model: OpenVINO in f32 or bf16, OpenVINO in int8, torch, on a GPU too.

Each is a Runner over pixels with the outputs LOGITS and FEATURES, and CLASS_MAPS where they can be
had. Torch is imported only where it computes.
"""

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dogbreed.artifact.description import Description
from dogbreed.artifact.file_names import DESCRIPTION, FORMAT_FILES, INT8, opened
from dogbreed.artifact.folder import checked_file
from dogbreed.errors import ArtifactError, EngineError
from dogbreed.runtime.openvino_runner import OpenVinoRunner, cpu_precision, read_openvino
from dogbreed.runtime.runner import (
    AUTO,
    BF16,
    CUDA,
    F32,
    FEATURES,
    LOGITS,
    OPENVINO,
    TORCH,
    Runner,
)

ENGINES = (AUTO, OPENVINO, INT8, TORCH, CUDA)
PRECISIONS = (AUTO, BF16, F32)
# The compute capability of Ampere. Older GPUs emulate bf16, which is slower than f32.
BF16_SINCE = (8, 0)
# How a file in OpenVINO's own format begins: an XML declaration, the root element.
_GRAPH = re.compile(rb"\s*(?:<\?xml[^<>]{0,100}\?>)?\s*<net[\s>]")


def choose_runtime(description: Description, engine: str = AUTO) -> str:
    """The runtime that "auto" stands for: int8 where the model has it, OpenVINO, else torch.

    Raises:
        ArtifactError: the model wasn't exported in the requested format.
        EngineError: OpenVINO was requested and isn't installed.
    """
    installed = importlib.util.find_spec("openvino") is not None
    available = [name for name in (INT8, OPENVINO) if name in description.forms and installed]
    if engine == AUTO:
        return available[0] if available else TORCH
    if engine in (INT8, OPENVINO) and engine not in available:
        if not installed:
            raise EngineError(f"engine={engine}: OpenVINO isn't installed (pip install openvino).")
        key = "artifact.int8=true" if engine == INT8 else "artifact.openvino=true"
        raise ArtifactError(
            f"engine={engine}: the model wasn't exported in this format: train it with {key}, or "
            "use engine=auto."
        )
    return engine


def open_runtime(
    folder: Path,
    description: Description,
    engine: str = AUTO,
    *,
    precision: str = AUTO,
    threads: int = 0,
) -> Runner:
    """The model's network in one of its runtimes.

    Args:
        engine: one of ENGINES.
        precision: what OpenVINO and GPUs compute in; auto: bf16 where the processor has it.
        threads: cores to compute on; 0: all.

    Raises:
        ArtifactError, EngineError: as `choose_runtime`; a file is missing or changed, or its
            network isn't one of the description's pixels and classes.
    """
    chosen = choose_runtime(description, engine)
    runner: Runner
    if chosen == CUDA:
        from dogbreed.artifact.network import load_network

        runner = cuda_runtime(lambda: load_network(folder, description), precision)
    elif chosen == TORCH:
        from dogbreed.artifact.network import load_network

        runner = torch_runtime(load_network(folder, description), threads)
    else:
        for name in FORMAT_FILES[chosen]:
            checked_file(folder, description, name)
        path = folder / f"{chosen}.xml"
        runner = openvino_runtime(path, precision=precision, threads=threads)
    _check_outputs(folder, description, chosen, runner)
    return runner


def _check_outputs(folder: Path, description: Description, chosen: str, runner: Runner) -> None:
    """Raise an ArtifactError unless the outputs for a black photo fit the description."""
    size = description.pixels().size_px
    try:
        outputs = runner(np.zeros((1, size, size, 3), np.uint8))
        logits, features = outputs[LOGITS], outputs[FEATURES]
        fits = logits.shape == (1, len(description.classes)) and features.ndim == 2
        fits = fits and bool(np.isfinite(logits).all() and np.isfinite(features).all())
    except (RuntimeError, LookupError, TypeError, ValueError):  # other inputs, outputs or shapes
        fits = False
    if not fits:
        raise ArtifactError(
            f"{folder}: the model's {chosen} network doesn't take photos of {size} px and return a "
            f"finite number for each of {len(description.classes):,} classes, as {DESCRIPTION} "
            "says: train again, or copy the folder again."
        )


def openvino_runtime(path: Path, *, precision: str = AUTO, threads: int = 0) -> OpenVinoRunner:
    """A model that was exported for OpenVINO, compiled for this processor.

    Raises:
        ArtifactError: the file is in another format than OpenVINO's own.
        EngineError: OpenVINO can't read or compile it.
    """
    _check_graph(path)
    return read_openvino(path, cpu_precision(precision), threads=threads)


def _check_graph(path: Path) -> None:
    """Raise an ArtifactError unless OpenVINO will read a file by its own format's reader.

    By their content it would read ONNX and others too, which can name further files to open.
    """
    with opened(path) as file:
        graph = file.read()
    if not _GRAPH.match(graph) or b"<!DOCTYPE" in graph or b"<!ENTITY" in graph:
        raise ArtifactError(
            f"{path} isn't a network in OpenVINO's own format: train again, or copy the folder "
            "again."
        )


def torch_runtime(network: Any, threads: int = 0) -> Runner:
    """A Network (in eval mode) in torch, on the CPU, in f32."""
    from dogbreed.artifact.network import LogitsAndFeatures
    from dogbreed.runtime.torch_runner import TorchRunner

    return TorchRunner(LogitsAndFeatures(network), (LOGITS, FEATURES), threads=threads)


def cuda_runtime(load: Callable[[], Any], precision: str = AUTO) -> Runner:
    """The Network (in eval mode) that `load` returns in torch on a GPU; auto: bf16 since Ampere.

    Raises:
        EngineError: torch finds no GPU; the network isn't loaded.
    """
    import torch

    from dogbreed.artifact.network import LogitsAndFeatures
    from dogbreed.runtime.torch_runner import TorchRunner

    if not torch.cuda.is_available():
        raise EngineError("engine=cuda: torch finds no GPU here: use engine=auto.")
    if precision == AUTO:
        precision = BF16 if torch.cuda.get_device_capability() >= BF16_SINCE else F32
    network = LogitsAndFeatures(load())
    return TorchRunner(network, (LOGITS, FEATURES), device="cuda", precision=precision)
