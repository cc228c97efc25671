"""The memory that photos may take while they are decoded: a fraction of this process's limit.

Plain files of Linux are read, as the containers that serve have no psutil.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# A quarter: the network, its runtime, the bodies of requests and the interpreter need the rest.
FRACTION = 1 / 4
# At least a JPEG of 16 megapixels, as phones take them, at 8 bytes a pixel; at most one of 89
# megapixels, the largest that is opened.
MIN_BYTES, MAX_BYTES = 128_000_000, 800_000_000

_V2_FILES, _V1_FILES = ("memory.max", "memory.high"), ("memory.limit_in_bytes",)


def decoding_budget(root: Path = Path("/")) -> int:
    """Bytes that photos may take while they are decoded, all together.

    Args:
        root: where /proc and /sys are.
    """
    limit = memory_limit(root)
    return MAX_BYTES if limit is None else round(min(max(FRACTION * limit, MIN_BYTES), MAX_BYTES))


def memory_limit(root: Path = Path("/")) -> int | None:
    """Bytes that this process may have: its control groups' limit or what the machine has left.

    None where neither is known (another system than Linux).
    """
    return min([*_group_limits(root), *_available(root)], default=None)


def _group_limits(root: Path) -> Iterator[int]:
    """The limits of this process's control groups, version 1 and 2, and of those above them."""
    mounts = root / "sys" / "fs" / "cgroup"
    for line in _lines(root / "proc" / "self" / "cgroup"):
        _, controllers, place = [*line.split(":", 2), "", ""][:3]
        names: tuple[str, ...] = _V2_FILES
        folders = (mounts, mounts / "unified")
        if "memory" in controllers.split(","):
            folders, names = (mounts / "memory", mounts / controllers), _V1_FILES
        elif controllers:
            continue
        # A container may see its own group as the top, under a path that is the host's.
        parts = [part for part in Path(place).parts if part not in ("/", "..")]
        for folder in folders:
            for depth in range(len(parts) + 1):
                for name in names:
                    yield from _number(folder.joinpath(*parts[:depth], name))


def _available(root: Path) -> Iterator[int]:
    for line in _lines(root / "proc" / "meminfo"):
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            yield 1024 * int(value.removesuffix("kB"))


def _number(path: Path) -> Iterator[int]:
    """The number in a file that has one: "max" is none."""
    for line in _lines(path)[:1]:
        with suppress(ValueError):
            yield int(line)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
