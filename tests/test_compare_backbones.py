"""`python -m dogbreed.compare_backbones`: which backbone suits these photos."""

import csv
import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from conftest import REAL_PHOTOS, REAL_WEIGHTS, Train, draw_folders, needs
from helpers.in_process import run_in_process

from dogbreed.backbone.providers.base import PROVIDERS
from dogbreed.backbone.providers.torchvision_models import TorchvisionProvider
from dogbreed.configuration.commands import BY_NAME
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.schema import flat
from dogbreed.data.decoding.preprocessing import Pixels
from dogbreed.errors import ConfigError, EngineError, Stopped, WeightsError
from dogbreed.features import cache, extraction
from dogbreed.runtime.engine import BATCH_SIZE, build_runner
from dogbreed.runtime.runner import TORCH, Floats
from dogbreed.training.candidates import find_candidates

QUICK = ("data.size_px=64", "engine=torch")
LITE0 = "backbones=[efficientnet_lite0]"
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def compare(tmp_path: Path, photos_root: Path) -> Callable[..., Done]:
    """Run the command on 36 training, 12 validation and 12 test photos, in this process."""

    def run(*arguments: str, root: Path = photos_root) -> Done:
        command = (f"data.root={root}", *QUICK, *arguments)
        return run_in_process("dogbreed.compare_backbones", *command, cwd=tmp_path)

    return run


Compare = Callable[..., Done]


def results(folder: Path) -> dict[str, Any]:
    """backbones.json of the newest comparison."""
    newest = max(folder.glob("outputs/*-backbones"), key=lambda path: path.stat().st_mtime_ns)
    values: dict[str, Any] = json.loads((newest / "backbones.json").read_text("utf-8"))
    return values


def refused(done: Done, *words: str, code: int = 1) -> None:
    """The command ended with one sentence that says `words`."""
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    for each in ("error: ", *words):
        assert each in done.stderr, done.stderr


def training_of(done: Done) -> list[str]:
    """The words of the training command that was printed."""
    *_, command = done.stdout.partition("Train the best one:\n")
    return shlex.split(command.splitlines()[0])


def computed(done: Done) -> list[str]:
    """The log's lines on features, without the rates."""
    lines = [line for line in done.stdout.splitlines() if line.startswith("features: ")]
    return [line.removeprefix("features: ").partition(" at ")[0] for line in lines]


def test_the_table_and_the_results(compare: Compare, tmp_path: Path) -> None:
    done = compare("backbones=[resnet18=none,efficientnet_lite0]", "name=dogs")
    assert (done.returncode, done.stderr) == (0, "")
    table = done.stdout[done.stdout.index("backbone    ") :].splitlines()
    assert table[0].split() == [
        "backbone",
        *("valid", "test", "(95", "%", "interval)", "photos/s", "MB", "licence"),
    ]
    # Equally right on drawn photos: the smaller one comes first.
    assert table[1].split()[:3] == ["efficientnet_lite0", "100.0", "100.0"]
    assert table[1].endswith("  Apache-2.0")
    assert table[2].startswith("resnet18=none ")
    assert max(len(line) for line in table[: table.index("Train the best one:")]) <= 80
    values = results(tmp_path)
    assert values["best"] == "efficientnet_lite0"
    assert values["photos"] == {"train": 36, "valid": 12, "test": 12}
    assert (values["classes"], values["chosen_on"], values["failed"]) == (3, "valid", [])
    assert {"dogbreed", "torch", "Pillow"} <= values["versions"].keys()
    best, other = values["backbones"]
    assert best["test"]["n"] == best["valid"]["n"] == 12
    assert best["test"]["ci95"] == pytest.approx([0.7575, 1], abs=1e-4)
    assert best["photos_computed"] == 60
    assert best["photos_per_s"] == pytest.approx(60 / best["compute_seconds"])
    assert f"{best['photos_per_s']:.1f}" in table[1]
    assert best["megabytes"] == pytest.approx(4 * 3.4, abs=0.2)  # 3.4 million parameters
    assert other["test"]["points_to_best"] == 0
    (folder,) = tmp_path.glob("outputs/*-dogs-backbones")
    with (folder / "backbones.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["backbone"] for row in rows] == ["efficientnet_lite0", "resnet18=none"]
    assert not (folder.parent / "latest").exists()


def test_the_training_of_the_best_uses_its_features(
    compare: Compare, train: Train, photos_root: Path
) -> None:
    assert computed(compare(LITE0)) == ["60 views of photos, 60 computed now"]
    again = compare(LITE0, "optim.lr=0.002", "trainer.epochs=1", "artifact.openvino=false")
    assert computed(again) == ["60 views of photos, 0 computed now"]
    row = next(line for line in again.stdout.splitlines() if line.startswith("efficientnet_lite0"))
    assert "  cached  " in row
    *program, root, size, engine, lr, epochs, openvino, backbone = training_of(again)
    assert program == ["python", "-m", "dogbreed.train"]
    assert root == f"data.root={photos_root}"
    assert (size, engine, lr) == (*QUICK, "optim.lr=0.002")
    assert backbone == "model.backbone=efficientnet_lite0"
    words = (root, size, engine, lr, epochs, openvino, backbone)
    one_view = train(*words, "features.views=1")
    assert one_view.returncode == 0, one_view.stderr
    assert computed(one_view) == ["60 views of photos, 0 computed now"]
    two_views = train(*words)
    assert computed(two_views) == ["120 views of photos, 60 computed now"]


def test_weights_of_a_file(compare: Compare, train: Train, tmp_path: Path) -> None:
    folder = tmp_path / "my weights"
    folder.mkdir()
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), folder / "w.pth")
    done = compare(f"backbones=[resnet18={folder}/w.pth]", "trainer.epochs=1")
    assert done.returncode == 0, done.stderr
    assert "\nresnet18=w.pth " in done.stdout
    assert "your file's" in done.stdout
    *_, backbone, weights = words = training_of(done)
    assert (backbone, weights) == ("model.backbone=resnet18", f"model.weights={folder}/w.pth")
    trained = train(*words[3:], "features.views=1", "artifact.openvino=false")
    assert computed(trained) == ["60 views of photos, 0 computed now"]
    assert str(tmp_path) not in json.dumps(results(tmp_path)["backbones"])


