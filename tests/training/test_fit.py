"""The classifier that a configuration describes."""

from pathlib import Path

import pytest

from dogbreed.backbone.architecture import empty_backbone
from dogbreed.configuration.composing import compose
from dogbreed.data.layouts.folders import read_folders
from dogbreed.training.fit import build_model


def test_every_key_of_model_and_optim_reaches_the_classifier(photos_root: Path) -> None:
    (photos_root / "train" / "Akita" / "000.jpg").unlink()
    folders = read_folders(photos_root)
    config = compose(
        [
            *("optim=sgd", "optim.lr=0.123", "optim.eps=1e-5", "optim.weight_decay=0.02"),
            *("optim.momentum=0.7", "optim.backbone_lr_scale=0.3", "optim.scheduler=cosine"),
            *("optim.label_smoothing=0.2", "optim.class_weights=balanced", "model.head=mlp"),
            *("model.hidden=12", "model.dropout=0.4"),
        ]
    )
    backbone = empty_backbone("squeezenet1_1", "head")
    model = build_model(config, folders, backbone)
    assert model.backbone is backbone
    assert model.classes == folders.classes
    assert model.head_shape == {"head": "mlp", "hidden": 12, "dropout": 0.4}
    assert (model.optimizer_name, model.scheduler_name) == ("sgd", "cosine")
    for name in ("lr", "eps", "weight_decay", "momentum", "backbone_lr_scale", "label_smoothing"):
        assert getattr(model, name) == getattr(config.optim, name), name
    assert model.class_weights is not None
    # 11, 12 and 12 photos.
    assert model.class_weights.tolist() == pytest.approx([35 / 33, 35 / 36, 35 / 36])
    plain = build_model(compose([]), folders, backbone)
    assert plain.class_weights is None


def test_initial_weights_follow_from_the_seed(photos_root: Path) -> None:
    folders, backbone = read_folders(photos_root), empty_backbone("squeezenet1_1", "head")

    def first_weight(seed: int) -> float:
        config = compose([f"seed={seed}", "model.head=mlp"])
        state = build_model(config, folders, backbone).head.state_dict()
        return float(state["hidden.weight"][0, 0])

    assert first_weight(1) == first_weight(1)
    assert first_weight(1) != first_weight(2)
