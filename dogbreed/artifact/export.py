"""A network written as an artifact, in the forms that are asked for, each held against training."""

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
from torch import Tensor, nn

from dogbreed.artifact.description import Description
from dogbreed.artifact.file_names import FORMAT_FILES, INT8, ONNX, OPENVINO, WEIGHTS
from dogbreed.artifact.folder import write_artifact, write_weights
from dogbreed.artifact.runtimes import Form, cpu_precision, openvino_runtime
from dogbreed.data.batches import evenly_spaced
from dogbreed.data.decoding.photos import CENTRE
from dogbreed.errors import ArtifactError, EngineError, PhotoError
from dogbreed.features.shard import CHECKED_PHOTOS
from dogbreed.runtime.conversion import ChannelsLast, to_openvino
from dogbreed.serving.predictor import Predictor, read_photo

(ONNX_FILE,) = FORMAT_FILES[ONNX]

# Enough photos for the ranges of the activations (NNCF's own default).
CALIBRATION_PHOTOS = 300
# int8 stays only if validation top-1 falls by no more than this.
MAX_INT8_LOSS_POINTS = 0.5
# Float32 sums in another order differ by about 1e-6 a layer.
ONNX_TOLERANCE = 1e-3
# How far a form may be from training's answers before something must be wrong.
MIN_EQUAL = 0.9


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Validation photos with what training says of them, and photos to calibrate int8 with.

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
    forms: Sequence[str] = (),
    probe: Probe | None = None,
) -> Description:
    """Write `network` (with `backbone` and `head`) to `folder` in its own weights and in `forms`.

    With a probe each form is measured, and its agreement stands in the description; int8 needs
    one, and is left out where it costs too much.

    Raises:
        EngineError: a form can't be made of this network.
        ArtifactError: a written form doesn't answer as the network does.
    """
    network = network.eval().cpu()
    made: dict[str, Mapping[str, Any]] = {}

    def write_files(beside: Path) -> Description:
        half = description.dtype == "float16"
        tensors = {
            name: tensor.half() if half and tensor.is_floating_point() else tensor
            for name, tensor in network.state_dict().items()
        }
        write_weights(beside / WEIGHTS, tensors)
        if OPENVINO in forms or INT8 in forms:
            model = _openvino_model(network, description)
            if OPENVINO in forms:
                made[OPENVINO] = _write_openvino(beside, model, half, description, probe)
            if INT8 in forms and probe is not None:
                agreement = _write_int8(beside, model, description, probe)
                made.update({INT8: agreement} if agreement else {})
        if ONNX in forms:
            made[ONNX] = _write_onnx(beside / ONNX_FILE, network, description)
        return replace(description, forms=made)

    return write_artifact(folder, write_files)


def check_formats(forms: Sequence[str]) -> None:
    """Raise an EngineError if a package that one of the forms needs isn't installed."""
    needs = {OPENVINO: ("openvino",), INT8: ("openvino", "nncf"), ONNX: ("onnxscript", "onnx")}
    needs[ONNX] += ("onnxruntime",)
    for form in forms:
        missing = [name for name in needs[form] if importlib.util.find_spec(name) is None]
        if missing:
            raise EngineError(
                f"artifact.{form}=true needs {' and '.join(missing)}: "
                f"pip install {' '.join(missing)}, or leave that form out."
            )


def default_formats() -> tuple[str, ...]:
    """OpenVINO's form where it is installed."""
    return (OPENVINO,) if importlib.util.find_spec("openvino") is not None else ()


class _Answers(nn.Module):
    """Images to logits and features."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.backbone, self.head = network.backbone, network.head

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(images)
        return self.head(features), features


def _openvino_model(network: Any, description: Description) -> Any:
    model = to_openvino(_Answers(network), description.preprocessing["size_px"])
    for output, name in zip(model.outputs, ("logits", "features"), strict=True):
        output.get_tensor().set_names({name})
    return model


def _write_openvino(
    beside: Path, model: Any, half: bool, description: Description, probe: Probe | None
) -> dict[str, Any]:
    import openvino

    path = beside / f"{OPENVINO}.xml"
    openvino.save_model(model, path, compress_to_fp16=half)
    if probe is None:
        return {}
    precision = cpu_precision()
    form = openvino_runtime(path, precision=precision)
    agreement = _agreement(form, description, probe.part(CHECKED_PHOTOS))
    if agreement["top1_equal_share"] < MIN_EQUAL:
        raise ArtifactError(
            f"The compiled form answers unlike the trained network ({agreement}): "
            "leave it out (artifact.openvino=false), and report this network."
        )
    return {"precision": precision, **agreement}


def _write_int8(
    beside: Path, model: Any, description: Description, probe: Probe
) -> dict[str, Any] | None:
    """The quantised form with its agreement over all validation photos, or None if it lost much."""
    import openvino

    path = beside / f"{INT8}.xml"
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
    log.info("int8: quantising, then answering for all validation photos (about a minute)")
    logging.disable(logging.WARNING)  # on import it has torch look for a compiler
    try:
        import nncf
    finally:
        logging.disable(logging.NOTSET)
    nncf.set_log_level(logging.ERROR)
    preprocessing = description.pixels()
    pixels = []
    for path in probe.calibration:
        with contextlib.suppress(PhotoError):  # gone since the check; there are others
            photo, _ = read_photo(
                path, wanted_px=preprocessing.size_px, to_srgb=preprocessing.to_srgb
            )
            pixels.append(preprocessing.view(photo, CENTRE)[None])
    with contextlib.redirect_stdout(io.StringIO()):  # its bars
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


def _agreement(form: Form, description: Description, probe: Probe) -> dict[str, Any]:
    """How a form's answers compare with training's, over the photos that can still be read."""
    predictor = Predictor(description, form)
    place = {name: index for index, name in enumerate(description.classes)}
    equal: list[bool] = []
    lost = 0  # how many fewer are right than were
    differences: list[float] = []
    answers = predictor.predict_many(probe.paths, len(place))
    for answer, expected, target in zip(answers, probe.probabilities, probe.targets, strict=True):
        if isinstance(answer, PhotoError):
            continue
        given = np.empty(len(place))
        given[[place[each.class_name] for each in answer.classes]] = [
            each.probability for each in answer.classes
        ]
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
    """ONNX over uint8 pixels [photos, size, size, 3], its numbers held against torch's."""
    import onnxruntime

    size = description.preprocessing["size_px"]
    answers = ChannelsLast(_Answers(network)).eval()
    pixels = torch.randint(0, 256, (3, size, size, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constants and deprecated calls in torch itself
        program = torch.onnx.export(
            answers,
            (pixels,),
            input_names=["pixels"],
            output_names=["logits", "features"],
            dynamic_shapes=({0: torch.export.Dim("photos")},),
            dynamo=True,
            verbose=False,
        )
        assert program is not None, "as it is without a path, by dynamo"
        for node in program.model.graph.all_nodes():
            # Where it comes from in the code: paths of this machine, line by line.
            node.metadata_props.clear()
        program.save(path, external_data=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    logits, _ = session.run(None, {"pixels": pixels[:2].numpy()})
    with torch.no_grad():
        expected = answers(pixels[:2])[0].numpy()
    difference = float(np.abs(logits - expected).max())
    if not difference <= ONNX_TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise ArtifactError(
            f"{ONNX_FILE} gives other numbers than torch (by {difference:g}): leave it out "
            "(artifact.onnx=false), and report this network."
        )
    return {"max_logit_difference": difference}
