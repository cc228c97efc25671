"""One photo, one answer: through cached features and head, the predictor, and each runtime."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from conftest import draw_photo
from PIL import Image
from torch import nn

from dogbreed import BreedClassifier, Predictor
from dogbreed.artifact.export import Probe, write_model
from dogbreed.artifact.folder import read_description
from dogbreed.artifact.runtimes import open_runtime
from dogbreed.artifact.trained_model import Scored, TrainedModel
from dogbreed.backbone.architecture import build_backbone
from dogbreed.data.batches import FeatureBatch
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import Pixels, Preprocessing, view_names
from dogbreed.errors import PhotoError
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.features.extraction import FrozenPart, Request, fill_caches, open_caches
from dogbreed.runtime.engine import choose_engine
from dogbreed.runtime.probabilities import Doubles
from dogbreed.runtime.views import decode_views

CLASSES = ("Akita", "Beagle", "Collie")
TEMPERATURE = 1.4
MAX_DIFFERENCE = 0.01
PREPROCESSING = Preprocessing(size_px=64)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Nine photos in three colours, the colour of number n being n modulo 3."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(9):
        draw_photo(folder / f"{number}.jpg", 120 * (number % 3), number, (90 + 7 * number, 80))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def model(paths: list[Path]) -> BreedClassifier:
    """Its head knows the mean features of each colour, so its answers differ and are clear."""
    model = BreedClassifier(
        CLASSES, backbone=build_backbone("resnet18", "none", preprocessing=PREPROCESSING)
    ).eval()
    views = [decode_views(path.read_bytes(), PREPROCESSING, ("centre",), b"") for path in paths]
    with torch.no_grad():
        images = torch.from_numpy(np.concatenate(views)).permute(0, 3, 1, 2)
        features = model.backbone(images)
        from_mean = torch.stack([features[n::3].mean(0) for n in range(3)]) - features.mean(0)
        weight = 3 * from_mean / from_mean.square().sum(1, keepdim=True)
    state = {"weight": weight, "bias": -weight @ features.mean(0)}
    model.head.get_submodule("output").load_state_dict(state)
    return model


def through_the_features(model: BreedClassifier, paths: list[Path], cache: Path) -> Doubles:
    """Calibrated probabilities [n, classes], as a run's evaluation computes them."""
    views = view_names(3)
    requests = [
        Request(path=path, digest=photos.digest(path.read_bytes()), views=views) for path in paths
    ]
    choice = choose_engine()
    frozen = FrozenPart(model.backbone, choice)
    caches = open_caches(cache, frozen, views)
    fill_caches(caches, requests, frozen, workers=2)
    digests = [request.digest for request in requests]
    features = [caches[view].reader()[caches[view].rows(digests)] for view in views]
    batch = FeatureBatch(
        torch.from_numpy(np.stack(features, 1)).float(), torch.zeros(len(paths)).long()
    )
    with torch.no_grad():
        scores = Scores(*model.log_probabilities(batch)).calibrated(TEMPERATURE)
    probabilities: npt.NDArray[np.float64] = scores.log_probabilities.double().exp().numpy()
    return probabilities


def test_a_photo_gets_the_same_probabilities_everywhere(
    model: BreedClassifier, paths: list[Path], tmp_path: Path
) -> None:
    expected = through_the_features(model, paths, tmp_path / "cache")
    ranked = np.sort(expected)
    assert (ranked[:, -1] - ranked[:, -2]).min() > 2 * MAX_DIFFERENCE, "else top-1 is chance"
    assert len(set(expected.argmax(1))) == 3
    probe = Probe(
        paths=paths, probabilities=expected, targets=expected.argmax(1), calibration=paths[:1]
    )
    description = model.describe(
        preprocessing=PREPROCESSING.describe(), views=3, temperature=TEMPERATURE
    )
    written = write_model(tmp_path / "model", model, description, ("openvino",), probe)
    assert written.forms["openvino"]["top1_equal_share"] == 1
    assert written.forms["openvino"]["max_probability_difference"] <= MAX_DIFFERENCE
    for engine in ("openvino", "torch"):
        predictor = Predictor.load(tmp_path / "model", engine=engine)
        answers = [predictor.predict(path) for path in paths]
        for path, answer, wanted in zip(paths, answers, expected, strict=True):
            given = {each.class_name: each.probability for each in answer.classes}
            assert answer.classes[0].class_name == CLASSES[wanted.argmax()], path
            found = [given[name] for name in CLASSES]
            np.testing.assert_allclose(found, wanted, atol=MAX_DIFFERENCE)


def test_a_model_from_before_backbones_had_their_own_pixels_answers_as_it_did(
    model: BreedClassifier, paths: list[Path], tmp_path: Path
) -> None:
    model.save(tmp_path / "model")
    stored = json.loads((tmp_path / "model" / "model.json").read_text("utf-8"))["preprocessing"]
    assert set(stored) == {"size_px", "crop_share", "resample", "version"}, "as of that time"
    predictor = Predictor.load(tmp_path / "model", engine="torch")
    network = nn.Sequential(model.backbone.trunk.get_submodule("layers"), model.head)
    for path in paths:
        with Image.open(path) as photo:
            side = min(photo.size)
            left, top = (photo.width - side) / 2, (photo.height - side) / 2
            square = photo.resize(
                (64, 64), Image.Resampling.BICUBIC, (left, top, left + side, top + side)
            )
        pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None] / 255
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        with torch.no_grad():
            wanted = network((pixels - mean.view(3, 1, 1)) / std.view(3, 1, 1)).softmax(1)[0]
        given = {each.class_name: each.probability for each in predictor.predict(path).classes}
        np.testing.assert_allclose([given[name] for name in CLASSES], wanted, atol=1e-4)


def test_unreadable_photos_take_no_others_place(model: BreedClassifier, tmp_path: Path) -> None:
    description = model.describe(preprocessing=PREPROCESSING.describe(), views=2)
    write_model(tmp_path / "model", model, description)
    description = read_description(tmp_path / "model")
    trained = TrainedModel(description, open_runtime(tmp_path / "model", description, "torch"))
    assert trained.photos_per_batch == 4
    views = np.random.default_rng(0).integers(0, 256, (11, 2, 64, 64, 3), np.uint8)

    def load(number: int) -> Pixels:
        if number % 3 == 1:
            raise PhotoError("damaged", f"number {number}")
        loaded: Pixels = views[number]
        return loaded

    alone = [trained.score(views[number : number + 1])[0] for number in range(11)]
    results = list(trained.score_many(range(11), load, workers=3))
    for number, (result, single) in enumerate(zip(results, alone, strict=True)):
        if number % 3 == 1:
            assert isinstance(result, PhotoError)
            assert str(result) == f"number {number}"
        else:
            assert isinstance(result, Scored)
            np.testing.assert_allclose(result.probabilities, single.probabilities, atol=1e-5)
            np.testing.assert_allclose(result.features, single.features, atol=1e-4)
