"""The recording outlives whatever ends its training, and its file stays small."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dogbreed.debug.recording.records import LAYERS, STEPS, RecordingWriter, read_recording
from dogbreed.errors import RecordingError

NAMES = ("backbone.tail", "head.output")


def write(path: Path, steps: range, names: tuple[str, ...] = NAMES, lr: float = 0.1) -> None:
    writer = RecordingWriter(path, names)
    for step in steps:
        writer.add(STEPS, step, 2.0 - step / 1000, 0.5, lr, 0.01)
        if step % 10 == 0:
            norms = np.full(len(names), step, np.float32)
            writer.add(LAYERS, step, norms, norms + 1, norms + 2)
    writer.close()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "recording", range(1200))
    recording = read_recording(tmp_path / "recording")
    assert recording.complete
    assert recording.layer_names == NAMES
    np.testing.assert_array_equal(recording.steps["step"], np.arange(1200))
    np.testing.assert_allclose(recording.steps["cross_entropy"], 2.0 - np.arange(1200) / 1000)
    assert recording.layers["update_ratio"].shape == (120, 2)
    np.testing.assert_array_equal(recording.layers["weight_norm"][:, 1], np.arange(0, 1200, 10) + 1)
    assert recording.epochs["epoch"].shape == (0,)


def test_a_hundred_thousand_steps_take_under_a_hundred_bytes_each(tmp_path: Path) -> None:
    # As many layers as the last stage of a ResNet50 and a head have.
    names = tuple(f"layer{number}" for number in range(21))
    write(tmp_path / "recording", range(100_000), names)
    assert (tmp_path / "recording").stat().st_size / 100_000 <= 100


@pytest.mark.parametrize("lost", [1, 30, 4000])
def test_a_torn_end_costs_its_own_block_alone(lost: int, tmp_path: Path) -> None:
    path = tmp_path / "recording"
    write(path, range(3000))
    os.truncate(path, path.stat().st_size - lost)
    recording = read_recording(path)
    assert not recording.complete
    steps = recording.steps["step"]
    assert 1500 <= len(steps) <= 3000
    np.testing.assert_array_equal(steps, np.arange(len(steps)))


def test_changed_bytes_are_not_taken_for_numbers(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    write(path, range(3000))
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 0xFF
    path.write_bytes(data)
    recording = read_recording(path)
    assert not recording.complete
    assert 500 <= len(recording.steps["step"]) < 3000


def test_a_training_that_goes_on_replaces_the_steps_that_it_repeats(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    write(path, range(1000), lr=0.1)
    os.truncate(path, path.stat().st_size - 5)
    write(path, range(400, 1500), lr=0.2)
    recording = read_recording(path)
    assert recording.complete
    np.testing.assert_array_equal(recording.steps["step"], np.arange(1500))
    np.testing.assert_allclose(recording.steps["lr"][:400], 0.1)
    np.testing.assert_allclose(recording.steps["lr"][400:], 0.2)
    np.testing.assert_array_equal(recording.layers["step"], np.arange(0, 1500, 10))


def test_other_layers_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "recording", range(10))
    with pytest.raises(RecordingError, match="other layers"):
        RecordingWriter(tmp_path / "recording", ("head",))


@pytest.mark.parametrize("content", [b"", b"DBREC1", b"DBREC1\xff\xff\xff\xff{}", b"\x89PNG" * 9])
def test_what_is_no_recording_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "recording").write_bytes(content)
    with pytest.raises(RecordingError, match="recording"):
        read_recording(tmp_path / "recording")


def test_no_recording_at_all(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="can't be read"):
        read_recording(tmp_path / "recording")


def test_a_process_that_is_killed_while_it_writes_leaves_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    code = (
        "import itertools, sys\n"
        "from pathlib import Path\n"
        "from dogbreed.debug.recording.records import STEPS, RecordingWriter\n"
        "writer = RecordingWriter(Path(sys.argv[1]), ('head',))\n"
        "for step in itertools.count():\n"
        "    writer.add(STEPS, step, 1.0, 0.5, 0.1, 0.01)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)]) as process:
        while not path.exists() or path.stat().st_size < 500_000:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    recording = read_recording(path)
    steps = recording.steps["step"]
    assert len(steps) > 20_000
    np.testing.assert_array_equal(steps, np.arange(len(steps)))
