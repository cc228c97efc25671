"""One of each kind from a package that dogbreed doesn't know, through the real commands.

The package is installed as pip would: its module and its metadata are on the path of a process.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT

from dogbreed.artifact.tensors import read_safetensors
from dogbreed.utils.registry import GROUP

Run = Callable[..., subprocess.CompletedProcess[str]]

TRAINING = (
    "model.backbone=dummy/tiny",
    "data.size_px=64",
    "data.batch_size=4",
    "engine=torch",
    "trainer.epochs=2",
    "trainer.patience=0",
    "artifact.openvino=false",
    "evaluate.baseline=false",
    "optim.name=signed",
    "optim.scheduler=constant",
    "debug.rules.late_step.after=2",
    "debug.triggers.long_run_s=0",
)


def install(folder: Path, module: str) -> Path:
    """The folder with the extension as installed; `module` is what its entry point names."""
    info = folder / "dummy_extension-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dummy-extension\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\ndummy = {module}\n")
    shutil.copy(Path(__file__).with_name("dummy_extension.py"), folder)
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("site"), "dummy_extension")


def runner(installed: Path, cwd: Path) -> Run:
    path = os.pathsep.join([str(installed), *filter(None, [os.environ.get("PYTHONPATH")])])

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": path, "DOGBREED_CACHE": str(cwd / "cache")},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def write_plain(path: Path, seed: int, label: int) -> None:
    """A picture of 80 x 72 pixels; each class has its colour."""
    noise = np.random.default_rng(seed).integers(0, 60, (72, 80, 3), np.uint8)
    noise[..., label] += 150
    sides = [side.to_bytes(2) for side in (80, 72)]
    path.write_bytes(b"".join([b"PLN1", *sides, noise.tobytes()]))


@pytest.fixture(scope="module")
def trained(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a training of PLAIN photos with every extension was run in."""
    cwd = tmp_path_factory.mktemp("trained")
    for label, name in enumerate(("red", "green")):
        (cwd / "photos" / name).mkdir(parents=True)
        for number in range(12):
            write_plain(cwd / "photos" / name / f"{number}.plain", 100 * label + number, label)
    done = runner(installed, cwd)("-m", "dogbreed.train", "data.root=shelf://photos", *TRAINING)
    assert done.returncode == 0, done.stderr
    assert "warning: late_step at step 3: This step was late." in done.stdout + done.stderr
    return cwd


@pytest.mark.slow
def test_the_rule_and_the_trigger_fire_in_the_files_and_the_report(trained: Path) -> None:
    run = trained / "outputs" / "latest"
    rules = json.loads((run / "debug" / "rules.json").read_text("utf-8"))
    assert rules[-1]["name"] == "late_step"
    assert rules[-1]["state"] == "fired"
    assert rules[-1]["parameters"] == {"action": "warn", "after": 2}
    triggers = json.loads((run / "profile.json").read_text("utf-8"))["triggers"]
    assert triggers[-1]["name"] == "long_run"
    assert triggers[-1]["parameters"] == {"long_run_s": 0.0}
    report = (run / "report.html").read_text("utf-8")
    assert "This step was late." in report
    assert "Raise debug.triggers.long_run_s." in report


@pytest.mark.slow
def test_the_backbone_has_its_providers_weights_and_the_optimiser_trains_it(trained: Path) -> None:
    model = trained / "outputs" / "latest" / "model"
    description = json.loads((model / "model.json").read_text("utf-8"))
    assert description["backbone"] == {"name": "dummy/tiny", "trainable": "head"}
    tensors = read_safetensors(model / "model.safetensors")
    assert bool((tensors["backbone.trunk.layers.stem.weight"][3, 0] == 1).all())
    # Rprop's first steps have the size of the rate, whatever the gradient.
    assert tensors["head.output.weight"].abs().max() >= 1e-3


@pytest.mark.slow
def test_photos_of_the_format_are_trained_on_and_predicted(installed: Path, trained: Path) -> None:
    run = runner(installed, trained)
    photos = ("photos/red/0.plain", "photos/green/1.plain")
    done = run("-m", "dogbreed.predict", "model=outputs/latest", *photos, "output=answers.csv")
    assert done.returncode == 0, done.stderr
    text = (trained / "answers.csv").read_text("utf-8")
    assert all(photo in text for photo in photos)
    assert len(text.splitlines()) == 3
    # Without the package no format, no backbone.
    alone = subprocess.run(
        [sys.executable, "-m", "dogbreed.predict", "model=outputs/latest", *photos],
        cwd=trained,
        capture_output=True,
        text=True,
    )
    assert alone.returncode != 0
    assert "dummy/tiny" in alone.stderr


