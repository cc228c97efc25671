"""Shared by all tests: small photo folders, the command line, and the real data where it is."""

import io
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from PIL import Image

PROJECT = Path(__file__).parents[1]
# Real photos and pretrained weights lie beside the project where they may lie at all: their
# licences don't allow them into it.
SHARED = PROJECT.parent / "shared"
REAL_PHOTOS = SHARED / "data" / "stanford-dogs-6k"
ORIGINAL_PHOTOS = SHARED / "data" / "udacity-original-size"
REAL_WEIGHTS = SHARED / "weights" / "resnet50-imagenet-72.2.pth"

# How many threads torch has in tests and in the commands that they start: one, as many tests run
# at once as there are cores; or what OMP_NUM_THREADS says outside; or as many as torch likes
# ("all"). No test may depend on it: the suite passes with OMP_NUM_THREADS=2 and with
# DOGBREED_TEST_THREADS=all too.
_GIVEN = os.environ.get("DOGBREED_TEST_THREADS") or os.environ.get("OMP_NUM_THREADS") or "1"
THREADS = {} if _GIVEN == "all" else {"OMP_NUM_THREADS": _GIVEN}
os.environ.update(THREADS)  # before torch is imported: most commands run in the tests' own process

# A network and a photo size that train in a second, and no form that takes as long to write.
SMALL = (
    "model.backbone=resnet18",
    "model.weights=none",
    "data.size_px=64",
    "data.batch_size=16",
    "engine=torch",
    "trainer.epochs=3",
    "artifact.openvino=false",
)

# Of TRAINING_JOB_NAME, as in a job: every epoch is printed, with all its metrics.
JOB_NAME = "job-1"

Train = Callable[..., subprocess.CompletedProcess[str]]


@contextmanager
def only_reading(folder: Path) -> Iterator[None]:
    """Nothing below the folder may be written, by root neither: its rights are put aside."""
    user = os.geteuid()
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What opens a page in a browser is slow."""
    for item in items:
        opens_browser = "chromium" in getattr(item, "fixturenames", ())
        if opens_browser and item.get_closest_marker("servers") is None:
            item.add_marker(pytest.mark.slow)


def needs(path: Path) -> pytest.MarkDecorator:
    """Skip a test where `path`, real data that can't ship with the project, isn't there."""
    return pytest.mark.skipif(not path.exists(), reason=f"{path.name} isn't beside the project")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a cache of its own."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("DOGBREED_CACHE", str(cache))
    return cache


def start_train(
    *arguments: str, cwd: Path, start_new_session: bool = False, **variables: str
) -> subprocess.Popen[str]:
    """`python -m dogbreed.train` in `cwd`, its output read while it runs."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "dogbreed.train", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=start_new_session,
        env={**os.environ, **variables},
    )


def wait_for_line(stream: IO[str] | None, start: str) -> str:
    """Read what a process writes up to a line that starts so."""
    assert stream is not None
    for line in stream:
        if line.startswith(start):
            return line
    raise AssertionError(f"the process ended before a line that starts with {start!r}")


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Run the command `python -m dogbreed.train` in `tmp_path`, inside this process."""
    from helpers.in_process import run_in_process

    def run(
        *arguments: str, cwd: Path = tmp_path, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return run_in_process("dogbreed.train", *arguments, cwd=cwd, stdin=None, **variables)

    return run


@pytest.fixture
def train_process(tmp_path: Path) -> Train:
    """The same as `train` as a process of its own, for what only a process can show."""

    def run(
        *arguments: str, cwd: Path = tmp_path, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dogbreed.train", *arguments],
            cwd=cwd,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@dataclass(frozen=True)
class TrainedRun:
    """A finished training: what it printed, where it ran, its folder, how long it took."""

    done: subprocess.CompletedProcess[str]
    cwd: Path
    run: Path
    wall_s: float


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """One run for all tests that only read what a run leaves behind."""
    from helpers.in_process import run_in_process

    cwd = tmp_path_factory.mktemp("trained")
    photos = draw_folders(cwd / "photos", {"train": 12, "valid": 4, "test": 4})
    started = time.monotonic()
    done = run_in_process(
        "dogbreed.train",
        *(f"data.root={photos}", *SMALL, "name=mine/and ours"),
        *("debug.every_n_steps=2", "debug.tensorboard=true"),
        cwd=cwd,
        DOGBREED_CACHE=str(cwd / "cache"),
    )
    assert done.returncode == 0, done.stderr
    run = (cwd / "outputs" / "latest").resolve()
    return TrainedRun(done, cwd, run, time.monotonic() - started)


class Lines(logging.Handler):
    """The lines that the package logs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """What was logged since the last call."""
    log, handler = logging.getLogger("dogbreed"), Lines()
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)

    def since() -> str:
        text, handler.lines = "\n".join(handler.lines), []
        return text

    yield since
    log.removeHandler(handler)
    log.setLevel(level)


