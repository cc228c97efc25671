"""load_features: the features of folders of photos as NumPy arrays, from the cache."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dogbreed.backbone.architecture import Backbone
from dogbreed.data.layouts.splits import TEST, TRAIN, VALID
from dogbreed.data_module import BreedDataModule


@dataclass(frozen=True)
class SplitFeatures:
    """A split: features X [n, features] in float32, class indices y [n], and the photos' paths."""

    X: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    paths: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Features:
    """The features of all splits, of the centre of each photo; y are indices into `classes`.

    `display_names` is what people read for each class, `backbone` the network's name.
    """

    classes: tuple[str, ...]
    display_names: tuple[str, ...]
    backbone: str
    train: SplitFeatures
    valid: SplitFeatures
    test: SplitFeatures

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {getattr(self, name).X.shape}" for name in (TRAIN, VALID, TEST))
        return f"Features of {self.backbone}: {sizes}, {len(self.classes)} classes"


def load_features(
    root: str | Path, *, backbone: str | Backbone = "resnet50", **settings: Any
) -> Features:
    """Read the features of the photos below `root` from the cache; compute those it lacks.

        features = dogbreed.load_features("PHOTOS")
        LogisticRegression().fit(features.train.X, features.train.y)

    The cache is that of training: what a run with the same backbone has computed is there. Of a
    backbone that is trained in part they are its frozen part's output, [n, *shape].

    `settings` are the other arguments of `BreedDataModule.from_folder`, such as fraction, workers,
    nested_classes, links, labels and group.

    Raises:
        DogbreedError: as `BreedDataModule.from_folder`.
    """
    module = BreedDataModule.from_folder(root, features=True, backbone=backbone, **settings)
    assert module.backbone is not None
    return Features(
        classes=tuple(module.classes),
        display_names=tuple(module.display_names),
        backbone=module.backbone.name,
        train=_arrays(module, TRAIN),
        valid=_arrays(module, VALID),
        test=_arrays(module, TEST),
    )


def _arrays(module: BreedDataModule, split: str) -> SplitFeatures:
    cached = module.cached[split]
    samples = module.checked.folders.samples[split]
    return SplitFeatures(
        X=cached.features(np.arange(len(cached)), 1)[:, 0],
        y=cached.labels,
        paths=tuple(sample.path for sample in samples),
    )