def test_a_backbone_that_fails_is_named_and_the_others_are_measured(
    compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "w.pth").write_bytes(b"<html>404</html>")

    def build(choice: Any, frozen_part: Any, size_px: int) -> Any:
        if sum(each.numel() for each in frozen_part.parameters()) < 3e6:
            raise EngineError("OpenVINO can't convert this network (OpConversionFailure).")
        return build_runner(choice, frozen_part, size_px)

    monkeypatch.setattr(extraction, "build_runner", build)
    done = compare("backbones=[resnet18=w.pth,squeezenet1_1=none,efficientnet_lite0]")
    assert done.returncode == 0, done.stderr
    table = " ".join(done.stdout[done.stdout.index("backbone    ") :].split())
    assert "resnet18=w.pth: not measured: backbones=resnet18=w.pth: is damaged" in table
    assert "squeezenet1_1=none: not measured: OpenVINO can't convert" in table
    assert "model.backbone=efficientnet_lite0" in table
    assert [each["label"] for each in results(tmp_path)["failed"]] == [
        *("resnet18=w.pth", "squeezenet1_1=none")
    ]


def test_no_backbone_that_can_be_measured(compare: Compare, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"<html>404</html>")
    refused(compare("backbones=[resnet18=w.pth]"), "resnet18=w.pth: ", "is damaged")
    done = compare("backbones=[resnet18=w.pth,resnet34=w.pth]")
    assert done.returncode == 1
    first, *others = done.stderr.splitlines()
    assert first == "error: No backbone can be measured:"
    assert [line.split(":")[0] for line in others] == ["resnet18=w.pth", "resnet34=w.pth"]


def test_weights_that_cannot_be_fetched(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(self: Any, name: str, weights: str) -> None:
        raise WeightsError(f"{weights} can't be fetched. Give a file (model.weights=FILE).")

    monkeypatch.setattr(TorchvisionProvider, "fetch", fetch)
    done = compare("backbones=[resnet18]")
    refused(done, "resnet18: IMAGENET1K_V1 can't be fetched", "(backbones=resnet18=FILE)")


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["backbones=[resnet5]"], ("backbones=resnet5: ", "no such network", "Did you mean"), 2),
        (["backbones=[resnet18=nowhere.pth]"], ("resnet18=nowhere.pth: there is no such file",), 1),
        (["backbones=[resnet18=]"], ("write NAME, or NAME=WEIGHTS",), 2),
        (["model.backbone=resnet18"], ("backbones=[NAME,NAME=WEIGHTS]",), 2),
        (["--model.weights=w.pth"], ("chooses the backbone",), 2),
        (["backbons=[resnet18]"], ("There is no key backbons. Did you mean backbones?",), 2),
        (["data.size_px=20"], ("at least 32",), 2),
    ],
)
def test_mistakes_are_one_sentence(
    compare: Compare, arguments: list[str], words: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    refused(compare(*arguments), *words, code=code)
    assert not list(tmp_path.glob("outputs/*"))


def test_a_feature_set_has_one_backbone(compare: Compare, tmp_path: Path) -> None:
    refused(compare(f"data.feature_set={tmp_path}"), "the features of one backbone", code=2)


def one_class(root: Path) -> None:
    for split in ("train", "valid", "test"):
        for name in ("Beagle", "Collie"):
            shutil.rmtree(root / split / name)


def no_test_photos(root: Path) -> None:
    shutil.rmtree(root / "test")
    (root / "test" / "Akita").mkdir(parents=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (one_class, "class"),
        (no_test_photos, "no photos for test"),
        (shutil.rmtree, "doesn't exist"),
    ],
)
def test_photos_that_cannot_be_compared_on(
    compare: Compare, photos_root: Path, tmp_path: Path, change: Callable[[Path], None], words: str
) -> None:
    change(photos_root)
    refused(compare(LITE0), words)
    assert not list(tmp_path.glob("outputs/*"))