@pytest.mark.slow
def test_the_last_stage_is_cut_and_trained(installed: Path, trained: Path) -> None:
    code = (
        "from dogbreed.backbone.architecture import build_backbone\n"
        "import torch\n"
        "backbone = build_backbone('dummy/tiny', 'ONES', 'last_stage')\n"
        "print(list(dict(backbone.tail.named_children())))\n"
        "white = torch.full((1, 3, 64, 64), 255, dtype=torch.uint8)\n"
        "print(backbone.trunk.normalise(white).max().item())\n"
        "build_backbone('dummy/tiny', 'TWOS')\n"
    )
    done = runner(installed, trained)("-c", code)
    tail, white = done.stdout.splitlines()
    assert tail == "['stage', 'pool', 'flat', 'classifier']"
    assert float(white) == 1.0
    assert "neither a file nor weights of dummy/tiny in dummy (ZEROS, ONES)" in done.stderr


@pytest.mark.slow
def test_help_and_messages_know_them(installed: Path, tmp_path: Path) -> None:
    run = runner(installed, tmp_path)
    code = (
        "import dogbreed.train\n"
        "for topic in ('debug', 'optim.name'): dogbreed.train.main(['--help', topic])\n"
    )
    done = run("-c", code)
    assert "debug.rules.late_step.after=1000" in done.stdout
    assert "debug.triggers.long_run_s=1000000.0" in done.stdout
    assert "(adam | adamw | sgd | signed)" in done.stdout
    wrong = run("-m", "dogbreed.train", "optim.name=singed")
    assert wrong.returncode == 2
    assert "must be one of adam, adamw, sgd, signed. Did you mean signed?" in wrong.stderr
    wrong = run("-m", "dogbreed.train", "debug.rules.late_step.after=-1")
    assert "debug.rules.late_step.after=-1: must be at least 0." in wrong.stderr
    wrong = run("-m", "dogbreed.train", "model.backbone=dummy/tini", "data.source=samples")
    assert "dummy have no such network. Did you mean dummy/tiny?" in wrong.stderr
    wrong = run("-m", "dogbreed.train", "data.root=shelf://photos")
    assert wrong.stderr.startswith("error: data.root=shelf://photos: there is no such shelf.")


@pytest.mark.slow
def test_the_server_is_packed_and_deployed(installed: Path, trained: Path) -> None:
    code = (
        "import pathlib\n"
        "from dataclasses import replace\n"
        "from dogbreed.artifact.packing import pack_model\n"
        "from dogbreed.cloud.endpoints.endpoint_requests import container_environment\n"
        "from dogbreed.cloud.endpoints.serving_images import serving_image\n"
        "from dogbreed.configuration.composing import compose_as\n"
        "from dogbreed.configuration.deploy import DeployConfig\n"
        "config = compose_as(DeployConfig, 'deploy', ['deploy.server=echo']).deploy\n"
        "pack_model(pathlib.Path('outputs/latest'), pathlib.Path('model.tar.gz'))\n"
        "print(serving_image('eu-west-1', config).uri, container_environment(config))\n"
    )
    done = runner(installed, trained)("-c", code)
    assert done.stdout.strip() == "registry.example/echo:cpu {'ECHO': '1'}", done.stderr
    with tarfile.open(trained / "model.tar.gz") as tape:
        names = set(tape.getnames())
        packed = tape.extractfile("echo/app.py")
        assert packed is not None
        assert packed.read() == (installed / "dummy_extension.py").read_bytes()
    assert {"config.yaml", "deployment.py", "code/inference.py"} <= names


def test_a_broken_extension_is_named(tmp_path: Path) -> None:
    site = install(tmp_path / "site", "dummy_missing")
    done = runner(site, tmp_path)("-m", "dogbreed.train", "optim.name=sgd", "data.root=photos")
    assert done.returncode == 2
    assert "The extension dummy_missing of the package dummy-extension can't be imported" in (
        done.stderr
    )
    assert "Traceback" not in done.stderr


def test_a_name_is_taken_once() -> None:
    code = (
        "from dogbreed.configuration.optimizers import OPTIMIZERS\n"
        "OPTIMIZERS.names()  # loads the built-in ones, as is done before an extension is\n"
        "OPTIMIZERS.register('sgd', lambda groups, settings: None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "The name 'sgd' of another optimiser is taken" in done.stderr


def test_the_examples_of_the_docs_work(tmp_path: Path) -> None:
    text = (PROJECT / "docs" / "extensions.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    shown = (
        "from dogbreed.configuration.composing import compose\n"
        "config = compose(['optim.name=nadam', 'debug.rules.high_loss.above=3'])\n"
        "from dogbreed.evaluation.metrics.registry import objectives\n"
        "print(config.debug.rules.high_loss.above, objectives()[-1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*blocks, shown])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["3.0", "valid_top2"], done.stderr
