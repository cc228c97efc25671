"""Arguments of the Python API: what isn't valid is refused, with what would be."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dogbreed import BreedClassifier, BreedDataModule, Debugger, Predictor, TimeProfiler, load
from dogbreed.backbone.architecture import Backbone, build_backbone
from dogbreed.configuration.debug import default_config
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import ConfigError, WeightsError

CLASSES = ("Akita", "Beagle", "Collie")
NAN, INFINITE = float("nan"), float("inf")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return build_backbone("resnet18", "none")


@pytest.fixture(scope="module")
def predictor(tiny_model: Path) -> Predictor:
    return load(tiny_model, engine="torch", threads=1)


def refused(message: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        call(*arguments, **named)
    assert isinstance(raised.value, ValueError)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("scheduler", "cosin", "scheduler='cosin': must be one of onecycle, cosine, constant. Did"),
        ("scheduler", "cosin", "Did you mean cosine?"),
        ("scheduler", "OneCycle", "Did you mean onecycle?"),
        ("head", "MLP", "Did you mean mlp?"),
        ("head", None, "head=None: must be one of auto, linear, mlp."),
        ("head", True, "must be one of auto, linear, mlp."),
        ("optimizer", "adamW", "optimizer='adamW': must be one of adam, adamw, sgd. Did you mean"),
        ("optimizer", torch.optim.AdamW, "must be one of adam, adamw, sgd."),
        ("trainable", "last", "Did you mean last_stage?"),
        ("trainable", "all", "the backbone was built with trainable='head'"),
        ("weights", "IMAGENET1K_V1", "the backbone has its weights already"),
        ("lr", -1, "lr=-1: must be above 0 and at most 100."),
        ("lr", 0, "lr=0: must be above 0"),
        ("lr", NAN, "lr=nan: must be a number."),
        ("lr", INFINITE, "lr=inf: must be a number."),
        ("lr", True, "lr=True: must be a number."),
        ("lr", "0.1", "lr='0.1': must be a number."),
        ("lr", [0.1], "lr=[0.1]: must be a number."),
        ("lr", None, "lr=None: must be a number."),
        ("lr", np.float32(NAN), "must be a number."),
        ("hidden", 0, "hidden=0: must be at least 1 and at most 65536."),
        ("hidden", 1.5, "hidden=1.5: must be a whole number."),
        ("dropout", 1, "dropout=1: must be at least 0 and below 1."),
        ("eps", 0, "eps=0: must be above 0"),
        ("weight_decay", -0.1, "weight_decay=-0.1: must be at least 0"),
        ("momentum", 1.0, "momentum=1.0: must be at least 0 and below 1."),
        ("backbone_lr_scale", 0, "backbone_lr_scale=0: must be above 0 and at most 1."),
        ("label_smoothing", 1, "label_smoothing=1: must be at least 0 and below 1."),
        ("class_weights", [1, 2], "must be 3 numbers, one for each class, not 2."),
        ("class_weights", [1, 2, -1], "number 2 is -1: must be a number at least 0."),
        ("class_weights", [1, NAN, 1], "number 1 is nan"),
        ("class_weights", [INFINITE, 1, 1], "number 0 is inf"),
        ("class_weights", [1, "2", 1], "number 1 is '2'"),
        ("class_weights", [True, 1, 1], "number 0 is True"),
        ("class_weights", [0, 0, 0], "must not all be 0"),
        ("class_weights", np.ones((3, 1)), "number 0 is [1.0]"),
        ("class_weights", "balanced", "must be a list of 3 numbers"),
        ("class_weights", {"Akita": 1.0}, "must be a list of 3 numbers"),
        ("class_weights", 2.0, "must be a list of 3 numbers"),
    ],
)
def test_a_setting_of_the_classifier(
    backbone: Backbone, argument: str, value: object, message: str
) -> None:
    refused(message, BreedClassifier, CLASSES, backbone=backbone, **{argument: value})


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (2, "classes=2: must be a list of names: classes=[str(n) for n in range(2)]"),
        (np.int64(7), "range(7)]"),
        (None, "must be a list of names"),
        ("cat", "must be a list of names, such as ['cat', 'another']"),
        (("a", "b", "a"), "'a' is there 2 times"),
        (("a",), "must be the names of two classes or more"),
        ((), "must be the names of two classes or more"),
        ((1, 2), "1 is none: such as '1'"),
        (("a", None), "None is none"),
        (("a", " "), "' ' is no name of a class"),
        ({"a", "b"}, "sorted(classes)"),
        ({"a": 1, "b": 0}, "sorted(classes, key=classes.get)"),
    ],
)
def test_the_classes_of_the_classifier(backbone: Backbone, classes: Any, message: str) -> None:
    refused(message, BreedClassifier, classes, backbone=backbone)


def test_a_backbone_is_a_name_or_one_that_is_built() -> None:
    refused("Did you mean resnet50?", BreedClassifier, CLASSES, backbone="ResNet50")
    refused("must be a torchvision network's name", BreedClassifier, CLASSES, backbone=None)
    network = torch.nn.Linear(2, 2)
    refused("Backbone(name, network)", BreedClassifier, CLASSES, backbone=network)
    refused("Did you mean last_stage?", build_backbone, "resnet18", "none", "last")
    refused("'auto' or 'none'", build_backbone, "resnet18", None)
    with pytest.raises(WeightsError, match="Did you mean IMAGENET1K_V1"):
        build_backbone("resnet18", "imagenet1k_v1")


def test_nothing_is_fetched_for_arguments_that_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dogbreed.backbone.architecture.read_weights", pytest.fail)
    for settings in ({"lr": -1}, {"head": "MLP"}, {"trainable": "last"}, {"class_weights": [1]}):
        refused("must be", BreedClassifier, CLASSES, backbone="resnet18", **settings)


def test_numbers_of_other_libraries_and_other_lists_are_taken(backbone: Backbone) -> None:
    model = BreedClassifier(
        np.array(CLASSES),  # type: ignore[arg-type]
        backbone=backbone,
        head="mlp",
        hidden=np.int64(8),  # type: ignore[arg-type]
        dropout=np.float32(0.25),  # type: ignore[arg-type]
        lr=torch.tensor(0.5),  # type: ignore[arg-type]
        momentum=0,
        class_weights=np.array([1, 2, 3]),  # type: ignore[arg-type]
    )
    assert model.classes == CLASSES
    assert all(type(name) is str for name in model.classes)
    assert model.head_shape == {"head": "mlp", "hidden": 8, "dropout": 0.25}
    assert (model.lr, model.momentum) == (0.5, 0.0)
    assert model.class_weights is not None
    assert model.class_weights.tolist() == [1.0, 2.0, 3.0]
    assert model.class_weights.dtype == torch.float32
    weighted = BreedClassifier(
        iter(CLASSES),  # type: ignore[arg-type]
        backbone=backbone,
        class_weights=torch.tensor([0, 1, 1]),  # type: ignore[arg-type]
    )
    assert weighted.class_weights is not None
    assert weighted.class_weights.tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"temperature": 0}, "temperature=0: must be above 0."),
        ({"temperature": NAN}, "temperature=nan: must be a number."),
        ({"threshold": 1.5}, "threshold=1.5: must be at least 0 and at most 1."),
        ({"views": 0}, "views=0: must be at least 1 and at most 16."),
        ({"dtype": "fp16"}, "Did you mean float16?"),
        ({"display_names": ("a", "b")}, "must be 3 texts, one for each class, not 2."),
        ({"display_names": "abc"}, "must be a list of texts."),
        ({"treshold": 0.5}, "Did you mean threshold?"),
    ],
)
def test_what_a_saved_model_says(
    backbone: Backbone, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    model = BreedClassifier(CLASSES, backbone=backbone)
    refused(message, model.save, tmp_path / "m", **fields)
    assert list(tmp_path.iterdir()) == []


def test_a_preprocessing_is_taken_as_it_is(backbone: Backbone) -> None:
    wanted = Preprocessing(size_px=64)
    described = BreedClassifier(CLASSES, backbone=backbone).describe(preprocessing=wanted)
    assert described.pixels() == wanted


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size_px": 0}, "size_px=0: must be at least 32 and at most 1024."),
        ({"size_px": 224.5}, "must be a whole number."),
        ({"size_px": "224"}, "size_px='224': must be a whole number."),
        ({"crop_share": 2}, "crop_share=2: must be above 0 and at most 1."),
        ({"crop_share": NAN}, "crop_share=nan: must be a number."),
    ],
)
def test_preprocessing(settings: dict[str, Any], message: str) -> None:
    refused(message, Preprocessing, **settings)


def test_the_same_preprocessing_is_described_alike() -> None:
    given = Preprocessing(size_px=np.int64(64), crop_share=1)  # type: ignore[arg-type]
    assert repr(given.describe()) == repr(Preprocessing(size_px=64, crop_share=1.0).describe())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fraction": 0}, "fraction=0: must be above 0 and at most 1."),
        ({"fraction": "half"}, "fraction='half': must be a number."),
        ({"batch_size": 0}, "batch_size=0: must be at least 1 and at most 1000000."),
        ({"views": 17}, "views=17: must be at least 1 and at most 16."),
        ({"workers": -1}, "workers=-1: must be at least 0."),
        ({"workers": "many"}, "workers='many': must be a whole number or auto."),
        ({"seed": 1.5}, "seed=1.5: must be a whole number."),
        ({"preprocessing": 224}, "preprocessing=224: must be a Preprocessing"),
    ],
)
def test_the_data_module(photos_root: Path, settings: dict[str, Any], message: str) -> None:
    refused(message, BreedDataModule.from_folder, photos_root, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "OpenVino"}, "Did you mean openvino?"),
        ({"precision": "fp32"}, "precision='fp32': must be one of auto, bf16, f32. Did you mean"),
        ({"threads": -1}, "threads=-1: must be at least 0"),
        ({"threads": True}, "must be a whole number."),
    ],
)
def test_loading(tiny_model: Path, settings: dict[str, Any], message: str) -> None:
    refused(message, load, tiny_model, **settings)


@pytest.mark.parametrize("top_k", [0, -1, 2.5, "3", None, True])
def test_top_k(predictor: Predictor, photos_root: Path, top_k: Any) -> None:
    photo = next(photos_root.rglob("*.jpg"))
    refused("top_k=", predictor.predict, photo, top_k)
    refused("top_k=", predictor.predict_many, [photo], top_k)  # at once, not at the first answer


def test_what_is_no_photo_or_no_list_of_them(predictor: Predictor, photos_root: Path) -> None:
    photo = next(photos_root.rglob("*.jpg"))
    refused("takes a list of photos", predictor.predict_many, photo)
    refused("takes a list of photos", predictor.predict_many, str(photo))
    refused("workers=-1: must be at least 0.", predictor.predict_many, [photo], workers=-1)
    pixels = np.zeros((8, 8, 3), np.uint8)
    assert len(predictor.predict(pixels).classes) == 3
    refused("takes a list of photos", predictor.predict_many, pixels)
    refused("a photo is a path", predictor.predict, None)
    refused("a photo is a path", lambda: list(predictor.predict_many([photo, 5])))  # type: ignore[list-item]
    answers: Iterator[Any] = predictor.predict_many([photo], np.int64(2))  # type: ignore[arg-type]
    assert len(next(answers).classes) == 2


def test_the_callbacks(tmp_path: Path) -> None:
    config = default_config()
    refused("every_n_steps=0", Debugger, tmp_path, replace(config, every_n_steps=0))
    limits = replace(config.rules.overfit, action="halt")
    wrong = replace(config, rules=replace(config.rules, overfit=limits))
    refused("debug.rules.overfit.action=halt: must be one of", Debugger, tmp_path, wrong)
    refused("must be a DebugConfig", Debugger, tmp_path, {"every_n_steps": 5})
    refused("valid_loss=''", Debugger, tmp_path, valid_loss="")
    refused("valid_top1=None", Debugger, tmp_path, valid_top1=None)
    refused("outlier_times=0: must be above 1.", TimeProfiler().steps.step_times, 0)
    Debugger(tmp_path, replace(config, every_n_steps=7))
