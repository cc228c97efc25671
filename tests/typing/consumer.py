"""Code of a user of the package: mypy checks it from outside, against the installed package.

`make check` runs mypy here with the environment's own copy of dogbreed, which py.typed marks as
typed. assert_type fails where a public name has lost its type.
"""

from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

import dogbreed
from dogbreed import BreedClassifier, BreedDataModule, DogbreedError, Predictor, Run


def train(root: Path) -> BreedClassifier:
    module = BreedDataModule.from_folder(root, batch_size=32)
    assert_type(module, BreedDataModule)
    model = BreedClassifier(module.classes, backbone="resnet18", weights="none", lr=1e-3)
    model.save(root / "model")
    return model


def fit(root: Path) -> float:
    run = dogbreed.fit(root, epochs=5, backbone="efficientnet_lite2", **{"optim.momentum": 0.8})
    assert_type(run, Run)
    assert_type(run.folder, Path)
    assert_type(Run("outputs/latest").predictor, Predictor)
    assert_type(run.report, Path)
    return float(run.metrics["test"]["top1"])


def logits(model: BreedClassifier, images: Tensor) -> Tensor:
    found: Tensor = model(images)
    return found


def predict(path: Path) -> float:
    predictor = dogbreed.load(path)
    assert_type(predictor, Predictor)
    try:
        prediction = predictor.predict(path / "photo.jpg", top_k=3)
    except DogbreedError:
        return 0.0
    assert_type(prediction.unknown, bool)
    embedding: npt.NDArray[np.float32] = prediction.embedding
    assert_type(predictor.explain(path / "photo.jpg"), Image.Image)
    return float(embedding.sum())


assert_type(dogbreed.__version__, str)
