"""The forms of a trained network that can answer: OpenVINO's in f32 or bf16, int8, plain torch.

A form takes pixels and gives logits and features; whatever asks it knows nothing of its engine.
"""

import importlib.util
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dogbreed.artifact.class_maps import CLASS_MAPS, add_class_maps
from dogbreed.artifact.description import Description
from dogbreed.artifact.file_names import DESCRIPTION, FORMAT_FILES, INT8, OPENVINO, opened
from dogbreed.artifact.folder import checked_file
from dogbreed.data.decoding.photos import Pixels
from dogbreed.errors import ArtifactError, EngineError
from dogbreed.utils.machine import openvino_core, openvino_has_bf16

Floats = npt.NDArray[np.float32]

AUTO, TORCH = "auto", "torch"
ENGINES = (AUTO, OPENVINO, INT8, TORCH)
BF16, F32 = "bf16", "f32"
PRECISIONS = (AUTO, BF16, F32)
# How a file of OpenVINO's own format begins: an XML declaration, the root element.
_GRAPH = re.compile(rb"\s*(?:<\?xml[^<>]{0,100}\?>)?\s*<net[\s>]")


@dataclass(frozen=True)
class Form:
    """A network that answers.

    Args:
        run: pixels [n, size, size, 3] to logits [n, classes] and features [n, features].
        class_maps: pixels to what `cam` says of it [n, classes, cells, cells]; any thread may call
            it. None where that can't be had.
    """

    run: Callable[[Pixels], tuple[Floats, Floats]]
    class_maps: Callable[[Pixels], Floats] | None = None


def choose_runtime(description: Description, engine: str = AUTO) -> str:
    """The form that "auto" stands for: int8 where the model has it, OpenVINO's, else torch.

    Raises:
        ArtifactError: the model wasn't written in the form that was asked for.
        EngineError: OpenVINO was asked for and isn't installed.
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
            f"engine={engine}: the model has no such form: train it with {key}, or use engine=auto."
        )
    return engine


def open_runtime(
    folder: Path,
    description: Description,
    engine: str = AUTO,
    *,
    precision: str = AUTO,
    threads: int = 0,
) -> Form:
    """The artifact's network in one of its forms.

    Args:
        engine: one of ENGINES.
        precision: what OpenVINO's own form computes in; auto: bf16 where the processor has it.
        threads: cores to compute on; 0: all.

    Raises:
        ArtifactError, EngineError: as `choose_runtime`; a file is missing or changed, or its
            network isn't one of the description's pixels and classes.
    """
    chosen = choose_runtime(description, engine)
    if chosen == TORCH:
        from dogbreed.artifact.network import load_network

        form = torch_runtime(load_network(folder, description), threads)
    else:
        for name in FORMAT_FILES[chosen]:
            checked_file(folder, description, name)
        path = folder / f"{chosen}.xml"
        form = openvino_runtime(path, precision=precision, threads=threads)
    _check_answer(folder, description, chosen, form)
    return form


def _check_answer(folder: Path, description: Description, chosen: str, form: Form) -> None:
    """Raise an ArtifactError unless a form answers for a black photo as its description says."""
    size = description.pixels().size_px
    try:
        logits, features = form.run(np.zeros((1, size, size, 3), np.uint8))
        fits = logits.shape == (1, len(description.classes)) and features.ndim == 2
        fits = fits and bool(np.isfinite(logits).all() and np.isfinite(features).all())
    except (RuntimeError, LookupError, TypeError, ValueError):  # other inputs, outputs or shapes
        fits = False
    if not fits:
        raise ArtifactError(
            f"{folder}: the model's {chosen} form doesn't answer for photos of {size} px with a "
            f"finite number for each of {len(description.classes):,} classes, as {DESCRIPTION} "
            "says: train again, or copy the folder again."
        )


def openvino_runtime(path: Path, *, precision: str = AUTO, threads: int = 0) -> Form:
    """An OpenVINO model with the outputs "logits" and "features", compiled for this processor.

    Raises:
        ArtifactError: the file is of another format than OpenVINO's own.
        EngineError: OpenVINO can't read or compile it.
    """
    _check_graph(path)
    core = openvino_core()
    hints: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": cpu_precision(precision),
    }
    if threads:
        hints["INFERENCE_NUM_THREADS"] = threads
    try:
        model = core.read_model(path, path.with_suffix(".bin"))
        has_class_maps = add_class_maps(model)
        compiled: Any = core.compile_model(model, "CPU", hints)
    except RuntimeError as error:
        raise EngineError(f"OpenVINO can't run {path} ({error}); try engine=torch.") from error

    # One at a time: requests of its own for each thread corrupt the memory where they compute
    # different numbers of photos at once (OpenVINO 2026.4).
    turn = threading.Lock()

    def computed(pixels: Pixels) -> Any:
        with turn:
            return compiled(pixels, share_inputs=True)

    def run(pixels: Pixels) -> tuple[Floats, Floats]:
        answer = computed(pixels)
        return answer["logits"], answer["features"]

    def class_maps(pixels: Pixels) -> Floats:
        maps: Floats = computed(pixels)[CLASS_MAPS]
        return maps

    return Form(run, class_maps if has_class_maps else None)


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


def cpu_precision(precision: str = AUTO) -> str:
    """The precision that "auto" stands for on this processor."""
    if precision != AUTO:
        return precision
    return BF16 if openvino_has_bf16() else F32


def torch_runtime(network: Any, threads: int = 0) -> Form:
    """A Network (in eval mode) in plain torch, on the CPU, in f32."""
    import torch

    if threads:
        torch.set_num_threads(threads)

    def run(pixels: Pixels) -> tuple[Floats, Floats]:
        with torch.inference_mode():
            images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
            features = network.backbone(images)
            logits = network.head(features)
        return logits.numpy(), features.numpy()

    return Form(run)
