"""What a training must not continue: other data or keys, a damaged or a running run."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from conftest import draw_folders, draw_photo
from training.test_resume import HEAD, KILLED, QUICK, runs_in, train_in

from dogbreed.data.layouts.splits import TRAIN
from dogbreed.errors import ConfigError
from dogbreed.training.checkpoints import epochs_in

COMMAND = (*HEAD, "trainer.epochs=3")


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/ and a run over them that was killed in its evaluation."""
    root = tmp_path_factory.mktemp("unfinished")
    draw_folders(root / "photos", {"train": 12, "valid": 4, "test": 4})
    run = train_in(root / "outputs", root / "photos", *COMMAND)
    (run / "metrics.json").unlink()
    return root


@pytest.fixture
def root(unfinished: Path, tmp_path: Path) -> Path:
    """A copy of it, moved to where the copy is."""
    root = tmp_path / "root"
    shutil.copytree(unfinished, root, symlinks=True)
    (run,) = runs_in(root / "outputs")
    config = run / "config.yaml"
    config.write_text(config.read_text("utf-8").replace(str(unfinished), str(root)), "utf-8")
    return root


def resume(root: Path, how: str | Path, *overrides: str) -> Path:
    """Continue the run in `root`, in this process."""
    return train_in(root / "outputs", root / "photos", *COMMAND, f"resume={how}", *overrides)


def add_class(photos: Path) -> None:
    for split in ("train", "valid", "test"):
        for number in range(4):
            draw_photo(photos / split / "Dingo" / f"{number}.jpg", 90, 500 + number)


def rename_class(photos: Path) -> None:
    for split in ("train", "valid", "test"):
        (photos / split / "Akita").rename(photos / split / "Zebra")


def add_photos(photos: Path) -> None:
    draw_photo(photos / "train" / "Akita" / "new.jpg", 20, 999)


def replace_photo(photos: Path) -> None:
    draw_photo(photos / "train" / "Akita" / "000.jpg", 20, 999)


def move_photo(photos: Path) -> None:
    (photos / "train" / "Akita" / "000.jpg").rename(photos / "test" / "Akita" / "moved.jpg")


CHANGES = [
    (add_class, "new classes: Dingo"),
    (rename_class, "new classes: Zebra; classes gone: Akita"),
    (add_photos, "13 photos of Akita in train (the run: 12)"),
    (replace_photo, "other photos of Akita in train"),
    (
        move_photo,
        "11 photos of Akita in train (the run: 12), 5 photos of Akita in test (the run: 4)",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), CHANGES)
def test_other_data_are_refused(root: Path, change: Callable[[Path], None], sentence: str) -> None:
    (run,) = runs_in(root / "outputs")
    change(root / "photos")
    with pytest.raises(ConfigError, match=re.escape(f"its data have changed since: {sentence}")):
        resume(root, run)
    assert runs_in(root / "outputs") == [run]


@pytest.mark.parametrize(
    ("conflict", "words"),
    [
        ("keys", r"its configuration has seed=0 \(now 3\)"),
        ("photos", "its data have changed since"),
        ("finished", "that run is finished"),
        ("damaged", "last.ckpt is damaged or was cut off"),
        ("odd", "isn't a regular file"),
    ],
)
def test_a_conflict_with_a_run_is_found_before_the_feature_pass(
    root: Path, monkeypatch: pytest.MonkeyPatch, conflict: str, words: str
) -> None:
    monkeypatch.setattr("dogbreed.training.steps.cached_features", None)
    (run,) = runs_in(root / "outputs")
    overrides = ("seed=3",) if conflict == "keys" else ()
    if conflict == "photos":
        replace_photo(root / "photos")
    elif conflict == "finished":
        (run / "metrics.json").touch()
    elif conflict == "damaged":
        (run / "checkpoints/last.ckpt").write_bytes(b"no checkpoint")
    elif conflict == "odd":
        (run / "odd").symlink_to("elsewhere")
    with pytest.raises(ConfigError, match=words):
        resume(root, run, *overrides)


def test_with_other_data_auto_starts_a_new_run_and_says_why(
    root: Path, logged: Callable[[], str]
) -> None:
    (old,) = runs_in(root / "outputs")
    rename_class(root / "photos")
    new = resume(root, "auto")
    assert new != old
    assert "new classes: Zebra; classes gone: Akita" in logged()
    assert (old / "checkpoints/last.ckpt").is_file()
    assert json.loads((new / "model/model.json").read_text("utf-8"))["classes"][-1] == "Zebra"


def test_photos_that_only_got_another_name_are_the_same_data(root: Path) -> None:
    (run,) = runs_in(root / "outputs")
    photo = root / "photos" / TRAIN / "Akita" / "000.jpg"
    photo.rename(photo.with_name("renamed.jpg"))
    assert resume(root, "auto") == run


@pytest.mark.runs
def test_other_weights_in_the_same_file_are_other_data(root: Path) -> None:
    weights = torchvision.models.resnet18(weights=None).state_dict()
    torch.save(weights, root / "w.pth")
    given = (f"model.weights={root / 'w.pth'}", "trainer.epochs=1")
    run = train_in(root / "weights", root / "photos", *COMMAND, *given)
    (run / "metrics.json").unlink()
    assert resume(root, run, *given, f"output_root={root / 'weights'}") == run
    (run / "metrics.json").unlink()
    weights["conv1.weight"] *= 2
    torch.save(weights, root / "w.pth")
    with pytest.raises(ConfigError, match="the backbone has other weights"):
        resume(root, run, *given, f"output_root={root / 'weights'}")


