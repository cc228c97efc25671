"""data.fit: photos that aren't square get the same answer in training and at every entry point."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import SMALL, Train, draw_photo
from helpers.in_process import run_in_process
from helpers.local_server import serving
from PIL import Image

from dogbreed import BreedClassifier, BreedDataModule, Predictor, load, load_features
from dogbreed.backbone.architecture import build_backbone
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import ConfigError
from dogbreed.serving.decoding_budget import DecodingBudget
from dogbreed.serving.prediction import Prediction

WIDE, TALL = (300, 100), (70, 260)


def draw_shapes(root: Path, splits: dict[str, int]) -> Path:
    """Wide and tall photos of three classes whose middles are alike: `root`/<split>/<class>."""
    for number, name in enumerate(("Akita", "Beagle", "Collie")):
        for split, count in splits.items():
            for photo in range(count):
                path = root / split / name / f"{photo:03}.png"
                size = WIDE if photo % 2 else TALL
                draw_photo(path, 20 + 100 * number, 100 * number + photo, size)
                with Image.open(path) as drawn:
                    drawn.load()
                side = min(size)
                place = ((size[0] - side) // 2, (size[1] - side) // 2)
                drawn.paste((128, 128, 128), (*place, place[0] + side, place[1] + side))
                drawn.save(path)
    return root


def agree(found: Prediction, wanted: Prediction) -> None:
    """Top-1 is equal, |Δp| ≤ 0.01."""
    assert found.classes[0].class_name == wanted.classes[0].class_name
    probabilities = {each.class_name: each.probability for each in found.classes}
    for each in wanted.classes:
        assert probabilities[each.class_name] == pytest.approx(each.probability, abs=0.01)


@pytest.mark.parametrize("size", [WIDE, TALL])
def test_from_python_every_photo_is_padded(
    size: tuple[int, int], padded_model: Path, tiny_model: Path, tmp_path: Path
) -> None:
    predictor, path = load(padded_model), tmp_path / "photo.png"
    draw_photo(path, 120, 1, size)
    wanted = predictor.predict(path)
    budget = Predictor.load(padded_model, decoding_budget=DecodingBudget())
    with Image.open(path) as image:
        for photo in (path.read_bytes(), image, np.asarray(image)):
            agree(predictor(photo), wanted)
        agree(budget.predict(path.read_bytes()), wanted)
    agree(load(padded_model, engine="torch").predict(path), wanted)
    cropped = load(tiny_model).predict(path).classes[0].probability
    assert abs(cropped - wanted.classes[0].probability) > 0.01, "else any fit would do"


def test_commands_and_the_server_pad_it_too(padded_model: Path, tmp_path: Path) -> None:
    draw_photo(tmp_path / "wide.jpg", 120, 1, WIDE)
    wanted = load(padded_model).predict(tmp_path / "wide.jpg")
    expected = [(each.class_name, each.probability) for each in wanted.classes]
    done = run_in_process("dogbreed.predict", f"model={padded_model}", "wide.jpg", cwd=tmp_path)
    with serving(padded_model, "threads=1") as server:
        answer = server.send((tmp_path / "wide.jpg").read_bytes())
    for answered in (json.loads(done.stdout), answer.values["predictions"][0]):
        found = [(each["class"], each["probability"]) for each in answered["classes"]]
        assert [name for name, _ in found] == [name for name, _ in expected]
        assert [p for _, p in found] == pytest.approx([p for _, p in expected], abs=0.01)


@pytest.mark.runs
@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_a_training_sees_what_its_model_sees(fit: str, train: Train, tmp_path: Path) -> None:
    draw_shapes(tmp_path / "photos", {"train": 12, "valid": 4, "test": 4})
    given = (f"data.root={tmp_path / 'photos'}", *SMALL, f"data.fit={fit}", "precision=f32")
    done = train(*given, "optim.lr=0.01", "trainer.epochs=8")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "outputs/latest"
    data = yaml.safe_load((run / "config.yaml").read_text("utf-8"))["data"]
    assert (data["fit"], data["crop_share"]) == (fit, 1.0)
    described = json.loads((run / "model/model.json").read_text("utf-8"))["preprocessing"]
    assert described["fit"] == fit
    predictor = load(run)
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    for row in rows:
        best = predictor.predict(row["path"], 1).classes[0]
        assert best.class_name == row["predicted"]
        assert best.probability == pytest.approx(float(row["probability"]), abs=0.01)
    right = sum(row["class"] == row["predicted"] for row in rows)
    assert right > 20, "the classes differ outside the centre squares alone"
    live = train(*given, "features.store=false", "trainer.epochs=1")
    assert live.returncode == 0, live.stderr


@pytest.mark.runs
def test_each_fit_has_features_of_its_own(train: Train, tmp_path: Path) -> None:
    root = draw_shapes(tmp_path / "photos", {"": 6})
    for fit, computed in (("crop", 18), ("pad", 18), ("crop", 0)):
        done = train(f"data.root={root}", *SMALL, f"data.fit={fit}", "features.views=1")
        assert f"18 views of photos, {computed} computed now" in done.stdout


def test_a_data_module_takes_the_backbones_fit(tmp_path: Path) -> None:
    root = draw_shapes(tmp_path / "photos", {"": 6})
    pixels = Preprocessing(size_px=64, fit="stretch")
    network = build_backbone("resnet18", "none", preprocessing=pixels)
    module = BreedDataModule.from_folder(root, backbone=network, workers=0)
    assert module.preprocessing == pixels
    batch = next(iter(module.val_dataloader()))
    sample = module.checked.folders.samples["valid"][0]
    with Image.open(sample.path) as photo:
        wanted = pixels.view(photo.convert("RGB"), "centre")
    assert np.array_equal(batch.images[0, 0].permute(1, 2, 0).numpy(), wanted)
    stretched = load_features(root, backbone=network)
    other = build_backbone("resnet18", "none", preprocessing=Preprocessing(size_px=64))
    assert np.abs(load_features(root, backbone=other).valid.X - stretched.valid.X).max() > 0.05
    assert BreedClassifier(module.classes, backbone=network).describe().preprocessing["fit"] == (
        "stretch"
    )


def test_what_was_mistyped_is_said(train: Train) -> None:
    for given, expected in (
        (("data.fit=padd",), "data.fit=padd: must be one of crop, pad, stretch. Did you mean pad?"),
        (("data.fit=pad", "data.crop_share=0.9"), "crop_share=0.9: must be 1 with fit=pad"),
    ):
        done = train(*given)
        assert done.returncode != 0
        assert expected in done.stderr
        assert "Traceback" not in done.stderr
    with pytest.raises(ConfigError, match=r"fit=3: must be one of crop, pad, stretch"):
        Preprocessing(fit=3)  # type: ignore[arg-type]
