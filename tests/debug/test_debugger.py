"""The debugger: what it writes, when it stops a training, and what can't stop it."""

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from conftest import (
    JOB_NAME,
    SMALL,
    Train,
    TrainedRun,
    draw_folders,
    start_train,
    wait_for_line,
)
from helpers import planted
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn

import dogbreed
from dogbreed.configuration.composing import compose
from dogbreed.debug.debugger import Debugger
from dogbreed.debug.recording.records import read_recording
from dogbreed.debug.rules.verdicts import NOT_APPLICABLE

pytestmark = pytest.mark.watch

SMALL_RUN = (*SMALL, "data.root=photos", "evaluate.baseline=false")
# Each step multiplies the weights by -999: they overflow within the first epoch.
DIVERGES = (
    *("optim=sgd", "optim.lr=100", "optim.weight_decay=10", "optim.scheduler=constant"),
    *("model.head=mlp", "data.batch_size=2"),
)


def test_a_run_records_its_training(trained: TrainedRun) -> None:
    run = trained.run
    recording = read_recording(str(run / "debug/recording"))
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    assert recording.complete
    assert recording.layer_names == ("head.output",)
    steps = 3 * 3  # 36 photos in batches of 16, three epochs
    np.testing.assert_array_equal(recording.steps["step"], np.arange(steps))
    np.testing.assert_array_equal(recording.layers["step"], np.arange(0, steps, 2))
    assert recording.steps["cross_entropy"][0] == pytest.approx(np.log(3), abs=1e-4)
    assert (recording.steps["seconds"] > 0).all()
    # The model's own means over the same photos, and the same validation.
    for name in ("train_top1", "valid_top1"):
        expected = [epoch[name] for epoch in metrics["epochs"]]
        np.testing.assert_allclose(recording.epochs[name], expected, atol=1e-5)
    # Both losses are plain cross entropy: what is minimised is smoothed.
    for split in ("train", "valid"):
        expected = [epoch[f"{split}_loss"] for epoch in metrics["epochs"]]
        np.testing.assert_allclose(recording.epochs[f"{split}_cross_entropy"], expected, rtol=1e-5)
    rules = json.loads((run / "debug/rules.json").read_text("utf-8"))
    assert len(rules) == 14
    assert not [rule for rule in rules if rule["state"] == "fired"]


def test_norms_are_those_of_the_weights(tmp_path: Path) -> None:
    training = planted.healthy(epochs=1)
    network = nn.Linear(planted.FEATURES, planted.CLASSES)
    start = torch.cat([p.detach().flatten().clone() for p in network.parameters()])
    lr = 0.5
    training.module = planted.Plain(network, lambda p: torch.optim.SGD(p, lr=lr))
    training.overrides = ("debug.every_n_steps=1", "debug.rules.update_ratio.action=off")
    planted.watch(training, tmp_path)
    layers = read_recording(tmp_path / "recording").layers
    assert layers["weight_norm"][0, 0] == pytest.approx(float(start.norm()), rel=1e-5)
    # A step of plain SGD is the rate times the gradient.
    expected = lr * layers["grad_norm"] / layers["weight_norm"]
    np.testing.assert_allclose(layers["update_ratio"], expected, rtol=1e-3)


def test_each_layer_that_is_trained_is_watched(
    train: Train, photos_root: Path, tmp_path: Path
) -> None:
    done = train(*SMALL_RUN, "model.trainable=last_stage", "trainer.epochs=1")
    assert done.returncode == 0, done.stderr
    names = read_recording(tmp_path / "outputs/latest/debug/recording").layer_names
    assert names[-1] == "head.output"
    assert len(names) == 1 + 10  # resnet18's last stage: five convolutions, five batch norms
    assert not [name for name in names if "trunk" in name]


def test_it_can_be_left_out(train: Train, photos_root: Path, tmp_path: Path) -> None:
    done = train(*SMALL_RUN, "debug.enabled=false", "trainer.epochs=1")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "outputs/latest"
    assert not (run / "debug").exists()
    assert not (run / "profile.json").exists()
    assert (run / "report.html").exists()


def test_a_loss_that_is_not_finite_ends_the_run_with_layer_and_step(
    train: Train, photos_root: Path, tmp_path: Path
) -> None:
    done = train(*SMALL_RUN, *DIVERGES)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "debug.rules.loss_not_finite at step" in done.stderr
    assert "head." in done.stderr
    assert "optim.lr" in done.stderr
    (run,) = (tmp_path / "outputs").glob("*-photos")
    assert len(read_recording(run / "debug/recording").steps["step"]) > 0
    rules = json.loads((run / "debug/rules.json").read_text("utf-8"))
    assert rules[0]["state"] == "fired"
    assert json.loads((run / "profile.json").read_text("utf-8"))["total_s"] > 0


