"""What `predict` was given, as photos to read: files, folders, URLs, the standard input."""

import functools
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dogbreed.data import photos
from dogbreed.data.folders import photos_in
from dogbreed.data.splits import Finding
from dogbreed.errors import DataError, printable

STDIN = "-"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class Source:
    """A photo as it was named (a path, a URL or "-"), and the folder that it was found in."""

    name: str
    folder: Path | None = None

    def shown(self) -> str:
        """The name in one line, whatever it may hold."""
        return printable("standard input" if self.name == STDIN else self.name)

    def inside(self) -> Path:
        """Its place in its folder, or a file name for what lies in none."""
        if self.folder is not None:
            return Path(self.name).relative_to(self.folder)
        if self.name == STDIN:
            return Path("stdin")
        path = self.name.split("?")[0] if is_url(self.name) else self.name
        return Path(Path(path).name or "photo")

    def opener(self, timeout_s: float, max_bytes: int) -> Path | Callable[[], bytes]:
        """What the predictor reads it by."""
        if self.name == STDIN:
            return _standard_input
        if is_url(self.name):
            from dogbreed.serving.fetch import fetch

            return functools.partial(fetch, self.name, timeout_s=timeout_s, max_bytes=max_bytes)
        return Path(self.name)


def is_url(text: str) -> bool:
    """Whether it is written as a URL of any scheme."""
    return bool(_URL.match(text))


def find_sources(
    given: Iterable[str], *, leave_out: Path | None = None
) -> tuple[list[Source], int]:
    """The photos that were given, each once, and how many other files lie in the folders.

    A folder stands for the photos in it and below it, by name or content, in the order of their
    names. Hidden ones are left out, and what lies in the folder `leave_out`.

    Raises:
        DataError: a folder that can't be read, or folders without a photo and nothing else.
    """
    found: dict[str, Source] = {}
    others: list[Finding] = []
    for name in given:
        if name == STDIN or is_url(name) or not is_folder(name):
            found.setdefault(name, Source(name))
            continue
        try:
            for path in photos_in(Path(name), others):
                if leave_out is not None and leave_out.absolute() in path.absolute().parents:
                    continue  # our own pictures
                found.setdefault(str(path), Source(str(path), Path(name)))
        except OSError as error:
            raise DataError(f"{error.filename} can't be read: {error.strerror}.") from error
    if not found:
        raise DataError(_no_photos(list(given), len(others)))
    return list(found.values()), len(others)


def is_folder(name: str) -> bool:
    """Whether there is a folder of that name."""
    try:
        return Path(name).is_dir()
    except OSError:  # a name that is too long for any file
        return False


def _no_photos(given: Sequence[str], others: int) -> str:
    where = printable(", ".join(given))
    files = f"its {others:,} files are no photos" if others else "it is empty"
    return f"{where} holds no photo ({files}): give a folder with photos in it or below it."


def _standard_input() -> bytes:
    return sys.stdin.buffer.read(photos.MAX_BYTES + 1)