def test_keys_that_differ_are_named(root: Path, logged: Callable[[], str]) -> None:
    (run,) = runs_in(root / "outputs")
    different = ("optim.lr=0.5", "data.batch_size=8", "seed=3", "model.dropout=0.5")
    with pytest.raises(ConfigError, match=r"seed=0 \(now 3\).*and 1 more"):
        resume(root, run, *different)
    assert resume(root, "auto", "optim.lr=0.5") != run
    assert "its configuration has optim.lr=0.001 (now 0.5)" in logged()


@pytest.mark.parametrize(
    "damage",
    [
        "truncate",
        *(pytest.param(x, marks=pytest.mark.slow) for x in ("flip", "empty", "text", "missing")),
    ],
)
def test_a_damaged_checkpoint_is_reported_and_the_best_one_offered(root: Path, damage: str) -> None:
    (run,) = runs_in(root / "outputs")
    last, best = run / "checkpoints/last.ckpt", run / "checkpoints/best.ckpt"
    content = bytearray(last.read_bytes())
    if damage == "truncate":
        last.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[content.index(b"output.weight") + 5000] ^= 1
        last.write_bytes(content)
    elif damage == "missing":
        last.unlink()
    else:
        last.write_bytes(b"" if damage == "empty" else b"no checkpoint")
    with pytest.raises(ConfigError, match=rf"last.ckpt .* resume={best} continues from the best"):
        resume(root, run)


@pytest.mark.runs
def test_in_place_of_a_damaged_checkpoint_the_best_one_is_continued(
    root: Path, logged: Callable[[], str]
) -> None:
    (run,) = runs_in(root / "outputs")
    last, best = run / "checkpoints/last.ckpt", run / "checkpoints/best.ckpt"
    epochs = epochs_in(best)
    last.write_bytes(b"no checkpoint")
    assert resume(root, best) == run
    assert f"resuming {run} after epoch {epochs}" in logged()
    (run / "metrics.json").unlink()
    last.write_bytes(b"no checkpoint")
    assert resume(root, "auto") == run
    assert f"continuing from {best} ({epochs} epochs)" in logged()


def test_without_any_usable_checkpoint_auto_starts_a_new_run(
    root: Path, logged: Callable[[], str]
) -> None:
    (run,) = runs_in(root / "outputs")
    for name in ("last", "best"):
        (run / "checkpoints" / f"{name}.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(ConfigError, match="there is no other: start again with resume=null"):
        resume(root, run)
    assert resume(root, "auto") != run
    assert "last.ckpt is damaged or was cut off" in logged()


def test_a_checkpoint_that_would_run_code_is_refused(root: Path, tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
            return Path.touch, (tmp_path / "touched",)  # type: ignore[return-value]

    (run,) = runs_in(root / "outputs")
    for name in ("last", "best"):
        torch.save({"state_dict": Harmful()}, run / "checkpoints" / f"{name}.ckpt")
    with pytest.raises(ConfigError, match=r"last\.ckpt"):
        resume(root, run)
    assert not (tmp_path / "touched").exists()


HOLD = """
import sys
from pathlib import Path
from dogbreed.run_records.lock import RunLock
assert RunLock.acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.runs
def test_a_run_that_another_process_trains_is_left_alone(
    root: Path, logged: Callable[[], str]
) -> None:
    (run,) = runs_in(root / "outputs")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=f"still running .process {other.pid} on "):
            resume(root, run)
        assert resume(root, "auto") != run
        assert f"{run} isn't resumed: that run is still running" in logged()
        other.kill()
    assert resume(root, "auto") == run


def test_what_a_killed_run_left_unfinished_is_removed(root: Path) -> None:
    (killed,) = runs_in(root / "outputs")
    (killed / ".lock").touch()
    (killed / ".model.0a1b2c-1-01234567.part").mkdir()
    (killed / ".model.0a1b2c-1-01234567.part" / "openvino.bin").write_bytes(b"half")
    (killed / "checkpoints" / ".last.ckpt.0a1b2c-1-01234567.part").write_bytes(b"half")
    new = train_in(root / "outputs", root / "photos", *COMMAND, "seed=1")
    assert list((root / "outputs").rglob(".*")) == []
    assert (killed / "checkpoints/last.ckpt").is_file()
    assert new != killed


@pytest.mark.runs
def test_a_kill_just_before_the_end_leaves_a_run_that_resume_finishes(
    root: Path, tmp_path: Path
) -> None:
    (run,) = runs_in(root / "outputs")
    (root / "outputs" / "latest").unlink(missing_ok=True)
    code = KILLED.split("step, calls")[0] + (
        "from dogbreed.training.run_folder import RunFolder\n"
        "finish = RunFolder.finish\n"
        "def killing(self):\n"
        "    finish(self)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "RunFolder.finish = killing\n"
        "run_command(main)\n"
    )
    command = [f"data.root={root / 'photos'}", f"output_root={root / 'outputs'}", *QUICK, *COMMAND]
    killed = subprocess.run(
        [sys.executable, "-c", code, *command, "resume=auto"], capture_output=True, timeout=120
    )
    assert killed.returncode == -9, killed.stderr
    assert not (run / "metrics.json").exists()
    assert (root / "outputs" / "latest").resolve() == run
    assert resume(root, "auto") == run
    assert (run / "metrics.json").is_file()
    assert [path for path in run.rglob("*") if path.name.endswith(".part")] == []
