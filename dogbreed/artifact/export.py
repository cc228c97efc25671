"""Writes a trained network as an artifact: weights and export formats, compared to training."""

import contextlib
import importlib.util
import io
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dogbreed.artifact.description import Description
from dogbreed.artifact.file_names import FORMAT_FILES, INT8, ONNX, OPENVINO, WEIGHTS
from dogbreed.artifact.folder import write_artifact, write_weights
from dogbreed.artifact.network import LogitsAndFeatures
from dogbreed.artifact.runtimes import openvino_runtime
from dogbreed.artifact.trained_model import TrainedModel
from dogbreed.data.batches import evenly_spaced
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import CENTRE, Pixels
from dogbreed.errors import ArtifactError, EngineError, PhotoError
from dogbreed.features.shard import CHECKED_PHOTOS
from dogbreed.runtime.conversion import ChannelsLast, to_openvino
from dogbreed.runtime.openvino_runner import cpu_precision
from dogbreed.runtime.runner import FEATURES, LOGITS, Runner
from dogbreed.runtime.views import decode_views
from dogbreed.utils.machine import cores

(ONNX_FILE,) = FORMAT_FILES[ONNX]

# Enough photos for the ranges of the activations (NNCF's own default).
CALIBRATION_PHOTOS = 300
# int8 stays only if validation top-1 falls by no more than this.
MAX_INT8_LOSS_POINTS = 0.5
# Float32 sums in another order differ by about 1e-6 a layer.
ONNX_TOLERANCE = 1e-3
# An export whose top-1 equals training's less often than this is taken for wrong.
MIN_EQUAL = 0.9


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Validation photos with training's probabilities for them, and photos to calibrate int8 with.

    `probabilities` [n, classes] are calibrated; `targets` [n].
    """

    paths: Sequence[Path]
    probabilities: npt.NDArray[np.float64]
    targets: npt.NDArray[np.int64]
    calibration: Sequence[Path]

    def part(self, count: int) -> "Probe":
        """An evenly spaced part of the validation photos."""
        taken = evenly_spaced(len(self.paths), count)
        return replace(
            self,
            paths=[self.paths[index] for index in taken],
            probabilities=self.probabilities[taken],
            targets=self.targets[taken],
        )


def write_model(
    folder: Path,
    network: Any,
    description: Description,
    formats: Sequence[str] = (),
    probe: Probe | None = None,
) -> Description:
    """Write `network` (with `backbone` and `head`) to `folder`: its weights, and each of `formats`.

    With a probe each format is measured, and its agreement is stored in the description; int8
    needs one, and is left out where it costs too much accuracy.

    Raises:
        EngineError: the network can't be exported in a format.
        ArtifactError: an export doesn't compute what the network does.
    """
    network = network.eval().cpu()
    measured: dict[str, Mapping[str, Any]] = {}

    def write_files(temporary: Path) -> Description:
        half = description.dtype == "float16"
        tensors = {
            name: tensor.half() if half and tensor.is_floating_point() else tensor
            for name, tensor in network.state_dict().items()
        }
        write_weights(temporary / WEIGHTS, tensors)
        if OPENVINO in formats or INT8 in formats:
            model = to_openvino(
                LogitsAndFeatures(network),
                description.preprocessing["size_px"],
                (LOGITS, FEATURES),
            )
            if OPENVINO in formats:
                measured[OPENVINO] = _write_openvino(temporary, model, half, description, probe)
            if INT8 in formats and probe is not None:
                agreement = _write_int8(temporary, model, description, probe)
                measured.update({INT8: agreement} if agreement else {})
        if ONNX in formats:
            measured[ONNX] = _write_onnx(temporary / ONNX_FILE, network, description)
        return replace(description, forms=measured)

    return write_artifact(folder, write_files)


def check_formats(formats: Sequence[str]) -> None:
    """Raise an EngineError if a package that one of the formats needs isn't installed."""
    needs = {OPENVINO: ("openvino",), INT8: ("openvino", "nncf"), ONNX: ("onnxscript", "onnx")}
    needs[ONNX] += ("onnxruntime",)
    for each in formats:
        missing = [name for name in needs[each] if importlib.util.find_spec(name) is None]
        if missing:
            raise EngineError(
                f"artifact.{each}=true needs {' and '.join(missing)}: "
                f"pip install {' '.join(missing)}, or set artifact.{each}=false."
            )


def default_formats() -> tuple[str, ...]:
    """OpenVINO's format where it is installed."""
    return (OPENVINO,) if importlib.util.find_spec("openvino") is not None else ()


