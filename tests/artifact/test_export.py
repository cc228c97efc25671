"""Written forms of a model: each answers as the network does, or isn't there."""

import importlib.util
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import PROJECT, draw_photo

from dogbreed import BreedClassifier, Predictor
from dogbreed.artifact import export
from dogbreed.artifact.export import Probe, check_formats, write_model
from dogbreed.artifact.folder import find_artifact, read_description
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import ArtifactError, EngineError

CLASSES = ("Akita", "Beagle", "Collie", "Dingo")


@pytest.fixture(scope="module")
def model() -> BreedClassifier:
    model = BreedClassifier(CLASSES, backbone="resnet18", weights="none").eval()
    with torch.no_grad():
        output = model.head.get_submodule("output")
        assert isinstance(output, torch.nn.Linear)
        output.weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(0))
    return model


def describe(model: BreedClassifier, **fields: Any) -> Any:
    return model.describe(preprocessing=Preprocessing(size_px=64).describe(), views=2, **fields)


@pytest.fixture(scope="module")
def probe(model: BreedClassifier, tmp_path_factory: pytest.TempPathFactory) -> Probe:
    """Drawn photos with what plain torch says of them."""
    folder = tmp_path_factory.mktemp("probe")
    paths = [folder / f"{number}.jpg" for number in range(24)]
    for number, path in enumerate(paths):
        draw_photo(path, 10 * number, number)
    write_model(folder / "model", model, describe(model))
    answers = list(Predictor.load(folder / "model", engine="torch").predict_many(paths, 4))
    probabilities = np.array(
        [
            [
                next(b.probability for b in answer.classes if b.class_name == name)
                for name in CLASSES
            ]
            for answer in answers
            if not isinstance(answer, Exception)
        ]
    )
    return Probe(
        paths=paths,
        probabilities=probabilities,
        targets=probabilities.argmax(1),
        calibration=paths[:12],
    )


@pytest.mark.runs
def test_every_form_answers_as_torch_does(
    model: BreedClassifier, probe: Probe, tmp_path: Path
) -> None:
    written = write_model(tmp_path / "m", model, describe(model), ("openvino", "onnx"), probe)
    assert written.forms["openvino"]["photos"] == 24
    assert written.forms["openvino"]["top1_equal_share"] > 0.9
    assert written.forms["openvino"]["max_probability_difference"] < 0.05  # bf16, where there is
    assert written.forms["onnx"]["max_logit_difference"] < 1e-3
    exact = Predictor.load(tmp_path / "m", engine="openvino", precision="f32")
    for path, expected in zip(probe.paths, probe.probabilities, strict=True):
        given = {each.class_name: each.probability for each in exact.predict(path, 4).classes}
        assert [given[name] for name in CLASSES] == pytest.approx(expected, abs=1e-3)

    # Nothing says where it was made.
    for file in (tmp_path / "m").iterdir():
        assert str(PROJECT).encode() not in file.read_bytes(), file.name
        assert b"site-packages" not in file.read_bytes(), file.name

    import onnxruntime

    pixels = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    session = onnxruntime.InferenceSession(
        tmp_path / "m" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    logits, features = session.run(None, {"pixels": pixels})
    with torch.no_grad():
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        np.testing.assert_allclose(features, model.backbone(images), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(logits, model(images), rtol=1e-3, atol=1e-3)


def test_half_precision_halves_the_files(
    model: BreedClassifier, probe: Probe, tmp_path: Path
) -> None:
    whole = write_model(tmp_path / "m", model, describe(model), ("openvino",), probe)
    half = write_model(
        tmp_path / "h", model, describe(model, dtype="float16"), ("openvino",), probe
    )
    for name in ("model.safetensors", "openvino.bin"):
        sizes = [(tmp_path / folder / name).stat().st_size for folder in ("h", "m")]
        assert sizes[0] == pytest.approx(sizes[1] / 2, rel=0.02), name
    assert half.forms["openvino"]["top1_equal_share"] > 0.9
    assert whole.dtype == "float32"
    for engine in ("torch", "openvino"):
        predictor = Predictor.load(tmp_path / "h", engine=engine)
        given = {b.class_name: b.probability for b in predictor.predict(probe.paths[3], 4).classes}
        assert [given[name] for name in CLASSES] == pytest.approx(
            probe.probabilities[3].tolist(), abs=0.03
        )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.runs
def test_int8_stays_only_if_it_costs_little(
    model: BreedClassifier,
    probe: Probe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(logging.getLogger("dogbreed"), "propagate", True)
    forms = ("openvino", "int8")
    monkeypatch.setattr(export, "MAX_INT8_LOSS_POINTS", 100.0)
    written = write_model(tmp_path / "m", model, describe(model), forms, probe)
    agreement = written.forms["int8"]
    assert agreement["photos"] == 24
    assert agreement["top1_equal_share"] == 1 - agreement["valid_top1_loss_points"] / 100
    predictor = Predictor.load(tmp_path / "m")  # "auto" takes it
    assert predictor.predict(probe.paths[0]).classes
    assert predictor.has_class_maps
    weights = (tmp_path / "m" / "int8.bin").stat().st_size
    assert weights < (tmp_path / "m" / "openvino.bin").stat().st_size / 3

    monkeypatch.setattr(export, "MAX_INT8_LOSS_POINTS", agreement["valid_top1_loss_points"])
    written = write_model(tmp_path / "m", model, describe(model), forms, probe)
    assert "int8" in written.forms  # no more than that
    monkeypatch.setattr(export, "MAX_INT8_LOSS_POINTS", agreement["valid_top1_loss_points"] - 1e-6)
    written = write_model(tmp_path / "m", model, describe(model), forms, probe)
    assert set(written.forms) == {"openvino"}
    assert not (tmp_path / "m" / "int8.bin").exists()
    assert "int8 is left out" in caplog.text


def test_a_form_that_answers_otherwise_is_not_written(
    model: BreedClassifier, probe: Probe, tmp_path: Path
) -> None:
    write_model(tmp_path / "m", model, describe(model, temperature=2.0))
    wrong = replace(probe, probabilities=probe.probabilities[:, ::-1])
    with pytest.raises(ArtifactError, match="differs from the trained network"):
        write_model(tmp_path / "m", model, describe(model), ("openvino",), wrong)
    # What was there before is whole, and nothing lies beside it.
    assert read_description(find_artifact(tmp_path / "m")).temperature == 2.0
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_missing_package_is_named_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    check_formats(("openvino", "int8", "onnx"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"artifact.int8=true needs openvino and nncf: pip inst"):
        check_formats(("int8",))
