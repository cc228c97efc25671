"""The profiler: every second has its place, and what is slow is called by its name."""

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import pytorch_lightning as pl
import torch
from conftest import SMALL, Train, TrainedRun
from helpers import planted

from dogbreed.debug.profiling import sampler
from dogbreed.debug.profiling.profile import (
    BACKWARD,
    CALLBACKS,
    CHECKPOINTS,
    DATA_WAIT,
    FIT_PARTS,
    FORWARD,
    STEP,
    VALIDATION,
)
from dogbreed.debug.profiling.sampler import Sampler, open_gpu
from dogbreed.debug.profiling.time_profiler import Durations, TimeProfiler
from dogbreed.utils.clock import Clock

SMALL_RUN = (*SMALL, "data.root=photos", "evaluate.baseline=false")


def profile_of(tmp_path: Path) -> dict[str, Any]:
    profile: dict[str, Any] = json.loads((tmp_path / "outputs/latest/profile.json").read_text())
    return profile


@pytest.mark.watch
def test_the_phases_of_a_run_add_up_to_the_whole(trained: TrainedRun) -> None:
    profile = profile_of(trained.cwd)
    phases = {phase["name"]: phase for phase in profile["phases"]}
    names = {"set-up", "check", "features", "fit", "validation", "test", "artifact", "report"}
    assert set(phases) == names
    assert all(phase["seconds"] > 0 for phase in phases.values())
    total = profile["total_s"]
    assert sum(phase["seconds"] for phase in phases.values()) == pytest.approx(total, rel=0.02)
    assert total < trained.wall_s < total + 60  # putting back the process's state isn't in it
    for name, parts in {
        "features": {"build", "wait", "compute", "write", "read"},
        "fit": set(FIT_PARTS),
    }.items():
        seconds = {part["name"]: part["seconds"] for part in phases[name]["parts"]}
        assert set(seconds) == parts
        assert sum(seconds.values()) <= phases[name]["seconds"] * 1.001
    assert profile["decode_s"] > 0
    assert profile["steps"]["count"] == 9
    assert profile["photos_per_s"]["features"] > 0
    assert profile["photos_per_s"]["fit"] > 0


@pytest.mark.watch
def test_the_parts_of_a_fit_add_up_to_it(train: Train, photos_root: Path, tmp_path: Path) -> None:
    done = train(*SMALL_RUN, "trainer.epochs=200", "trainer.patience=0")
    assert done.returncode == 0, done.stderr
    fit = next(phase for phase in profile_of(tmp_path)["phases"] if phase["name"] == "fit")
    parts = sum(part["seconds"] for part in fit["parts"])
    assert parts == pytest.approx(fit["seconds"], rel=0.02)


