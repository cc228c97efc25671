"""Bad input, as a newcomer gives it: one clear sentence, no traceback, nothing lost."""

import csv
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from conftest import SMALL, Train, draw_folders, draw_photo, start_train, wait_for_line
from PIL import Image


def refused(done: subprocess.CompletedProcess[str], *words: str, code: int = 1) -> None:
    """The command failed with one sentence that has all the words."""
    assert done.returncode == code, done.stderr
    # On a busy machine, progress lines of long work come first.
    message = re.sub(r"^[\w ]+: \d+ of \d+ \w+\n", "", done.stderr, flags=re.MULTILINE)
    assert message.startswith("error: ")
    assert "Traceback" not in done.stderr + done.stdout
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("optim.lrr=1", ("no key optim.lrr", "Did you mean optim.lr?", "--help")),
        ("lr=1", ("Did you mean optim.lr?",)),
        ("optim.lr=-1", ("optim.lr=-1", "above 0")),
        ("optim.lr=fast", ("optim.lr=fast", "a number")),
        ("optim.lr=0.1,0.2", ("one value",)),
        ("optim.lr=nan", ("optim.lr", "a number")),
        ("data.fraction=2", ("data.fraction=2", "above 0 and at most 1")),
        ("data.batch_size=1.5", ("a whole number",)),
        ("data.workers=many", ("a whole number or auto",)),
        ("features.store=maybe", ("true or false",)),
        ("optim.name=adan", ("one of adam, adamw, sgd", "Did you mean adam?")),
        ("data=oxford", ("Did you mean oxford_pets?",)),
        ("data=base", ("data is one of",)),
        ("model.trainable=nothing", ("head, last_stage, all",)),
        ("--lr", ("KEY=VALUE",)),
        ("somewhere", ("KEY=VALUE or GROUP=CHOICE",)),
    ],
)
def test_a_wrong_key_or_value_is_answered_before_any_work(
    train: Train, tmp_path: Path, argument: str, words: tuple[str, ...]
) -> None:
    refused(train(argument), *words, code=2)
    assert not (tmp_path / "outputs").exists()


def _one_class(root: Path) -> None:
    draw_folders(root, {"": 6}, ("Akita",))


def _loose_photos(root: Path) -> None:
    draw_photo(root / "a.jpg", 10, 0)


def _folder_without_images(root: Path) -> None:
    (root / "Akita").mkdir(parents=True)
    (root / "Akita" / "notes.txt").write_text("no photo")


def _empty_split(root: Path) -> None:
    draw_folders(root, {"train": 4, "test": 2})
    (root / "valid" / "Akita").mkdir(parents=True)


