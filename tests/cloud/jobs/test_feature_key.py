"""The key of extracted features: what changes it, and what doesn't."""

import ast
import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from conftest import PROJECT, SMALL
from packaging.utils import canonicalize_name

from dogbreed.cloud.aws.images import Image
from dogbreed.cloud.jobs.feature_key import (
    PACKAGE,
    PACKAGES,
    code_digest,
    feature_key,
    feature_modules,
)
from dogbreed.configuration.composing import compose

IMAGE = Image(uri="image:1", end_of_patch=None, carries=frozenset(), warning=None)
IMAGES = {"ml.c7i.xlarge": IMAGE}
CONFIG = compose(["model.weights=/somewhere/weights.pth"])
PHOTOS = {"train/a/1.jpg": "00"}
INSTALLED = ["pillow==13.0.0", "optuna==5.0.0"]
KEY = feature_key(CONFIG, PHOTOS, "ab", INSTALLED, IMAGES)

# An extraction: prints the modules of this package that it has loaded, in all its processes.
LOADED = """
import os, pathlib, sys
from dogbreed.configuration.composing import compose
from dogbreed.cloud.container import entry_point
def modules():
    return {str(m.__file__) for n, m in sys.modules.items() if n.startswith("dogbreed.")}
before = modules()
from dogbreed.cloud.container.extraction import extract
extract(compose(sys.argv[1:]))
print(*sorted(modules() - before), sep="\\n")
"""


def test_what_determines_features_changes_the_key() -> None:
    def key(**other: object) -> str:
        values = {"config": CONFIG, "photos": PHOTOS, "weights": "ab", "installed": INSTALLED}
        values |= {"images": IMAGES, **other}
        return feature_key(*values.values())  # type: ignore[arg-type]

    changed = [
        key(config=compose(["data.split_seed=7", "model.weights=/somewhere/weights.pth"])),
        key(photos={"train/a/1.jpg": "01"}),
        key(photos={"train/b/1.jpg": "00"}),
        key(weights="ac"),
        key(installed=["pillow==13.0.1", "optuna==5.0.0"]),
        key(images={"ml.m5.xlarge": IMAGE}),
        key(images={**IMAGES, "ml.m5.xlarge": IMAGE}),
        key(images={"ml.c7i.xlarge": replace(IMAGE, uri="image:2")}),
    ]
    assert len({KEY, *changed}) == len(changed) + 1
    elsewhere = compose(["model.weights=/moved.pth", "optim.lr=0.5", "trainer.epochs=3"])
    assert key(config=elsewhere, installed=["pillow==13.0.0", "optuna==6.0"]) == KEY


def test_code_that_decodes_and_computes_counts_and_reports_do_not(tmp_path: Path) -> None:
    names = {path.relative_to(PACKAGE).as_posix() for path in feature_modules()}
    assert {
        *("data/decoding/photos.py", "data/decoding/process.py", "data/decoding/memory.py"),
        *("data/decoding/image_formats/heif.py", "data/check.py", "data/layouts/folders.py"),
        *("backbone/architecture.py", "backbone/providers/timm_models.py", "backbone/weights.py"),
        *("runtime/openvino_runner.py", "runtime/torch_runner.py", "features/cache.py"),
        *("cloud/container/extraction.py", "features/shard_index.py", "training/features.py"),
    } <= names
    wings = {name.partition("/")[0] for name in names}
    assert not wings & {"report", "evaluation", "search", "serving", "debug"}
    assert not [name for name in names if name.startswith(("cloud/jobs", "cloud/aws"))]


def test_an_edit_of_a_module_on_the_path_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = PACKAGE / "data" / "decoding" / "photos.py"
    files = feature_modules()
    before, read = code_digest(files), Path.read_bytes

    def edited(path: Path) -> bytes:
        return read(path) + (b"# edited\n" if path == photos else b"")

    monkeypatch.setattr(Path, "read_bytes", edited)
    assert code_digest(files) != before
    assert feature_key(CONFIG, PHOTOS, "ab", INSTALLED, IMAGES) != KEY


@pytest.mark.slow
def test_no_module_of_an_extraction_is_missing(photos_root: Path, tmp_path: Path) -> None:
    small = [each for each in SMALL if not each.startswith(("trainer", "artifact"))]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, f"data.root={photos_root}", *small],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = [Path(line) for line in done.stdout.splitlines() if line.endswith(".py")]
    loaded = {path.relative_to(PACKAGE).as_posix() for path in lines}
    assert {"features/extraction.py", "runtime/engine.py"} <= loaded
    known = {path.relative_to(PACKAGE).as_posix() for path in feature_modules()}
    assert loaded - known == set()
    assert list((tmp_path / "checkpoints").rglob("photos.json"))


def test_no_package_that_computes_is_missing() -> None:
    names: set[str] = set()
    for path in feature_modules():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    known = packages_distributions()
    packages = {canonicalize_name(name) for each in names for name in known.get(each, ())}
    # For people, of settings, for types, and for models that are written.
    allowed = {"dogbreed", "ipython", "rich", "pyyaml", "pytorch-lightning", "nncf", "onnxruntime"}
    assert packages - PACKAGES <= allowed
