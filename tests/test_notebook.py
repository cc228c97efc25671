"""dogbreed.fit in a notebook: lines that change in place, an interrupted cell, the result."""

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.notebooks import execute, notebook_of

CALL = """
settings = dict(backbone="resnet18", weights="none", size_px=64, batch_size=4, patience=0,
    engine="torch", openvino=False, epochs=60)
run = dogbreed.fit("photos", **settings, resume="auto")
run
"""
STATE = "import logging, signal; print(signal.getsignal(2), logging.getLogger().handlers)"


def texts(cell: Any, kind: str) -> list[str]:
    """What a cell shows of one kind of output."""
    shown = [each for each in cell.outputs if each.output_type == kind]
    if kind == "stream":
        return [each.text for each in shown]
    return ["\n".join(e.traceback) if kind == "error" else e.data["text/plain"] for e in shown]


@pytest.mark.runs
def test_an_interrupted_cell_is_one_sentence_and_is_continued(
    photos_root: Path, tmp_path: Path
) -> None:
    notebook = notebook_of("import dogbreed", STATE, CALL, STATE, CALL, "dogbreed.fit(e=1)")
    _, before, stopped, after, continued, wrong = notebook.cells

    def interrupt(process: int) -> None:
        while not re.search(r"epoch ([3-9]|\d\d)/60", json.dumps(stopped.outputs)):
            time.sleep(0.01)
        os.kill(process, signal.SIGINT)

    execute(notebook, tmp_path, allow_errors=True, meanwhile=interrupt)
    (error,) = texts(stopped, "error")
    # Within or between two epochs.
    assert re.match("Stopped: stopped by Ctrl-C[ ;]", error)
    assert re.search("dogbreed.fit.* resume='?auto'? continues from there", error)
    assert "\n" not in error
    assert texts(after, "stream") == texts(before, "stream")
    assert "resuming " in "".join(texts(continued, "stream"))
    (block,) = texts(continued, "display_data")  # one, however often it has changed
    assert block.startswith("60 photos of 3 classes")
    assert "\nepoch 60/60  valid top-1 " in block
    assert texts(continued, "execute_result")[0].startswith("Run(")
    assert "Top-1 " in continued.outputs[-1].data["text/html"]
    assert len("".join(texts(continued, "stream")).splitlines()) < 40
    (error,) = texts(wrong, "error")
    assert error.startswith("ConfigError: There is no key e.")