def _write_openvino(
    folder: Path, model: Any, half: bool, description: Description, probe: Probe | None
) -> dict[str, Any]:
    import openvino

    path = folder / f"{OPENVINO}.xml"
    openvino.save_model(model, path, compress_to_fp16=half)
    if probe is None:
        return {}
    precision = cpu_precision()
    runner = openvino_runtime(path, precision=precision)
    agreement = _agreement(runner, description, probe.part(CHECKED_PHOTOS))
    if agreement["top1_equal_share"] < MIN_EQUAL:
        raise ArtifactError(
            f"The export for OpenVINO differs from the trained network ({agreement}): "
            "leave it out (artifact.openvino=false), and report this network."
        )
    return {"precision": precision, **agreement}


def _write_int8(
    folder: Path, model: Any, description: Description, probe: Probe
) -> dict[str, Any] | None:
    """Write int8 and measure it over all validation photos; None if it lost too much accuracy."""
    import openvino

    path = folder / f"{INT8}.xml"
    openvino.save_model(_quantised(model, description, probe), path, compress_to_fp16=False)
    agreement = _agreement(openvino_runtime(path), description, probe)
    if agreement["valid_top1_loss_points"] > MAX_INT8_LOSS_POINTS:
        path.unlink()
        path.with_suffix(".bin").unlink()
        logging.getLogger("dogbreed").warning(
            "warning: int8 is left out: validation top-1 fell by %.1f points",
            agreement["valid_top1_loss_points"],
        )
        return None
    return agreement


def _quantised(model: Any, description: Description, probe: Probe) -> Any:
    """Post-training quantisation over the centre views of the calibration photos."""
    # Without this its telemetry reports each call to its maker's analytics.
    os.environ["NNCF_CI"] = "1"
    log = logging.getLogger("dogbreed")
    log.info("int8: quantising, then predicting all validation photos (about a minute)")
    logging.disable(logging.WARNING)  # importing it makes torch look for a compiler
    try:
        import nncf
    finally:
        logging.disable(logging.NOTSET)
    nncf.set_log_level(logging.ERROR)
    preprocessing = description.pixels()
    pixels: list[Pixels] = []
    for path in probe.calibration:
        with contextlib.suppress(PhotoError):  # deleted since the check; there are others
            pixels.append(decode_views(photos.read_bytes(path), preprocessing, (CENTRE,), b""))
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
        return nncf.quantize(
            model,
            nncf.Dataset(pixels),
            subset_size=CALIBRATION_PHOTOS,
            preset=nncf.QuantizationPreset.MIXED,
            # Measured on ResNet50: the sums of residual branches and the head take next to no time
            # and lose most by 8 bits.
            ignored_scope=nncf.IgnoredScope(
                types=["Add"], patterns=[r"__module\.network\.head.*"], validate=False
            ),
            # By default the first layer's weights get 7 bits, for processors without VNNI.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.DISABLE
            ),
        )


def _agreement(runner: Runner, description: Description, probe: Probe) -> dict[str, Any]:
    """How an export compares with training, over the photos that can still be read."""
    model = TrainedModel(description, runner)
    equal: list[bool] = []
    lost = 0  # how many fewer are right than in training
    differences: list[float] = []
    results = model.score_many(
        probe.paths, lambda path: model.views(photos.read_bytes(path)), workers=cores()
    )
    for scored, expected, target in zip(results, probe.probabilities, probe.targets, strict=True):
        if isinstance(scored, PhotoError):
            continue
        given = scored.probabilities
        equal.append(bool(given.argmax() == expected.argmax()))
        lost += int(expected.argmax() == target) - int(given.argmax() == target)
        differences.append(float(np.abs(given - expected).max()))
    return {
        "photos": len(equal),
        "top1_equal_share": float(np.mean(equal)),
        "valid_top1_loss_points": 100 * lost / len(equal),
        "max_probability_difference": max(differences),
    }


def _write_onnx(path: Path, network: Any, description: Description) -> dict[str, Any]:
    """ONNX over uint8 pixels [photos, size, size, 3], its numbers compared to torch's."""
    import onnxruntime

    size = description.preprocessing["size_px"]
    exported = ChannelsLast(LogitsAndFeatures(network)).eval()
    pixels = torch.randint(0, 256, (3, size, size, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constants and deprecated calls in torch itself
        program = torch.onnx.export(
            exported,
            (pixels,),
            input_names=["pixels"],
            output_names=[LOGITS, FEATURES],
            dynamic_shapes=({0: torch.export.Dim("photos")},),
            dynamo=True,
            verbose=False,
        )
        assert program is not None, "returned where no path is given"
        for node in program.model.graph.all_nodes():
            # Its place in the code: paths of this machine, line by line.
            node.metadata_props.clear()
        program.save(path, external_data=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    logits, _ = session.run(None, {"pixels": pixels[:2].numpy()})
    with torch.no_grad():
        expected = exported(pixels[:2])[0].numpy()
    difference = float(np.abs(logits - expected).max())
    if not difference <= ONNX_TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise ArtifactError(
            f"{ONNX_FILE} gives other numbers than torch (by {difference:g}): leave it out "
            "(artifact.onnx=false), and report this network."
        )
    return {"max_logit_difference": difference}
