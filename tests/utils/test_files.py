"""Files that are complete or absent: what a failed or killed writer leaves, and who removes it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dogbreed.utils.files import STALE_S, atomic_write, write_text

KILLED = """
import os, signal, sys
from pathlib import Path
from dogbreed.utils.files import atomic_write
with atomic_write(Path(sys.argv[1])) as temporary:
    if sys.argv[2] == "folder":
        temporary.mkdir()
        temporary = temporary / "part of it"
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a [name].txt"
    subprocess.run([sys.executable, "-c", KILLED, str(path), kind], check=False, timeout=60)
    assert len(hidden(tmp_path)) == 1
    assert not path.exists()
    write_text(path, "complete")
    assert hidden(tmp_path) == []
    assert path.read_text("utf-8") == "complete"


def test_what_another_writer_is_at_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic_write(path) as first:
        first.write_text("first", "utf-8")
        write_text(path, "second")
        assert first.exists()
    assert path.read_text("utf-8") == "first"
    # A process of another host can't be looked up: what it writes is left for a day.
    # Linux gives no process this number (at most 2^22), so none of it runs here.
    elsewhere = tmp_path / f".a.txt.0a1b2c-{2**22 + 1}-01234567.part"
    elsewhere.touch()
    write_text(path, "third")
    assert elsewhere.exists()
    long_ago = time.time() - STALE_S - 60
    os.utime(elsewhere, (long_ago, long_ago))
    write_text(path, "fourth")
    assert hidden(tmp_path) == []


def test_a_failed_block_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "before")

    def fail() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half", "utf-8")
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        fail()
    assert path.read_text("utf-8") == "before"
    assert hidden(tmp_path) == []


def test_a_link_to_a_folder_is_replaced_and_the_folder_stays(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    link = tmp_path / "latest"
    for name in ("one", "two"):
        with atomic_write(link) as temporary:
            temporary.symlink_to(name)
        assert link.resolve() == tmp_path / name

    def fail() -> None:
        with atomic_write(link) as temporary:
            temporary.symlink_to("one")
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        fail()
    assert link.resolve() == tmp_path / "two"
    assert (tmp_path / "one").is_dir()
    assert hidden(tmp_path) == []
