"""A run's folder outputs/<time>-<name>/, with its log and its results."""

import io
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import yaml

from dogbreed.configuration.run import Config
from dogbreed.errors import OutputError
from dogbreed.run_records.listing import LATEST
from dogbreed.run_records.lock import RunLock
from dogbreed.utils.files import (
    PARTIAL_SUFFIX,
    atomic_write,
    open_plain,
    remove,
    shortened,
    write_table,
    write_text,
)
from dogbreed.utils.os_errors import DISK_FULL
from dogbreed.utils.printable import printable
from dogbreed.utils.progress import is_main_process
from dogbreed.utils.screen import ScreenHandler
from dogbreed.utils.terminal import LineFormatter

LOG_FILE = "log.txt"
LAST_CHECKPOINT = Path("checkpoints", "last.ckpt")
BEST_CHECKPOINT = Path("checkpoints", "best.ckpt")
# Tells the other processes of a distributed training the run's folder.
RUN_FOLDER_VARIABLE = "DOGBREED_RUN_FOLDER"

log = logging.getLogger("dogbreed")


def config_text(config: Config) -> str:
    """The configuration as YAML."""
    return yaml_text(asdict(config))


def yaml_text(values: Any) -> str:
    """Values as YAML; in ASCII with escapes if any text isn't printable."""
    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    if all(printable(line) == line for line in text.split("\n")):
        return text
    return str(yaml.safe_dump(values, sort_keys=False))


class RunFolder:
    """The folder of one run; `finish` points outputs/latest at it."""

    def __init__(self, path: Path, lock: RunLock | None = None) -> None:
        self.path = path
        self._lock = lock
        self._file: logging.StreamHandler[TextIO] | None = None
        if is_main_process():
            # The folder of a resumed run may come from another user.
            file = open_plain(path / LOG_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            self._file = logging.StreamHandler(
                open(file, "a", encoding="utf-8", errors="backslashreplace")  # noqa: PTH123, SIM115
            )
            self._file.setFormatter(LineFormatter("%(asctime)s %(message)s"))
            log.addHandler(self._file)

    def write_config(self, config: Config) -> None:
        """Write config.yaml: the configuration with every "auto" resolved."""
        write_text(self.path / "config.yaml", config_text(config))

    def write_lines(self, name: str, lines: Iterable[str]) -> None:
        """Write a text file with each text on one line."""
        write_text(self.path / name, "".join(f"{printable(line)}\n" for line in lines))

    def write_table(self, name: str, rows: Iterable[Sequence[object]]) -> None:
        """Write a CSV file; the first row is its header."""
        write_table(self.path / name, rows)

    def finish(self) -> None:
        """Point outputs/latest at this run."""
        point_latest(self.path)

    def close(self) -> None:
        """Stop writing to log.txt; let other processes continue the run."""
        if self._file is not None:
            log.removeHandler(self._file)
            self._file.close()
            self._file.stream.close()
        if self._lock is not None:
            self._lock.release()


def point_latest(folder: Path) -> None:
    """Atomically replace the link `latest`, in the same folder as `folder`, by one to it."""
    latest = folder.parent / LATEST
    with atomic_write(latest) as temporary:
        temporary.symlink_to(folder.name)


def log_to_terminal() -> None:
    """Write the package's log to stdout; only in the main process."""
    if not log.handlers:
        if isinstance(sys.stdout, io.TextIOWrapper):  # for file names that aren't text
            sys.stdout.reconfigure(errors="backslashreplace")
        log.addHandler(ScreenHandler(sys.stdout))
    log.propagate = False
    log.setLevel(logging.INFO if is_main_process() else logging.CRITICAL)


def check_writable(output_root: Path) -> None:
    """Create the folder of all runs and test that it can be written, before any work.

    Raises:
        OutputError: it can't be created or written.
    """
    try:
        output_root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output_root):
            pass
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        raise OutputError(
            f"Results can't be written to {output_root} ({error.strerror}): "
            "set output_root to a folder of your own."
        ) from error


def resumed_folder(resume: str) -> Path:
    """The run's folder that the key `resume` names, directly or by one of its checkpoints."""
    path = Path(resume)
    return path.parent.parent if path.suffix == LAST_CHECKPOINT.suffix else path


def folder_name(name: str) -> str:
    """A folder's name: the time, and `name` with - for characters that aren't safe in paths."""
    short = shortened(re.sub(r"[^\w.-]+", "-", name), 80)
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{short}"


def new_run(root: Path, name: str) -> "RunFolder":
    """A new folder below `root`, locked by this process."""
    path = _new_folder(root, name)
    return RunFolder(path, RunLock.acquire(path) if is_main_process() else None)


def remove_partial_files(folder: Path) -> None:
    """Remove a killed process's temporary files; the caller holds the run's lock."""
    for path in sorted(folder.rglob(f".*{PARTIAL_SUFFIX}")):
        remove(path)


def _new_folder(root: Path, name: str) -> Path:
    stem = folder_name(name)
    for number in range(1, 1000):
        path = root / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise OutputError(
        f"{root} has a thousand runs of this second: set output_root to another folder."
    )