@pytest.mark.watch
def test_the_machine_s_limit_stands_beside_the_rate(
    train: Train, photos_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dogbreed.training.steps.MIN_VIEWS_FOR_LIMIT", 1)
    assert train(*SMALL_RUN).returncode == 0
    rates = profile_of(tmp_path)["photos_per_s"]
    assert 0 < rates["features"] < 10 * rates["limit"]


def test_operations_are_counted_as_the_field_counts_them() -> None:
    from dogbreed.backbone.architecture import build_backbone
    from dogbreed.runtime.limit import operations_per_photo

    operations = operations_per_photo(build_backbone("resnet50", "none"))
    assert operations == pytest.approx(8.2e9, rel=0.01)


class Slow(planted.Plain):
    """Sleeps in its steps; so does what is around it."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        time.sleep(0.02)
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        time.sleep(0.3)
        super().validation_step(batch, batch_idx)

    def backward(self, loss: Any, *args: Any, **kwargs: Any) -> None:
        time.sleep(0.03)
        super().backward(loss, *args, **kwargs)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        time.sleep(0.04)
        super().optimizer_step(*args, **kwargs)


class SlowCallback(pl.Callback):
    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        time.sleep(0.05)
        if trainer.global_step == 7:
            time.sleep(2.5)


class SlowLoader:
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        for batch in self._loader:
            time.sleep(0.06)
            yield batch


@pytest.mark.watch
def test_each_second_counts_where_it_is_spent(tmp_path: Path) -> None:
    training = planted.healthy()
    profiler = TimeProfiler()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        callbacks=[SlowCallback()],
        profiler=profiler,
        logger=False,
        default_root_dir=tmp_path,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    started = time.perf_counter()
    trainer.fit(Slow(planted.zero_head()), SlowLoader(training.train), training.valid)
    wall = time.perf_counter() - started
    parts = profiler.parts()
    slept = {
        FORWARD: 24 * 0.02,
        BACKWARD: 24 * 0.03,
        STEP: 24 * 0.04,
        CALLBACKS: 24 * 0.05 + 2.5,
        DATA_WAIT: 24 * 0.06,
        VALIDATION: 6 * 0.3,
    }
    for part, seconds in slept.items():
        assert seconds <= parts[part], part
    # So none has much that isn't its own: all of them together are no more than there was.
    assert parts[CHECKPOINTS] > 0
    assert sum(parts.values()) == pytest.approx(wall, rel=0.05)
    times = profiler.steps.step_times(outlier_times=5)
    assert times is not None
    assert times.count == 24
    assert times.p50_s >= 0.2
    assert times.outliers >= 1
    # What a callback sleeps after step 6 belongs to the step that follows.
    assert times.slowest[0][0] == 7
    assert 2.6 <= times.max_s < 30


def test_quantiles_are_right_to_a_hundredth() -> None:
    durations = Durations()
    seconds = np.random.default_rng(0).lognormal(-5, 1, 100_000)
    for one in seconds.tolist():
        durations.add(one)
    times = durations.step_times(5)
    assert times is not None
    assert times.p50_s == pytest.approx(np.quantile(seconds, 0.5), rel=0.01)
    assert times.p95_s == pytest.approx(np.quantile(seconds, 0.95), rel=0.01)
    assert times.max_s == seconds.max()
    assert times.outliers == pytest.approx((seconds > 5 * np.median(seconds)).sum(), rel=0.03)
    assert len(durations._counts) < 2500  # whatever the number of steps


def test_samples_see_what_is_used(tmp_path: Path) -> None:
    clock = Clock()
    watched = Sampler(clock, interval_s=0.1)
    watched.start()
    with clock.phase("idle"):
        time.sleep(0.6)
    with clock.phase("busy"):
        held = torch.ones(64 * 1024 * 1024)  # 256 MB
        until = time.monotonic() + 0.8
        while time.monotonic() < until:
            sum(range(10_000))
        (tmp_path / "file").write_bytes(b"x" * 20_000_000)
        time.sleep(0.15)
    watched.stop()
    idle = [s for s in watched.samples if s.phase == "idle"]
    busy = [s for s in watched.samples if s.phase == "busy"]
    assert len(idle) >= 2
    assert max(s.cpu_share for s in busy) > 2 * max(s.cpu_share for s in idle[1:])
    assert busy[-1].memory_bytes - idle[-1].memory_bytes > 0.8 * held.numel() * 4
    assert max(s.written_bytes_per_s for s in busy) > 1_000_000
    assert [s.elapsed_s for s in watched.samples] == sorted(s.elapsed_s for s in watched.samples)


def test_children_are_part_of_what_is_used() -> None:
    watched = Sampler(Clock(), interval_s=0.1)
    watched.start()
    code = "import time; held = bytearray(150_000_000); time.sleep(0.8)"
    parent_bytes = psutil.Process().memory_info().rss
    subprocess.run([sys.executable, "-c", code], check=True)
    watched.stop()
    assert max(s.memory_bytes for s in watched.samples) > parent_bytes + 120_000_000


def test_a_long_run_keeps_a_bounded_number_of_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "MAX_SAMPLES", 20)
    watched = Sampler(Clock(), interval_s=0.005)
    watched.start()
    time.sleep(1.0)
    watched.stop()
    assert 5 <= len(watched.samples) <= 20
    gaps = np.diff([s.elapsed_s for s in watched.samples])
    assert np.median(gaps) > 0.015  # each stands for several


def test_a_gpu_without_nvml_costs_one_warning(
    monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
) -> None:
    import pynvml

    def no_library() -> None:
        raise pynvml.NVMLError_LibraryNotFound

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(pynvml, "nvmlInit", no_library)
    assert open_gpu() is None
    assert logged().count("NVML gives no answer") == 1


@pytest.mark.watch
def test_a_trace_shows_some_steps(train: Train, photos_root: Path, tmp_path: Path) -> None:
    done = train(*SMALL_RUN, "trainer.epochs=5", "debug.trace=true")
    assert done.returncode == 0, done.stderr
    trace = tmp_path / "outputs/latest/profile/trace.json.gz"
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    names = {event.get("name") for event in events}
    assert {"step 8", "step 11"} <= names
    assert "aten::addmm" in names
    assert "step 2" not in names


@pytest.mark.watch
def test_live_photos_that_wait_are_called_a_bottleneck(
    train: Train, photos_root: Path, tmp_path: Path
) -> None:
    done = train(
        *SMALL_RUN,
        *("features.store=false", "data.workers=0", "trainer.epochs=2", "data.size_px=32"),
        *("debug.triggers.data_wait_share=0.02", "debug.triggers.least_seconds=0"),
    )
    assert done.returncode == 0, done.stderr
    profile = profile_of(tmp_path)
    triggers = {trigger["name"]: trigger for trigger in profile["triggers"]}
    assert triggers["data_wait"]["state"] == "fired"
    assert "data.workers" in triggers["data_wait"]["recommendation"]
    assert triggers["data_wait"]["parameters"] == {"data_wait_share": 0.02}
    assert profile["photos_per_s"]["features"] is None
    assert "data_wait" in done.stdout
