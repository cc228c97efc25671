"""Trainings over feature caches that were damaged, deleted during use, or may only be read."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SMALL, Train, draw_folders, start_train

pytestmark = pytest.mark.runs


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return draw_folders(tmp_path / "photos", {"train": 40, "valid": 10, "test": 20})


def top1(root: Path) -> float:
    metrics = json.loads((root / "outputs" / "latest" / "metrics.json").read_text("utf-8"))
    share: float = metrics["test"]["top1"]
    return share


@pytest.mark.parametrize("name", ["digests.bin", "features.bin"])
def test_a_zeroed_block_changes_no_result(
    name: str, train: Train, photos: Path, own_cache: Path, tmp_path: Path
) -> None:
    command = (f"data.root={photos}", *SMALL)
    assert train(*command).returncode == 0
    clean = top1(tmp_path)
    assert clean > 0.9
    damaged = list(own_cache.glob(f"features/*/{name}"))
    assert len(damaged) == 2  # the photo and its mirror image
    for path in damaged:
        content = path.read_bytes()
        path.write_bytes(content[:4096] + bytes(4096) + content[8192:])
    done = train(*command)
    assert done.returncode == 0, done.stderr
    assert top1(tmp_path) == clean
    for path in damaged:
        assert f"warning: {path} is damaged" in done.stdout
    done = train(*command)
    assert "damaged" not in done.stdout
    assert ", 0 computed now" in done.stdout
    assert top1(tmp_path) == clean


def test_a_cache_deleted_during_use_spoils_no_later_run(
    train: Train, photos: Path, own_cache: Path, tmp_path: Path
) -> None:
    """One run remembers rows and computes more; meanwhile another one begins the cache again."""
    command = (f"data.root={photos}", *SMALL)
    clean_cache = str(tmp_path / "clean")
    assert train(*command, DOGBREED_CACHE=clean_cache).returncode == 0
    clean = top1(tmp_path)
    assert train(*command, "data.fraction=0.5").returncode == 0
    features = own_cache / "features"
    for builder in features.glob("*/builder"):
        builder.unlink()
    first = start_train(*command, cwd=tmp_path)
    while not list(features.glob("*/builder")):  # it computes what is missing
        assert first.poll() is None
        time.sleep(0.001)
    first.send_signal(signal.SIGSTOP)
    shutil.rmtree(features)
    second = train(*command, "data.fraction=0.2")
    first.send_signal(signal.SIGCONT)
    _, errors = first.communicate(timeout=120)
    assert (first.returncode, second.returncode) == (0, 0), errors + second.stderr
    for _ in range(2):
        done = train(*command)
        assert done.returncode == 0, done.stderr
        assert top1(tmp_path) == clean
        assert ", 0 computed now" in done.stdout


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, which the test makes read-only."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a disk can't be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_complete_cache_on_a_read_only_disk_is_used(
    train_process: Train, photos: Path, read_only_disk: Path, tmp_path: Path
) -> None:
    train = train_process  # in this process the cache's open files would keep the disk busy
    command = (f"data.root={photos}", *SMALL)
    cache = {"DOGBREED_CACHE": str(read_only_disk)}
    assert train(*command, **cache).returncode == 0
    first = top1(tmp_path)
    subprocess.run(["mount", "-o", "remount,ro", str(read_only_disk)], check=True)
    done = train(*command, **cache)
    assert done.returncode == 0, done.stderr
    assert ", 0 computed now" in done.stdout
    assert top1(tmp_path) == first
    done = train(*command, "data.crop_share=0.9", **cache)
    assert done.returncode == 1
    assert done.stderr.startswith("error: The feature cache")
    assert "Read-only file system" in done.stderr
    assert "features.root" in done.stderr
    assert "Traceback" not in done.stderr
