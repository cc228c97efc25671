"""dogbreed.fit: the command's training from Python, in a process that goes on afterwards."""

import gc
import logging
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import psutil
import pytest
from hydra.core.global_hydra import GlobalHydra

import dogbreed
from dogbreed import DogbreedError, Run
from dogbreed.errors import ConfigError, DataError, Stopped
from dogbreed.features import extraction
from dogbreed.model import BreedClassifier
from dogbreed.training import steps
from dogbreed.utils import signals

SMALL: dict[str, Any] = {
    "backbone": "resnet18",
    "weights": "none",
    "size_px": 64,
    "batch_size": 16,
    "engine": "torch",
    "epochs": 3,
    "openvino": False,
}


def fit(root: Path, **settings: Any) -> Run:
    """A small training whose folder is beside the photos."""
    return dogbreed.fit(root, **{**SMALL, "output_root": root.parent / "outputs", **settings})


def state() -> dict[str, Any]:
    """What a training could leave behind in a process."""
    gc.collect()
    log = logging.getLogger("dogbreed")
    return {
        "environment": dict(os.environ),
        "arguments": sys.argv[:],
        "folder": Path.cwd(),
        "log": (log.handlers[:], log.level, log.propagate, logging.raiseExceptions),
        "lightning": logging.getLogger("pytorch_lightning").level,
        "signals": [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)],
        "warnings": warnings.filters[:],
        "hydra": GlobalHydra.instance().is_initialized(),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "processes": len(psutil.Process().children(recursive=True)),
        "threads": {each for each in threading.enumerate() if each.is_alive()},
    }


@pytest.mark.runs
def test_a_training_in_any_thread_leaves_the_process_as_it_was(photos_root: Path) -> None:
    fit(photos_root)  # the libraries that it imports leave something behind once
    before = state()
    runs = [fit(photos_root)]
    threads = [threading.Thread(target=lambda: runs.append(fit(photos_root))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state() == before
    assert len({run.folder for run in runs}) == 3
    assert len({run.metrics["test"]["top1"] for run in runs}) == 1
    assert runs[0].config["trainer"]["epochs"] == 3
    log = (runs[0].folder / "log.txt").read_text()
    assert "results: " in log
    assert "dogbreed serve" not in log  # it is no shell that these lines are for


@pytest.mark.parametrize(
    ("root", "settings", "error", "message"),
    [
        ("none", {}, DataError, "none"),
        (None, {"data.root": "none"}, DataError, "none"),
        ("none", {"data.root": "none"}, ConfigError, "data.root is given twice"),
        ("none", {"epoch": 1}, ConfigError, "no key epoch. Did you mean epochs"),
        ("none", {"devices": 2}, ConfigError, r"several processes .* need the command"),
        ("none", {"strategy": "ddp"}, ConfigError, r"several processes .* need the command"),
        ("none", {"resume": "none"}, ConfigError, "resume=none: there is no run"),
    ],
)
def test_a_mistake_raises_the_error_of_the_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    root: str | None,
    settings: dict[str, Any],
    error: type[DogbreedError],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if "resume" in settings:
        (tmp_path / "none").mkdir()
    with pytest.raises(error, match=message) as raised:
        dogbreed.fit(root, **settings)
    # What IPython shows of it.
    assert raised.value._render_traceback_() == [f"{error.__name__}: {raised.value}"]


def interrupt(*_: Any, **__: Any) -> Any:
    """A notebook's stop button, or Ctrl-C."""
    signal.raise_signal(signal.SIGINT)
    time.sleep(10)


@pytest.mark.runs
@pytest.mark.parametrize(
    ("module", "name"), [(extraction, "build_runner"), (steps, "fit"), (steps, "measure_run")]
)
def test_an_interrupt_loses_nothing_wherever_it_comes(
    photos_root: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patched:
        patched.setattr(module, name, interrupt)
        with pytest.raises(Stopped, match=r"stopped by Ctrl-C; .* resume='auto' continues"):
            fit(photos_root)
    assert signal.getsignal(signal.SIGINT) is handler
    run = fit(photos_root, resume="auto")
    # A run is continued from its first checkpoint on; before it the features are all there is.
    folders = list((photos_root.parent / "outputs").glob("*-photos*"))
    assert len(folders) == (1 if name == "measure_run" else 2)
    assert run.metrics["epochs"][-1]["epoch"] == 3


@pytest.mark.runs
def test_a_second_interrupt_ends_the_training_and_not_the_process(
    photos_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted_twice(*_: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second one has not ended the step")

    monkeypatch.setattr(signals, "REPEATED_S", 0.0)
    monkeypatch.setattr(BreedClassifier, "training_step", interrupted_twice)
    handlers = [signal.getsignal(each) for each in signals.ENDING_SIGNALS]
    with pytest.raises(Stopped, match="stopped by Ctrl-C; what was computed so far is saved"):
        fit(photos_root)
    assert [signal.getsignal(each) for each in signals.ENDING_SIGNALS] == handlers