def test_a_rule_that_stops_a_training_with_a_good_epoch_keeps_that(
    train: Train, tmp_path: Path
) -> None:
    draw_folders(tmp_path / "photos", {"train": 12, "valid": 4, "test": 4})
    for photo in sorted((tmp_path / "photos/train/Akita").iterdir())[1:]:
        photo.unlink()
    done = train(*SMALL_RUN, "debug.rules.class_imbalance.action=stop")
    assert done.returncode == 0, done.stderr
    assert "debug.rules.class_imbalance at step 1" in done.stdout
    metrics = json.loads((tmp_path / "outputs/latest/metrics.json").read_text("utf-8"))
    assert len(metrics["epochs"]) == 1


def test_a_killed_run_can_be_read(photos_root: Path, tmp_path: Path) -> None:
    long = (*SMALL_RUN, "trainer.epochs=100000", "trainer.patience=0")
    process = start_train(*long, cwd=tmp_path, TRAINING_JOB_NAME=JOB_NAME)
    with process:
        wait_for_line(process.stdout, "epoch=300 ")
        process.kill()
    (run,) = (tmp_path / "outputs").glob("*-photos")
    recording = read_recording(run / "debug/recording")
    assert len(recording.steps["step"]) >= 3
    np.testing.assert_array_equal(recording.steps["step"], np.arange(len(recording.steps["step"])))


def test_a_training_that_goes_on_has_one_recording(
    train: Train, photos_root: Path, tmp_path: Path
) -> None:
    arguments = (*SMALL_RUN, "trainer.epochs=400", "trainer.patience=0")
    with start_train(*arguments, cwd=tmp_path, TRAINING_JOB_NAME=JOB_NAME) as process:
        wait_for_line(process.stdout, "epoch=20 ")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    done = train(*arguments, "resume=auto")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "outputs/latest"
    recording = read_recording(run / "debug/recording")
    np.testing.assert_array_equal(recording.steps["step"], np.arange(1200))
    np.testing.assert_array_equal(recording.epochs["epoch"], np.arange(1, 401))
    rules = json.loads((run / "debug/rules.json").read_text("utf-8"))
    start = next(rule for rule in rules if rule["name"] == "poor_start")
    assert start["state"] == NOT_APPLICABLE
    assert "checkpoint" in start["message"]


def test_a_full_disk_ends_the_recording_not_the_training(tmp_path: Path) -> None:
    # The system refuses to let a file grow beyond a limit as it refuses a full disk's.
    code = (
        "import resource, signal, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from helpers import planted\n"
        "from dogbreed.debug.recording import records\n"
        "from dogbreed.debug.recording.records import read_recording\n"
        "records.MAX_ROWS = 20\n"  # however fast the machine is, more than one block
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "training = planted.shuffled_labels()\n"
        "training.overrides = ('debug.every_n_steps=1',)\n"
        "verdicts = planted.watch(training, Path('debug'))\n"
        "print(len(read_recording(Path('debug/recording')).steps['step']))\n"
        "print(sorted(planted.fired(verdicts)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parents[1])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the disk is full") == 1
    assert "can't be written" not in done.stderr  # rules.json doesn't say it once more
    steps, found = done.stdout.splitlines()[-2:]
    assert 0 < int(steps) < 12 * 25
    assert found == "['validation_at_chance']"  # the rules watched on to the end


def test_memory_does_not_grow_with_steps(tmp_path: Path) -> None:
    training = planted.healthy(epochs=1)
    debugger = Debugger(tmp_path, compose(["debug.every_n_steps=5"]).debug)
    sizes: list[int] = []

    class Endless:
        def __iter__(self):  # type: ignore[no-untyped-def]
            batch = next(iter(training.train))
            for number in range(6000):
                if number % 1000 == 500:
                    sizes.append(_resident_bytes())
                yield batch

    trainer = planted.bare_trainer(debugger, max_epochs=1, limit_val_batches=0)
    trainer.fit(training.module, Endless(), training.valid)
    assert sizes[-1] - sizes[1] < 2_000_000


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


