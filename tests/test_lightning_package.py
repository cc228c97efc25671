"""dogbreed.lightning: the same module and data module for Trainers of the package `lightning`."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.trainers import quiet_trainer

import dogbreed
from dogbreed.data.decoding.preprocessing import Preprocessing

lightning = pytest.importorskip("lightning")

PIXELS = Preprocessing(size_px=64)
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*number of training batches"),
]


def lightning_trainer(folder: Path, **settings: Any) -> Any:
    """As `quiet_trainer`, of the other package."""
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
    return lightning.Trainer(
        accelerator="cpu", default_root_dir=folder, max_epochs=2, **quiet, **settings
    )


def parts(package: Any, photos: Path) -> tuple[Any, Any]:
    """The module and the data module of a package."""
    torch.manual_seed(0)
    module = package.BreedDataModule.from_folder(
        photos, batch_size=8, preprocessing=PIXELS, workers=0
    )
    from dogbreed.backbone.architecture import build_backbone

    backbone = build_backbone("resnet18", "none", preprocessing=PIXELS)
    model = package.BreedClassifier(module.classes, backbone=backbone, lr=0.01)
    return model, module


def test_both_packages_give_the_same_weights(photos_root: Path, tmp_path: Path) -> None:
    import dogbreed.lightning as other

    mine, module = parts(dogbreed, photos_root)
    quiet_trainer(tmp_path / "a", max_epochs=2).fit(mine, module)
    model, module = parts(other, photos_root)
    debugger = dogbreed.Debugger(tmp_path / "debug")
    profiler = dogbreed.TimeProfiler()
    trainer = lightning_trainer(tmp_path / "b", callbacks=[debugger], profiler=profiler)
    trainer.fit(model, module)
    assert isinstance(model, lightning.LightningModule)
    for name, tensor in mine.trained_state().items():
        assert torch.equal(tensor, model.trained_state()[name]), name
    assert len(dogbreed.read_recording(tmp_path / "debug" / "recording").steps["step"]) == 10
    assert profiler.parts()
    (tested,) = trainer.test(model, module, verbose=False)
    assert tested.keys() == {"test_loss", "test_top1"}
    probabilities = torch.cat([torch.as_tensor(each) for each in trainer.predict(model, module)])
    assert probabilities.shape == (12, 3)

    saved = trainer.checkpoint_callback.best_model_path
    for package in (other, dogbreed):  # each loads the other's
        loaded = package.BreedClassifier.load_from_checkpoint(saved, backbone=mine.backbone)
        assert type(loaded) is package.BreedClassifier
        for name, tensor in model.trained_state().items():
            assert torch.equal(tensor, loaded.trained_state()[name]), name


def test_photos_for_another_network_are_refused(photos_root: Path, tmp_path: Path) -> None:
    import dogbreed.lightning as other

    model, _ = parts(other, photos_root)
    module = other.BreedDataModule.from_folder(photos_root, workers=0)
    with pytest.raises(dogbreed.DogbreedError, match="prepares photos otherwise"):
        lightning_trainer(tmp_path).fit(model, module)


def test_without_the_package_the_import_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['lightning'] = None; import dogbreed.lightning"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.rstrip().endswith("pip install 'dogbreed[lightning]'.")
