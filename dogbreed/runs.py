"""A run's folder: outputs/<time>-<name>/, its log and results, and finding it again."""

import csv
import io
import logging
import os
import re
import secrets
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from dogbreed.config import Config
from dogbreed.errors import ConfigError, OutputError
from dogbreed.files import DISK_FULL, shortened, whole, write_json, write_text
from dogbreed.progress import is_main_process
from dogbreed.schema import leaves

AUTO = "auto"
LAST_CHECKPOINT = Path("checkpoints", "last.ckpt")
BEST_CHECKPOINT = Path("checkpoints", "best.ckpt")
# Names the run's folder to the further processes of a distributed training.
RUN_FOLDER_VARIABLE = "DOGBREED_RUN_FOLDER"

log = logging.getLogger("dogbreed")


def config_text(config: Config) -> str:
    """The configuration as YAML."""
    return yaml.safe_dump(asdict(config), sort_keys=False, allow_unicode=True)


class RunFolder:
    """The folder of one run; `finish` makes it the one that outputs/latest points at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: logging.Handler | None = None
        if is_main_process():
            self._file = logging.FileHandler(
                path / "log.txt", encoding="utf-8", errors="backslashreplace"
            )
            self._file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
            log.addHandler(self._file)

    def write_config(self, config: Config) -> None:
        """config.yaml: the configuration with every "auto" resolved."""
        write_text(self.path / "config.yaml", config_text(config))

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """A JSON file in the folder; what isn't finite becomes null, for which JSON has a word."""
        write_json(self.path / name, values)

    def write_lines(self, name: str, lines: Iterable[str]) -> None:
        """A text file in the folder; names with undecodable bytes are kept as they are."""
        with whole(self.path / name) as beside:
            text = "".join(f"{line}\n" for line in lines)
            beside.write_text(text, encoding="utf-8", errors="surrogateescape")

    def write_table(self, name: str, rows: Iterable[Sequence[object]]) -> None:
        """A CSV file in the folder, the first row its head."""
        with (
            whole(self.path / name) as beside,
            beside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
        ):
            csv.writer(file).writerows(rows)

    def finish(self) -> None:
        """Point outputs/latest at this run."""
        point_latest(self.path)

    def close(self) -> None:
        """Stop writing to log.txt."""
        if self._file is not None:
            log.removeHandler(self._file)
            self._file.close()


def point_latest(folder: Path) -> None:
    """Make `latest`, beside the folder, the one that leads to it, in one step."""
    latest = folder.parent / "latest"
    beside = latest.with_name(f".latest.{secrets.token_hex(4)}")
    beside.symlink_to(folder.name)
    beside.replace(latest)


def log_to_terminal() -> None:
    """Show what the package logs on stdout, plainly; nothing from further processes."""
    if not log.handlers:
        if isinstance(sys.stdout, io.TextIOWrapper):  # file names that aren't text can be shown
            sys.stdout.reconfigure(errors="backslashreplace")
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
    log.propagate = False
    # Lightning tells of devices it found, of loaders, and of a product of its maker's.
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    log.setLevel(logging.INFO if is_main_process() else logging.CRITICAL)


def check_writable(output_root: Path) -> None:
    """Make the folder of all runs; try now what would fail after the work.

    Raises:
        OutputError: it can't be made or written.
    """
    try:
        output_root.mkdir(parents=True, exist_ok=True)
        probe = output_root / f".{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        raise OutputError(
            f"Results can't be written to {output_root} ({error.strerror}): "
            "set output_root to a folder of yours."
        ) from error


def open_run(config: Config) -> tuple[RunFolder, Path | None]:
    """The folder for this run, and the checkpoint to go on from if one is resumed.

    Raises:
        ConfigError: the run named in `resume` can't be gone on with.
    """
    given = os.environ.get(RUN_FOLDER_VARIABLE)
    if given:
        checkpoint = Path(given) / LAST_CHECKPOINT
        return RunFolder(Path(given)), checkpoint if checkpoint.exists() else None
    root = Path(config.output_root)
    if config.resume == AUTO:
        for path in sorted(root.glob("*-*"), reverse=True):
            if not path.is_symlink() and _why_not_resumable(path, config) is None:
                return _resumed(path)
        log.info("resume=auto: no unfinished run of this configuration; starting a new one")
    elif config.resume is not None:
        reason = _why_not_resumable(Path(config.resume), config)
        if reason:
            raise ConfigError(f"resume={config.resume}: {reason}.")
        return _resumed(Path(config.resume))
    return RunFolder(_new_folder(root, config.name)), None


def _resumed(path: Path) -> tuple[RunFolder, Path]:
    log.info("going on with %s", path)
    return RunFolder(path), path / LAST_CHECKPOINT


def _why_not_resumable(path: Path, config: Config) -> str | None:
    """What stands against going on with the run at `path`, or None."""
    try:
        values = yaml.safe_load((path / "config.yaml").read_text("utf-8"))
    except (OSError, yaml.YAMLError):
        return "there is no run there (no readable config.yaml)"
    if (path / "metrics.json").exists():
        return "that run is finished"
    if not (path / LAST_CHECKPOINT).exists():
        return "that run was stopped before its first checkpoint"
    before = leaves(values)
    # The finder finds the same rate again, which that run has in place of the one typed.
    left_out = {"resume", *(["optim.lr"] if config.lr_finder else [])}
    for name, value in leaves(asdict(replace(config, resume=None))).items():
        if name not in left_out and before.get(name) != value:
            return f"that run had {name}={before.get(name)}, this command has {name}={value}"
    return None


def folder_name(name: str) -> str:
    """A name for a folder: the time, and what of `name` a folder's name may hold."""
    short = shortened(re.sub(r"[^\w.-]+", "-", name), 80)
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{short}"


def _new_folder(root: Path, name: str) -> Path:
    stem = folder_name(name)
    for number in range(1, 1000):
        path = root / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise OutputError(f"{root} has a thousand runs of this second: set output_root elsewhere.")
