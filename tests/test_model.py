"""`import dogbreed.model` from other code: build, train with one's own Trainer, load a result."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from conftest import SMALL, Train
from torch.utils.data import DataLoader, TensorDataset

from dogbreed import BreedClassifier, BreedDataModule, load_classifier
from dogbreed.artifact.export import write_model
from dogbreed.backbone.architecture import build_backbone
from dogbreed.data.batches import FeatureBatch, PhotoBatch
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import ArtifactError, ConfigError
from dogbreed.evaluation.metrics.registry import objectives

CLASSES = ("Akita", "Beagle", "Collie")
PIXELS = Preprocessing(size_px=64)


def small_model(**settings: object) -> BreedClassifier:
    return BreedClassifier(
        CLASSES,
        backbone="resnet18",
        weights="none",
        **settings,  # type: ignore[arg-type]
    )


def trainer(tmp_path: Path, epochs: int = 2) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        default_root_dir=tmp_path,
    )


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*number of training batches")
@pytest.mark.parametrize(
    "trainable",
    [
        "head",
        pytest.param("last_stage", marks=pytest.mark.slow),
        pytest.param("all", marks=pytest.mark.slow),
    ],
)
def test_own_trainer_and_own_loader(tmp_path: Path, trainable: str) -> None:
    torch.manual_seed(0)
    images = torch.randn(12, 3, 64, 64)
    targets = torch.arange(12) % 3
    images[:, 0] += targets[:, None, None] * 2.0
    loader = DataLoader(TensorDataset(images, targets), batch_size=4)
    model = small_model(trainable=trainable, lr=0.01, backbone_lr_scale=0.1)
    before = {name: tensor.clone() for name, tensor in model.backbone.state_dict().items()}
    fitted = trainer(tmp_path, epochs=8)
    fitted.fit(model, loader, loader)
    assert fitted.callback_metrics["train_loss"] < math.log(3)
    assert not model.backbone.training
    after = model.backbone.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    parameters = {name for name, p in model.backbone.named_parameters() if p.requires_grad}
    assert changed <= parameters  # no buffer, nothing frozen
    assert bool(changed) == (trainable != "head")
    assert not any(name.startswith("trunk.") for name in changed)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_own_trainer_and_our_folders(photos_root: Path, tmp_path: Path) -> None:
    module = BreedDataModule.from_folder(
        photos_root, batch_size=16, preprocessing=PIXELS, workers=0, views=2
    )
    backbone = build_backbone("resnet18", "none", preprocessing=PIXELS)
    model = BreedClassifier(module.classes, backbone=backbone, lr=0.01)
    fitted = trainer(tmp_path, epochs=4)
    fitted.fit(model, module)
    assert fitted.callback_metrics["valid_top1"] > 0.5
    assert set(fitted.callback_metrics) == {
        "train_loss",
        "train_top1",
        *objectives(),
    }


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*number of training batches")
def test_own_data_modules_prepare_their_photos_themselves(tmp_path: Path) -> None:
    class Own(pl.LightningDataModule):
        preprocessing = "of its own"

        def train_dataloader(self) -> DataLoader[Any]:
            return DataLoader(TensorDataset(torch.randn(6, 3, 64, 64), torch.arange(6) % 3))

        def val_dataloader(self) -> DataLoader[Any]:
            return self.train_dataloader()

    fitted = trainer(tmp_path, epochs=1)
    fitted.fit(small_model(), Own())
    assert fitted.global_step == 6


def test_photos_that_were_prepared_for_another_network_are_refused(
    photos_root: Path, tmp_path: Path
) -> None:
    module = BreedDataModule.from_folder(photos_root, preprocessing=PIXELS, workers=0)
    for backbone in ("resnet18", "efficientnet_lite0"):
        model = BreedClassifier(module.classes, backbone=backbone, weights="none")
        with pytest.raises(ConfigError, match=f"otherwise than {backbone} needs.*preprocessing="):
            trainer(tmp_path, epochs=1).fit(model, module)


def test_each_epoch_has_an_order_of_its_own(photos_root: Path, tmp_path: Path) -> None:
    module = BreedDataModule.from_folder(
        photos_root, batch_size=12, preprocessing=PIXELS, workers=0
    )
    backbone = build_backbone("resnet18", "none", preprocessing=PIXELS)
    model = BreedClassifier(module.classes, backbone=backbone)
    orders: list[list[int]] = []

    class Note(pl.Callback):
        def on_train_batch_start(
            self,
            trainer: pl.Trainer,
            pl_module: pl.LightningModule,
            batch: PhotoBatch,
            batch_idx: int,
        ) -> None:
            orders.append(batch.targets.tolist())

    fitted = trainer(tmp_path)
    fitted.callbacks.append(Note())  # type: ignore[attr-defined]
    fitted.fit(model, module)
    assert len(orders) == 6
    assert orders[:3] != orders[3:]


def test_photos_and_their_stored_features_give_the_same_loss() -> None:
    model = small_model(label_smoothing=0.1)
    torch.nn.init.normal_(model.head.get_submodule("output").weight, std=0.1)  # type: ignore[arg-type]
    images = torch.randint(0, 256, (5, 2, 3, 64, 64), dtype=torch.uint8)
    targets = torch.tensor([0, 1, 2, 0, 1])
    features = model.backbone.frozen(images.flatten(0, 1)).unflatten(0, (5, 2))
    live, stored = PhotoBatch(images, targets), FeatureBatch(features, targets)
    torch.testing.assert_close(model.logits(live)[0], model.logits(stored)[0])
    probabilities = model.log_probabilities(stored)[0].exp()
    torch.testing.assert_close(probabilities.sum(1), torch.ones(5))
    expected = model.logits(stored)[0].softmax(-1).mean(1)
    torch.testing.assert_close(probabilities, expected)


def test_8_bit_photos_are_normalised_and_floats_are_taken_as_they_are() -> None:
    model = small_model()
    photos = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    normalised = (photos / 255 - mean) / std
    torch.testing.assert_close(
        model.backbone(photos), model.backbone(normalised), rtol=1e-3, atol=1e-3
    )


def test_the_first_loss_is_that_of_a_guess() -> None:
    model = small_model(head="mlp", hidden=8)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    log_probabilities, _ = model.log_probabilities((images, torch.tensor([0, 1])))
    torch.testing.assert_close(log_probabilities.exp(), torch.full((2, 3), 1 / 3))


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_what_is_logged_is_a_mean_over_photos_not_over_batches(tmp_path: Path) -> None:
    model = small_model(lr=1e-12, scheduler="constant", label_smoothing=0.0)
    with torch.no_grad():
        output = model.head.get_submodule("output").get_parameter("weight")
        output.copy_(torch.randn(output.shape, generator=torch.Generator().manual_seed(0)))
    images = torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([0, 1, 2, 0, 1])
    loader = DataLoader(TensorDataset(images, targets), batch_size=4)  # four photos, then one
    fitted = trainer(tmp_path, epochs=1)
    fitted.fit(model, loader, loader)
    with torch.no_grad():
        logits = model(images)
    for phase in ("train", "valid"):
        loss = float(torch.nn.functional.cross_entropy(logits, targets))
        assert float(fitted.callback_metrics[f"{phase}_loss"]) == pytest.approx(loss, rel=1e-4)
        right = float((logits.argmax(-1) == targets).float().mean())
        assert float(fitted.callback_metrics[f"{phase}_top1"]) == pytest.approx(right)


def test_class_weights_weigh_the_loss() -> None:
    batch = FeatureBatch(torch.ones(2, 1, 512), torch.tensor([0, 1]))
    plain = small_model(label_smoothing=0.0)
    weighted = small_model(label_smoothing=0.0, class_weights=[3.0, 1.0, 1.0])
    for model in (plain, weighted):
        model._count = lambda *_: None  # type: ignore[method-assign]
    with torch.no_grad():
        torch.testing.assert_close(
            weighted.training_step(batch, 0)["loss"], 2 * plain.training_step(batch, 0)["loss"]
        )


@pytest.mark.runs
def test_a_result_is_loaded_and_answers_as_it_did(
    train: Train, photos_root: Path, tmp_path: Path
) -> None:
    done = train(f"data.root={photos_root}", *SMALL, "model.head=mlp", "model.hidden=16")
    assert done.returncode == 0, done.stderr
    model = load_classifier(tmp_path / "outputs" / "latest")
    assert model.classes == CLASSES
    assert not model.training
    module = BreedDataModule.from_folder(photos_root, preprocessing=PIXELS, workers=0, views=2)
    right = total = 0
    with torch.inference_mode():
        for batch in module.eval_dataloader("test"):
            log_probabilities, targets = model.log_probabilities(batch)
            right += int((log_probabilities.argmax(-1) == targets).sum())
            total += len(targets)
    import json

    metrics = json.loads((tmp_path / "outputs" / "latest" / "metrics.json").read_text())
    assert right / total == pytest.approx(metrics["test"]["top1"], abs=1 / total)


def test_a_saved_model_is_whole_and_checked(tmp_path: Path) -> None:
    model = small_model(trainable="last_stage").eval()
    model.save(tmp_path / "m")
    again = load_classifier(tmp_path / "m")
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(model(images), again(images))
    assert {path.name for path in tmp_path.iterdir()} == {"m"}
    model.train().save(tmp_path / "m")  # replaces the old one
    assert model.head.training, "as it was"
    assert {path.name for path in tmp_path.iterdir()} == {"m"}
    (tmp_path / "latest").symlink_to("m")
    model.save(tmp_path / "latest")
    assert (tmp_path / "latest").is_symlink()
    with pytest.raises(ArtifactError, match="holds other things than a model"):
        model.save(tmp_path)  # as a run's folder, which no one wants replaced
    assert (tmp_path / "m" / "model.json").is_file()

    weights = tmp_path / "m" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(ArtifactError, match="isn't the file"):
        load_classifier(tmp_path / "m")
    weights.unlink()
    with pytest.raises(ArtifactError, match="is missing"):
        load_classifier(tmp_path / "m")
    description = tmp_path / "m" / "model.json"
    text = description.read_text()
    description.write_text(text.replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(ArtifactError, match="newer dogbreed"):
        load_classifier(tmp_path / "m")
    description.write_text(text.replace('"temperature": 1.0', '"temperature": 2.0'))
    with pytest.raises(ArtifactError, match="changed after it was written"):
        load_classifier(tmp_path / "m")
    description.write_text(text[:50])
    with pytest.raises(ArtifactError, match="is damaged"):
        load_classifier(tmp_path / "m")
    with pytest.raises(ArtifactError, match="no trained model"):
        load_classifier(tmp_path)


def test_a_description_of_another_shape_is_refused(tmp_path: Path) -> None:
    model = small_model()
    other = replace(model.describe(), backbone={"name": "resnet34", "trainable": "head"})
    write_model(tmp_path / "m", model, other)
    with pytest.raises(ArtifactError, match="don't belong together"):
        load_classifier(tmp_path / "m")


def test_a_backbone_can_be_given() -> None:
    backbone = build_backbone("resnet18", "none")
    model = BreedClassifier(CLASSES, backbone=backbone)
    assert model.backbone is backbone