@pytest.fixture
def as_another_user(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python in `tmp_path` as user 12345, who has no name and none of root's rights.

    It is a user namespace of its own, where root's rights end and its files stay readable.
    """
    alone = ["unshare", "--user", "--map-user=12345"]
    try:
        subprocess.run([*alone, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system makes no user namespaces")

    def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        unset = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "DOGBREED_CACHE", "MPLCONFIGDIR")
        bare = {name: value for name, value in os.environ.items() if name not in unset}
        return subprocess.run(
            [*alone, sys.executable, *command],
            cwd=tmp_path,
            env={**bare, **variables},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def draw_photo(path: Path, hue: int, seed: int, size: tuple[int, int] = (80, 60)) -> None:
    """A noisy photo of one colour: classes of different hues can be told apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_drawn(path.suffix, hue, seed, size))


@lru_cache(maxsize=4096)  # most tests draw the same photos
def _drawn(suffix: str, hue: int, seed: int, size: tuple[int, int]) -> bytes:
    """The file of a photo, in the format that its suffix names."""
    noise = np.random.default_rng(seed).integers(0, 80, (size[1], size[0], 3))
    pixels = np.full((size[1], size[0], 3), [hue, 128, 255 - hue]) * 2 // 3 + noise
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
        file, Image.registered_extensions()[suffix.lower()]
    )
    return file.getvalue()


def draw_folders(
    root: Path, counts: dict[str, int], classes: tuple[str, ...] = ("Akita", "Beagle", "Collie")
) -> Path:
    """`root`/<split>/<class>/<n>.jpg with so many photos per class; split "" has no folder."""
    for number, name in enumerate(classes):
        for split, count in counts.items():
            for photo in range(count):
                seed = 100 * number + photo + 1000 * sum(map(ord, split))
                draw_photo(root / split / name / f"{photo:03}.jpg", 20 + 100 * number, seed)
    return root


@pytest.fixture
def photos_root(tmp_path: Path) -> Path:
    """Three classes of 12/4/4 photos in train/valid/test folders."""
    return draw_folders(tmp_path / "photos", {"train": 12, "valid": 4, "test": 4})


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with a model of three breeds: random weights, two views of 64 pixels."""
    return _tiny_model(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture(scope="session")
def padded_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for complete photos between bars (data.fit=pad)."""
    return _tiny_model(tmp_path_factory.mktemp("padded-model"), fit="pad")


def _tiny_model(folder: Path, fit: str = "crop") -> Path:
    import torch

    from dogbreed.data.decoding.preprocessing import Preprocessing
    from dogbreed.model import BreedClassifier

    classes = ("n02085620-Chihuahua", "n02099601-golden_retriever", "n02106662-German_shepherd")
    model = BreedClassifier(classes, backbone="resnet18", weights="none")
    weights = torch.randn(3, 512, generator=torch.Generator().manual_seed(0)) * 0.02
    model.head.get_submodule("output").load_state_dict({"weight": weights, "bias": torch.zeros(3)})
    model.save(
        folder / "model",
        preprocessing=Preprocessing(size_px=64, fit=fit).describe(),
        views=2,
        temperature=1.3,
        threshold=0.4,
    )
    return folder