def test_all_backbones_with_local_weights_or_none(
    compare: Compare, own_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    lite = list(PROVIDERS["efficientnet_lite"].local_names())
    assert [each.name for each in find_candidates([])] == lite
    weights = torchvision.models.get_model_weights("resnet18").__members__["IMAGENET1K_V1"]
    file = tmp_path / "torch" / "hub" / "checkpoints" / Path(weights.url).name
    file.parent.mkdir(parents=True)
    file.touch()
    assert [each.name for each in find_candidates([])] == [*lite, "resnet18"]
    for each in PROVIDERS.values():
        monkeypatch.setattr(type(each), "local_names", lambda self: ())
    refused(compare(), "No backbone has its weights on this machine", "backbones=[resnet50=FILE]")


def test_a_backbone_named_twice_is_measured_once() -> None:
    candidates = find_candidates(["resnet18", "resnet18", "resnet18=none"])
    assert [each.entry for each in candidates] == ["resnet18", "resnet18=none"]
    with pytest.raises(ConfigError, match="write NAME, or NAME=WEIGHTS"):
        find_candidates(["=w.pth"])


def test_features_of_an_interrupted_comparison_are_used(
    compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BATCH_SIZE, TORCH, 8)

    def build(*arguments: Any) -> Any:
        runner, calls = build_runner(*arguments), 0

        def interrupted(pixels: Pixels) -> Floats:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise Stopped("stopped by SIGINT; what was computed so far is saved.", 2)
            return runner(pixels)

        return interrupted

    monkeypatch.setattr(extraction, "build_runner", build)
    done = compare(LITE0)
    assert done.returncode == 130
    assert done.stderr == "stopped by SIGINT; what was computed so far is saved.\n"
    monkeypatch.setattr(extraction, "build_runner", build_runner)
    assert computed(compare(LITE0)) == ["60 views of photos, 44 computed now"]


def test_a_full_disk_ends_the_comparison(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    assert computed(compare("backbones=[resnet18=none]")) == ["60 views of photos, 60 computed now"]
    with monkeypatch.context() as patch:

        def full(*arguments: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(cache, "append_bytes", full)
        done = compare("backbones=[efficientnet_lite0,resnet18=none]")
        refused(done, "The disk is full", "free some space")
    done = compare("backbones=[efficientnet_lite0,resnet18=none]")
    assert [line.split()[4] for line in computed(done)] == ["60", "0"]


def test_features_that_are_not_finite_fail_that_backbone_alone(
    compare: Compare, tmp_path: Path
) -> None:
    state = torchvision.models.resnet18(weights=None).state_dict()
    state["bn1.weight"][0] = np.nan
    torch.save(state, tmp_path / "w.pth")
    done = compare("backbones=[resnet18=w.pth,efficientnet_lite0]")
    assert done.returncode == 0, done.stderr
    assert "resnet18=w.pth: not measured: The network gives features that" in done.stdout


def test_the_values_of_a_training_are_its_own() -> None:
    ours, its = (
        flat(compose_as(BY_NAME[name].schema, name, [])) for name in ("compare-backbones", "train")
    )
    assert ours.pop("backbones") == ()
    assert ours == its


@pytest.mark.runs
def test_ctrl_c_in_a_process(tmp_path: Path) -> None:
    root = draw_folders(tmp_path / "photos", {"train": 300, "valid": 4, "test": 4})
    command = [sys.executable, "-m", "dogbreed.compare_backbones", f"data.root={root}"]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, *QUICK, LITE0],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    process = start()
    features = tmp_path / "cache" / "features"
    # 512 photos are appended at a time.
    while not any(file.stat().st_size for file in features.rglob("features.bin")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == "stopped by SIGINT; what was computed so far is saved.\n"
    again = start()
    output, error = again.communicate(timeout=300)
    assert again.returncode == 0, error
    (line,) = [each for each in output.splitlines() if each.startswith("features: 924 views")]
    assert 0 < int(line.split()[5]) <= 412


@pytest.mark.runs
@needs(REAL_PHOTOS)
@needs(REAL_WEIGHTS)
def test_real_photos(tmp_path: Path) -> None:
    done = run_in_process(
        "dogbreed.compare_backbones",
        *(f"data.root={REAL_PHOTOS}", "data.fraction=0.05"),
        f"backbones=[efficientnet_lite0,resnet50={REAL_WEIGHTS}]",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    for each in results(tmp_path)["backbones"]:
        assert each["test"]["top1"] > 0.2, each
        assert each["photos_per_s"] > 0