def _too_many_bad(root: Path) -> None:
    draw_folders(root, {"": 8})
    (root / "Akita" / "empty.jpg").touch()
    (root / "Akita" / "text.jpg").write_text("I am a letter, not a photo")
    whole = (root / "Beagle" / "000.jpg").read_bytes()
    (root / "Beagle" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    Image.new("1", (30_000, 30_000)).save(root / "Collie" / "huge.png")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: root.mkdir(), ("holds no photos", "one folder of photos per class")),
        (lambda root: root.write_text("x"), ("is a file", "data.root")),
        (lambda root: None, ("doesn't exist", "data.root")),
        (_one_class, ("one class", "two or more")),
        (_loose_photos, ("no class folders", "Beagle")),
        (_folder_without_images, ("holds no photos",)),
        (_empty_split, ("no photos for valid", "add some", "remove the empty folder")),
        (
            _too_many_bad,
            (
                "4 of 28 photos",
                "data.max_bad_share",
                "empty.jpg",
                "text.jpg",
                "cut.jpg",
                "huge.png",
                "pixels; the limit is 89,478,485 pixels",
            ),
        ),
    ],
)
@pytest.mark.runs
def test_a_root_that_cannot_be_trained_on(
    train: Train, tmp_path: Path, make: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    root = tmp_path / "photos"
    make(root)
    refused(train(f"data.root={root}", *SMALL), *words)
    assert list(tmp_path.glob("outputs/*")) == []


@pytest.mark.runs
def test_few_bad_photos_are_left_out_and_counted(train: Train, tmp_path: Path) -> None:
    root = draw_folders(tmp_path / "photos", {"train": 50, "valid": 5, "test": 5})
    (root / "train" / "Akita" / "empty.jpg").touch()
    # A class that only the test knows can't be learned.
    draw_photo(root / "test" / "Dalmatian" / "0.jpg", 5, 5)
    (root / "train" / "Eurasier").mkdir()
    done = train(f"data.root={root}", *SMALL, "data.max_bad_share=0.02")
    assert done.returncode == 0, done.stderr
    assert "warning: 2 bad photos are left out" in done.stdout
    for word in ("empty.jpg", "untrained_class", "Dalmatian", "empty_class", "Eurasier"):
        assert word in done.stdout
    findings = (tmp_path / "outputs" / "latest" / "findings.txt").read_text("utf-8")
    assert len(findings.splitlines()) == 3
    assert "180 photos" not in done.stdout


@pytest.mark.runs
def test_layouts_and_system_files_are_reported(train: Train, tmp_path: Path) -> None:
    """From Training/ and Testing/ folders on a NAS to a model with nested classes."""
    root = draw_folders(
        tmp_path / "photos", {"Training": 4, "Testing": 2}, ("hats", "shoes/boots", "shoes/clogs")
    )
    draw_folders(root, {"": 3}, ("unsorted",))
    for path in sorted((root / "Training").rglob("*.jpg")):
        thumbnail = path.parent / "@eaDir" / path.name / "SYNOPHOTO_THUMB_XL.jpg"
        thumbnail.parent.mkdir(parents=True)
        thumbnail.write_bytes(path.read_bytes())
    refused(train(f"data.root={root}", *SMALL), "shoes/: boots, clogs")
    done = train(f"data.root={root}", *SMALL, "data.nested_classes=true")
    assert done.returncode == 0, done.stderr
    assert "3 classes (9 train, 3 valid, 6 test)" in done.stdout
    assert "warning: 1 folders with photos are not used: unsorted/" in done.stdout
    assert "unsorted: 3 photos aren't used: its name is that of no split" in done.stdout
    assert "skipped 3 hidden or system files and folders: 3 '@eaDir'" in done.stdout
    model = json.loads((tmp_path / "outputs/latest/model/model.json").read_text("utf-8"))
    assert model["classes"] == ["hats", "shoes/boots", "shoes/clogs"]
    with (tmp_path / "outputs/latest/splits.csv").open(newline="", encoding="utf-8") as file:
        assert {row["class"] for row in csv.DictReader(file)} == set(model["classes"])


@pytest.mark.runs
def test_any_class_name_and_path_will_do(train: Train, tmp_path: Path) -> None:
    root = tmp_path / "my photos (2) = 'é' [x], ${y}"
    names = ("<b>x</b>".replace("/", "∕"), "Große Schweizer Sennenhündin", "001.Affenpinscher")
    draw_folders(root / "real", {"": 8}, names)
    linked = root / ("犬" * 85)  # the most bytes that a name may have
    linked.mkdir()
    for name in names:
        (linked / name).symlink_to(root / "real" / name)
    done = train(f"data.root={linked}", *SMALL, "output_root=my results", "data.links=true")
    assert done.returncode == 0, done.stderr
    model = json.loads((tmp_path / "my results/latest/model/model.json").read_text("utf-8"))
    assert set(model["classes"]) == set(names)
    assert set(model["display_names"]) == set(names)


class _Runs:
    """Pickled, it creates a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return (open, (str(self.marker), "w"))


def _other_network(path: Path) -> None:
    torch.save(torchvision.models.resnet34(weights=None).state_dict(), path)


def _damaged(path: Path) -> None:
    _other_network(path)
    path.write_bytes(path.read_bytes()[:100_000])


def _harmful(path: Path) -> None:
    torch.save({"conv1.weight": _Runs(path.with_name("ran"))}, path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_other_network, ("not the weights of resnet18", "model.backbone")),
        (_damaged, ("is damaged", "fetch or save it again")),
        (_harmful, ("unpickling them could run code", "state_dict")),
        (lambda path: None, ("there is no such file",)),
    ],
)
@pytest.mark.runs
def test_weights_that_cannot_be_used(
    train: Train,
    photos_root: Path,
    tmp_path: Path,
    make: Callable[[Path], None],
    words: tuple[str, ...],
) -> None:
    make(tmp_path / "w.pth")
    small = [argument for argument in SMALL if "weights" not in argument]
    done = train(f"data.root={photos_root}", *small, f"model.weights={tmp_path / 'w.pth'}")
    refused(done, "model.weights", *words)
    assert not (tmp_path / "ran").exists()


def test_own_photos_are_never_trained_on_random_weights_or_another_network(
    train: Train, photos_root: Path, tmp_path: Path
) -> None:
    done = train(
        f"data.root={photos_root}",
        "model.backbone=resnet18",
        TORCH_HOME=str(tmp_path / "torch"),
        https_proxy="http://127.0.0.1:9",
    )
    refused(
        done,
        *("The weights of model.backbone=resnet18 can't be fetched", "model.weights=FILE"),
        *("Write model.backbone=efficientnet_lite2, whose weights are installed", "to a network"),
    )


def test_outputs_that_cannot_be_written(train: Train, photos_root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = train(f"data.root={photos_root}", *SMALL, f"output_root={tmp_path / 'file' / 'x'}")
    refused(done, "Results can't be written", "output_root")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_outputs(train: Train, photos_root: Path, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir(mode=0o500)
    done = train(f"data.root={photos_root}", *SMALL)
    refused(done, "Results can't be written", "output_root")


def _limited(
    root: Path, tmp_path: Path, *arguments: str, file_bytes: int
) -> subprocess.CompletedProcess[str]:
    """Train where no file may grow over `file_bytes`: writing more fails as on a full disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

    return subprocess.run(
        [sys.executable, "-m", "dogbreed.train", f"data.root={root}", *SMALL],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=limit,
    )


@pytest.mark.runs
def test_a_full_disk_while_features_are_cached_loses_nothing(
    train: Train, tmp_path: Path, own_cache: Path
) -> None:
    # 512 photos are appended at a time; a row of resnet18 in float16 has 1,024 bytes.
    root = draw_folders(tmp_path / "photos", {"train": 180, "valid": 4, "test": 4})
    full = _limited(root, tmp_path, file_bytes=540_000)
    refused(full, "disk is full", "feature cache", "features.root")
    again = train(f"data.root={root}", *SMALL, "trainer.epochs=1")
    assert again.returncode == 0, again.stderr
    assert "1128 views of photos, 104 computed now" in again.stdout


@pytest.mark.runs
def test_a_full_disk_while_results_are_written_can_be_resumed(
    train: Train, photos_root: Path, tmp_path: Path
) -> None:
    full = _limited(photos_root, tmp_path, file_bytes=200_000)
    refused(full, "disk is full while writing", "model", "resume=auto")
    run = next((tmp_path / "outputs").iterdir())
    assert {path.name for path in run.rglob("*.part")} == set()
    assert not (run / "model").exists()
    assert not (tmp_path / "outputs" / "latest").exists()
    resumed = train(f"data.root={photos_root}", *SMALL, "resume=auto")
    assert resumed.returncode == 0, resumed.stderr
    assert (run / "model" / "model.json").is_file()


@pytest.mark.runs
def test_a_loss_that_is_not_finite_is_named(
    train: Train, photos_root: Path, tmp_path: Path
) -> None:
    state = torchvision.models.resnet18(weights=None).state_dict()
    state["bn1.weight"][0] = torch.nan
    torch.save(state, tmp_path / "w.pth")
    small = [argument for argument in SMALL if "weights" not in argument]
    command = (f"data.root={photos_root}", *small, f"model.weights={tmp_path / 'w.pth'}")
    refused(train(*command), "features that aren't finite", "Use other weights")
    live = (*command, "features.store=false")
    refused(train(*live), "loss wasn't finite", "the weights of backbone.trunk.layers.bn1")
    unwatched = train(*live, "debug.enabled=false")
    refused(unwatched, "loss isn't finite", "frozen weights", "bn1.weight", "w.pth is damaged")
    assert "optim.lr" not in unwatched.stderr
    assert not (tmp_path / "outputs" / "latest").exists()


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.runs
def test_a_photo_that_goes_away_during_live_training(
    photos_root: Path, tmp_path: Path, workers: int
) -> None:
    live = ("features.store=false", f"data.workers={workers}", "trainer.epochs=1000")
    process = start_train(f"data.root={photos_root}", *SMALL, *live, cwd=tmp_path)
    wait_for_line(process.stdout, "epoch 1/1000 ")
    shutil.rmtree(photos_root / "train" / "Beagle")
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1
    assert error.startswith("error: ")
    assert "Beagle" in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.runs
def test_two_runs_at_once_into_one_store(photos_root: Path, tmp_path: Path) -> None:
    both = [start_train(f"data.root={photos_root}", *SMALL, cwd=tmp_path) for _ in range(2)]
    for process in both:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
    runs = [
        path for path in (tmp_path / "outputs").iterdir() if path.is_dir() and not path.is_symlink()
    ]
    assert len(runs) == 2
    first, second = (json.loads((run / "metrics.json").read_text("utf-8")) for run in runs)
    assert first["test"]["n"] == second["test"]["n"]
    for name in ("loss", "top1", "macro_f1"):
        assert first["test"][name] == pytest.approx(second["test"][name], rel=1e-4)


@pytest.mark.runs
def test_a_photo_that_changes_gives_new_features(
    train: Train, photos_root: Path, tmp_path: Path
) -> None:
    train(f"data.root={photos_root}", *SMALL)
    shutil.copy(photos_root / "train/Beagle/001.jpg", tmp_path / "original.jpg")
    draw_photo(photos_root / "train" / "Beagle" / "001.jpg", 222, 222)
    assert "2 computed now" in train(f"data.root={photos_root}", *SMALL).stdout
    shutil.copy(tmp_path / "original.jpg", photos_root / "train/Beagle/001.jpg")
    assert "0 computed now" in train(f"data.root={photos_root}", *SMALL).stdout