class OnlyALoss(pl.LightningModule):
    """Gives its loss as a tensor, logs its validation under names of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(planted.FEATURES, 1)

    def loss(self, batch: list[Tensor]) -> Tensor:
        return nn.functional.mse_loss(self.layer(batch[0])[:, 0], batch[1].float())

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Any:
        return self.loss(batch)

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val/mse", self.loss(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def test_a_module_from_elsewhere_needs_nothing(tmp_path: Path) -> None:
    training = planted.healthy()
    debugger = dogbreed.Debugger(tmp_path, valid_loss="val/mse")
    trainer = planted.bare_trainer(debugger, max_epochs=3)
    trainer.fit(OnlyALoss(), training.train, training.valid)
    trainer.validate(OnlyALoss(), training.valid, verbose=False)  # isn't watched, and works
    recording = read_recording(tmp_path / "recording")
    assert recording.layer_names == ("layer",)
    assert np.isnan(recording.steps["top1"]).all()
    assert np.isfinite(recording.epochs["valid_cross_entropy"]).all()
    states = {verdict.name: verdict for verdict in debugger.verdicts()}
    assert states["poor_start"].state == NOT_APPLICABLE
    assert states["class_imbalance"].state == NOT_APPLICABLE


class PassesOver(OnlyALoss):
    """Has no loss for every third batch."""

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Any:
        return None if batch_idx % 3 == 1 else self.loss(batch)


class ByHand(OnlyALoss):
    """Takes its steps itself."""

    automatic_optimization = False

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Any:
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        optimizer.zero_grad()
        loss = self.loss(batch)
        self.manual_backward(loss)
        optimizer.step()
        return {"loss": loss}


@pytest.mark.filterwarnings("ignore:.training_step. returned .None.")
@pytest.mark.parametrize(("kind", "steps"), [(PassesOver, 8), (ByHand, 12)])
def test_steps_of_other_kinds_are_watched(
    kind: type[OnlyALoss], steps: int, tmp_path: Path
) -> None:
    training = planted.healthy()
    trainer = planted.bare_trainer(dogbreed.Debugger(tmp_path, valid_loss="val/mse"), max_epochs=1)
    trainer.fit(kind(), training.train, training.valid)
    recording = read_recording(tmp_path / "recording")
    assert len(recording.steps["step"]) == steps
    assert np.isfinite(recording.steps["cross_entropy"]).all()


def test_gradients_that_are_added_up_make_one_step(tmp_path: Path) -> None:
    training = planted.healthy()
    trainer = planted.bare_trainer(
        dogbreed.Debugger(tmp_path), max_epochs=1, accumulate_grad_batches=3
    )
    trainer.fit(training.module, training.train, training.valid)
    np.testing.assert_array_equal(read_recording(tmp_path / "recording").steps["step"], range(4))


def test_tensorboard_events_hold_the_same_numbers(trained: TrainedRun) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = trained.run / "debug"
    recording = read_recording(folder / "recording")
    written = events.EventAccumulator(str(folder / "tensorboard"))
    written.Reload()
    train_loss = [(event.step, event.value) for event in written.Scalars("cross_entropy/train")]
    steps = recording.steps
    assert train_loss == list(
        zip(steps["step"].tolist(), steps["cross_entropy"].tolist(), strict=True)
    )
    valid = [event.value for event in written.Scalars("cross_entropy/valid")]
    assert valid == recording.epochs["valid_cross_entropy"].tolist()
    assert len(written.Scalars("grad_norm/head.output")) == 5  # of every second of nine steps


def test_without_tensorboard_the_training_continues(
    train_process: Train, photos_root: Path, tmp_path: Path
) -> None:
    hidden = tmp_path / "hidden/tensorboard"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('not here')")
    done = train_process(*SMALL_RUN, "debug.tensorboard=true", PYTHONPATH=str(hidden.parent))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("warning: debug.tensorboard=true") == 1
    assert "pip install 'dogbreed[tensorboard]'" in done.stdout


def test_two_processes_record_once_and_stop_together(
    train_process: Train, photos_root: Path, tmp_path: Path
) -> None:
    together = ("trainer.strategy=ddp", "trainer.devices=2")
    done = train_process(*SMALL_RUN, *together, "trainer.epochs=2")
    assert done.returncode == 0, done.stderr
    recording = read_recording(tmp_path / "outputs/latest/debug/recording")
    np.testing.assert_array_equal(recording.steps["step"], np.arange(6))
    stopped = train_process(
        *SMALL_RUN,
        *together,
        *DIVERGES,
    )
    assert stopped.returncode == 1
    assert "debug.rules.loss_not_finite" in stopped.stderr
    assert "Traceback" not in stopped.stderr
