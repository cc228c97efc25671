"""Cached features from Python: load_features, and a data module of features for any Trainer."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL
from helpers.trainers import quiet_trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from dogbreed import BreedClassifier, BreedDataModule, load_features
from dogbreed.backbone.architecture import Backbone, build_backbone
from dogbreed.configuration.composing import compose
from dogbreed.data.check import check
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import ConfigError, DataError
from dogbreed.features import extraction
from dogbreed.training.run import train
from dogbreed.training.run_folder import BEST_CHECKPOINT

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


def backbone(trainable: str = "head") -> Backbone:
    return build_backbone("resnet18", "none", trainable, Preprocessing(size_px=64))


def test_features_are_arrays_by_split(photos_root: Path) -> None:
    network = backbone()
    features = load_features(photos_root, backbone=network, workers=2)
    assert features.classes == ("Akita", "Beagle", "Collie")
    assert repr(features).startswith("Features of resnet18: train (")
    checked = check(BreedDataModule.from_folder(photos_root).checked.folders)
    for split in ("train", "valid", "test"):
        arrays, samples = getattr(features, split), checked.folders.samples[split]
        assert arrays.X.shape == (len(samples), 512)
        assert arrays.X.dtype == np.float32
        assert arrays.y.tolist() == [sample.label for sample in samples]
        assert arrays.paths == tuple(sample.path for sample in samples)
    sample = checked.folders.samples["test"][3]
    photo = photos.decode(sample.path.read_bytes(), wanted_px=64)
    pixels = torch.tensor(network.preprocessing.view(photo, "centre", b""))
    alone = network(pixels.permute(2, 0, 1)[None]).detach().numpy()[0]
    # bf16 where the processor has it, and float16 on the disk.
    assert features.test.X[3] == pytest.approx(alone, abs=0.05 * float(abs(alone).max()))


def test_the_second_time_nothing_is_decoded_or_computed(
    photos_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_features(photos_root, backbone=backbone(), workers=1)
    monkeypatch.setattr(extraction, "build_runner", None)
    monkeypatch.setattr("dogbreed.data.check.inspect", None)
    again = load_features(photos_root, backbone=backbone(), workers=1)
    assert np.array_equal(first.train.X, again.train.X)


def test_a_photo_that_is_new_is_checked(photos_root: Path) -> None:
    load_features(photos_root, backbone=backbone())
    shutil.copy(photos_root / "train/Akita/000.jpg", photos_root / "train/Akita/copy.jpg")
    (photos_root / "train/Akita/text.jpg").write_text("no photo")
    again = load_features(photos_root, backbone=backbone())
    names = {path.name for path in again.train.paths}
    assert "copy.jpg" in names
    assert "text.jpg" not in names
    (photos_root / "train/Akita/more.jpg").write_text("none either")
    with pytest.raises(DataError, match="2 of 63 photos"):
        load_features(photos_root, backbone=backbone())


def test_an_own_trainer_trains_on_features(photos_root: Path, tmp_path: Path) -> None:
    module = BreedDataModule.from_folder(
        photos_root, batch_size=16, features=True, backbone=backbone(), views=2
    )
    model = BreedClassifier(module.classes, backbone=module.backbone or "", lr=0.01)
    fitted = quiet_trainer(tmp_path, max_epochs=6, enable_checkpointing=False)
    fitted.fit(model, module)
    assert fitted.callback_metrics["valid_top1"] > 0.5
    (tested,) = fitted.test(model, module, verbose=False)
    assert tested["test_top1"] > 0.5
    other = BreedClassifier(module.classes, backbone=backbone("last_stage"))
    with pytest.raises(ConfigError, match="features of another resnet18 than the model's"):
        fitted.fit(other, module)


@pytest.mark.runs
def test_an_own_trainer_gives_the_weights_of_the_command(photos_root: Path, tmp_path: Path) -> None:
    keys = (each for each in SMALL if each != "engine=torch")
    config = compose([f"data.root={photos_root}", f"output_root={tmp_path}", *keys])
    run = train(config)
    module = BreedDataModule.from_folder(
        photos_root, batch_size=16, features=True, backbone=backbone(), views=config.features.views
    )
    torch.manual_seed(config.seed)  # of the head's initial weights
    model = BreedClassifier(
        module.classes, backbone=module.backbone or "", lr=config.optim.lr, eps=config.optim.eps
    )
    saved = ModelCheckpoint(tmp_path / "own", monitor="valid_loss")
    quiet_trainer(tmp_path, max_epochs=3, callbacks=[saved]).fit(model, module)
    of_run = torch.load(run / BEST_CHECKPOINT, weights_only=True)["state_dict"]
    own = torch.load(saved.best_model_path, weights_only=True)["state_dict"]
    assert own.keys() == of_run.keys()
    for name, tensor in own.items():
        assert torch.allclose(tensor, of_run[name], atol=1e-5), name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": True}, "features=True: give the backbone that computes them"),
        ({"backbone": backbone(), "preprocessing": Preprocessing()}, "give one of them"),
        ({"features": True, "backbone": backbone("all")}, "of resnet18 all is trained"),
        ({"features": True, "backbone": "resnet"}, "resnet"),
        ({"features": True, "backbone": 18}, "backbone=18: must be"),
    ],
)
def test_arguments_that_do_not_fit_are_a_sentence(
    photos_root: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        BreedDataModule.from_folder(photos_root, **settings)  # type: ignore[arg-type]
