"""Trainings that were to be told to smdebug, where there is none or a broken one."""

import os
import sys
from pathlib import Path

import pytest
from conftest import SMALL, Train

from dogbreed.debug.recording.records import read_recording
from dogbreed.debug.smdebug.hook import SmdebugHook
from dogbreed.debug.smdebug.library import load
from dogbreed.errors import RecordingError

MISSING = "raise ModuleNotFoundError('', name='smdebug')"
# What protobuf says of messages that were compiled before 2022, over several lines.
TOO_OLD = "raise TypeError('Descriptors cannot be created directly.\\nIf this call came from')"
TOO_NEW = "import numpy; numpy.ndarray.tostring_of_old"
HALF = "import requests_that_nobody_has"


def put_smdebug(folder: Path, code: str) -> Path:
    """A package smdebug of that code alone."""
    (folder / "smdebug").mkdir(parents=True)
    (folder / "smdebug" / "__init__.py").write_text(code)
    return folder


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (MISSING, ("module smdebug isn't installed", "pip install 'dogbreed[smdebug]'")),
        (HALF, ("requests_that_nobody_has", "pip install 'dogbreed[smdebug]'")),
        (TOO_OLD, ("TypeError", "cannot be created", "IMPLEMENTATION=python")),
        (TOO_NEW, ("AttributeError", "tostring_of_old", "dogbreed[smdebug]")),
    ],
)
def test_it_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: tuple[str, ...]
) -> None:
    monkeypatch.syspath_prepend(put_smdebug(tmp_path, code))
    for name in [name for name in sys.modules if name.partition(".")[0] == "smdebug"]:
        monkeypatch.delitem(sys.modules, name)
    load.cache_clear()
    before = dict(os.environ)
    with pytest.raises(RecordingError) as told:
        SmdebugHook(tmp_path / "debug")
    for word in (*words, "or set debug.smdebug=false."):
        assert word in str(told.value)
    assert "\n" not in str(told.value)
    assert dict(os.environ) == before


@pytest.mark.watch
def test_the_command_goes_on_with_one_warning(
    train_process: Train, photos_root: Path, tmp_path: Path
) -> None:
    path = str(put_smdebug(tmp_path / "modules", MISSING))
    done = train_process(f"data.root={photos_root}", *SMALL, "debug.smdebug=true", PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr
    assert told.count("warning: ") == told.count("pip install 'dogbreed[smdebug]'") == 1
    assert "Traceback" not in told
    run = tmp_path / "outputs" / "latest"
    assert len(read_recording(run / "debug" / "recording").epochs["epoch"]) == 3
    assert (run / "model" / "model.safetensors").exists()
