"""BreedClassifier as a complete LightningModule: test, predict, checkpoints, kinds of batches."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.trainers import quiet_trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models import resnet18

from dogbreed import BreedClassifier, BreedDataModule
from dogbreed.backbone.architecture import Backbone, build_backbone
from dogbreed.data.batches import FeatureBatch, PhotoBatch
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import ArtifactError, ConfigError, WeightsError

CLASSES = ("Akita", "Beagle", "Collie")
PIXELS = Preprocessing(size_px=64)
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*number of training batches"),
]


def small_model(**settings: Any) -> BreedClassifier:
    return BreedClassifier(CLASSES, **{"backbone": "resnet18", "weights": "none", **settings})


def loader() -> DataLoader[Any]:
    images = torch.randn(10, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(images, torch.arange(10) % 3), batch_size=4)


def checkpoint_of(model: BreedClassifier, folder: Path) -> str:
    """The best checkpoint of one epoch, as a Trainer writes it."""
    saved = ModelCheckpoint(folder / "checkpoints", monitor="valid_loss")
    quiet_trainer(folder, callbacks=[saved]).fit(model, loader(), loader())
    return saved.best_model_path


def test_a_trainer_tests_and_predicts(photos_root: Path, tmp_path: Path) -> None:
    module = BreedDataModule.from_folder(
        photos_root, batch_size=8, preprocessing=PIXELS, workers=0, views=2
    )
    backbone = build_backbone("resnet18", "none", preprocessing=PIXELS)
    model = BreedClassifier(module.classes, backbone=backbone, lr=0.01)
    fitted = quiet_trainer(tmp_path, enable_checkpointing=False)
    fitted.fit(model, module)
    (tested,) = fitted.test(model, module, verbose=False)
    batches = fitted.predict(model, module)
    assert batches is not None
    probabilities = torch.cat([torch.as_tensor(batch) for batch in batches])
    labels = torch.cat([batch.targets for batch in module.test_dataloader()])
    assert probabilities.shape == (len(labels), 3)
    assert probabilities.sum(1) == pytest.approx(torch.ones(len(labels)))
    assert tested.keys() == {"test_loss", "test_top1"}
    right = probabilities[torch.arange(len(labels)), labels]
    assert tested["test_loss"] == pytest.approx(-right.log().mean().item(), abs=1e-5)
    assert tested["test_top1"] == pytest.approx((probabilities.argmax(1) == labels).float().mean())


@pytest.mark.filterwarnings("ignore:.*callbacks used to create the checkpoint")
@pytest.mark.parametrize("trainable", ["head", "last_stage"])
def test_a_checkpoint_is_a_model_without_further_arguments(tmp_path: Path, trainable: str) -> None:
    model = small_model(
        trainable=trainable,
        head="mlp",
        hidden=16,
        lr=0.01,
        scheduler="constant",  # the others end with the epochs that they were made for
        class_weights=torch.tensor([1.0, 2, 3]),
    )
    path = checkpoint_of(model, tmp_path)
    loaded = BreedClassifier.load_from_checkpoint(path)
    images = next(iter(loader()))[0]
    assert torch.equal(loaded(images), model(images))
    assert loaded.classes == CLASSES
    assert dict(loaded.hparams) == dict(model.hparams)
    assert (loaded.lr, loaded.hparams["hidden"]) == (0.01, 16)
    # What a Trainer saved goes on in a Trainer.
    longer = quiet_trainer(tmp_path, max_epochs=2, enable_checkpointing=False)
    longer.fit(loaded, loader(), loader(), ckpt_path=path)
    assert longer.current_epoch == 2
    # An argument can be replaced.
    assert BreedClassifier.load_from_checkpoint(path, lr=0.5).lr == 0.5


def test_a_checkpoint_on_other_weights_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(1)
    own = Backbone("resnet18", resnet18())
    path = checkpoint_of(BreedClassifier(CLASSES, backbone=own), tmp_path)
    with pytest.raises(WeightsError, match=r"on other weights of resnet18 than these \(none\)"):
        BreedClassifier.load_from_checkpoint(path, weights="none")
    model = BreedClassifier.load_from_checkpoint(path, backbone=own)
    assert model.backbone is own
    fitted = quiet_trainer(tmp_path, enable_checkpointing=False)
    with pytest.raises(WeightsError, match="on other weights"):
        fitted.fit(small_model(), loader(), loader(), ckpt_path=path)


def test_what_is_no_checkpoint_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    with pytest.raises(ArtifactError, match=r"model\.ckpt can't be read: No such file"):
        BreedClassifier.load_from_checkpoint(path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ArtifactError, match="is damaged, or no checkpoint of a BreedClassifier"):
        BreedClassifier.load_from_checkpoint(path)
    whole = Path(checkpoint_of(small_model(), tmp_path)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match="is damaged"):
        BreedClassifier.load_from_checkpoint(path)
    version = {"pytorch-lightning_version": "2.6.0"}
    torch.save({"state_dict": {"w": torch.zeros(1)}, **version}, path)
    with pytest.raises(ArtifactError, match=r"doesn't have the arguments .* classes=\[\.\.\.\]"):
        BreedClassifier.load_from_checkpoint(path)


class Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("executed"),))


def test_no_pickle_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "hyper_parameters": {"classes": Evil()}}, "evil.ckpt")
    with pytest.raises(ArtifactError, match="no checkpoint of a BreedClassifier"):
        BreedClassifier.load_from_checkpoint("evil.ckpt")
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    "keys", [("pixel_values", "labels"), ("image", "label"), ("images", "targets")]
)
def test_a_batch_may_be_a_dictionary(keys: tuple[str, str], tmp_path: Path) -> None:
    model, (images, targets) = small_model(), next(iter(loader()))
    pair = model.loss((images, targets)).item()
    assert model.loss(dict(zip(keys, (images, targets), strict=True))).item() == pair
    assert model.loss(PhotoBatch(images[:, None], targets)).item() == pytest.approx(pair)
    features = FeatureBatch(model.backbone.frozen(images)[:, None], targets)
    assert model.loss(features).item() == pytest.approx(pair, abs=1e-5)
    assert torch.equal(model.predict_step(images, 0), model.predict_step((images, targets), 0))


def test_a_batch_of_another_kind_is_a_sentence() -> None:
    model, (images, targets) = small_model(), next(iter(loader()))
    with pytest.raises(ConfigError, match="is a dictionary of photo, labels: it needs one of"):
        model.loss({"photo": images, "labels": targets})
    with pytest.raises(ConfigError, match=r"shape \[4, 3, 64\]: it must be \[n, 3, height"):
        model.loss((images[..., 0], targets))
    with pytest.raises(ConfigError, match="training needs"):
        model.loss(images)


def test_the_progress_bar_has_loss_and_top1(tmp_path: Path) -> None:
    fitted = quiet_trainer(tmp_path, enable_checkpointing=False)
    fitted.fit(small_model(), loader(), loader())
    shown = fitted.progress_bar_metrics
    assert {"train_loss", "train_top1", "valid_loss", "valid_top1"} <= shown.keys()
