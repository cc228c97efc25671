"""The arguments of `predict` as photos to read: files, folders, URLs, the standard input."""

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dogbreed.data.decoding import photos
from dogbreed.data.layouts.system_files import Skipped
from dogbreed.data.layouts.walk import Folder
from dogbreed.errors import DataError, PhotoError
from dogbreed.serving.web.urls import is_url, shown_url, without_scheme

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """A photo's name (a path, a URL or "-"), and the folder that it was found in.

    A URL's name is without its secrets; `url` is complete, passwords included. `within` is the real
    path of the folder that the photo must be in when it is read.
    """

    name: str
    folder: Path | None = None
    within: str | None = None
    url: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, given: str) -> "Source":
        """The photo of an argument that isn't a folder."""
        if is_url(given):
            return cls(shown_url(given), url=given)
        if without_scheme(given) and not is_there(given):
            slashes = "" if given.strip().startswith("//") else "//"
            return cls(shown_url(slashes + given.strip()).removeprefix(slashes))
        return cls(given)

    def shown(self) -> str:
        """The name for people."""
        return "standard input" if self.name == STDIN else self.name

    def inside(self) -> Path:
        """Its path in its folder, or a file name if it was found in none."""
        if self.folder is not None:
            return Path(self.name).relative_to(self.folder)
        if self.name == STDIN:
            return Path("stdin")
        path = self.name.split("#")[0].split("?")[0] if self.url is not None else self.name
        return Path(Path(path).name or "photo")

    def opener(self, timeout_s: float, max_bytes: int) -> Path | Callable[[], bytes]:
        """What the predictor reads it from: a path, or a function that returns its bytes."""
        if self.name == STDIN:
            return _standard_input
        if self.url is not None:
            from dogbreed.serving.web.fetch import fetch

            return functools.partial(fetch, self.url, timeout_s=timeout_s, max_bytes=max_bytes)
        if without_scheme(self.name) and not is_there(self.name):
            return functools.partial(_no_scheme, self.name)
        if self.within is not None:
            return functools.partial(photos.read_bytes, Path(self.name), self.within)
        return Path(self.name)


@dataclass(frozen=True, kw_only=True)
class Found:
    """The photos of the arguments, each once.

    `notes` are lines about other files in the folders; `complete` is false if some folders can't
    be read.
    """

    sources: list[Source]
    notes: tuple[str, ...] = ()
    complete: bool = True


def find_sources(
    given: Iterable[str], *, leave_out: Path | None = None, links: bool = False
) -> Found:
    """Find the photos of the arguments, each once.

    A folder stands for the photos in it and below it, by name or content, in the order of their
    names. Left out are hidden and system files, folders that can't be read, what is in the folder
    `leave_out`, and, unless `links`, symbolic links that lead out of the given folder.

    Raises:
        DataError: a given folder can't be read, or there is no photo at all.
    """
    found: dict[str, Source] = {}
    others, skipped = 0, Skipped()
    for name in given:
        if name == STDIN or is_url(name) or not is_folder(name):
            source = Source.of(name)
            found.setdefault(source.name, source)
            continue
        top = Folder.top(Path(name), skipped, links=links)
        if top.listing.error is not None:
            raise DataError(f"{name} can't be read: {top.listing.error}.")
        for folder in top.walk():
            if leave_out is not None and _is_in(folder.path, leave_out):
                continue  # overlays of an earlier run
            others += len(folder.others)
            for path in folder.photos:
                found.setdefault(str(path), Source(str(path), top.path, top.within))
    notes = [f"{others:,} other files in the folders are no photos"] if others else []
    notes += skipped.lines()
    if not found:
        raise DataError(_no_photos(list(given), others, skipped))
    return Found(sources=list(found.values()), notes=tuple(notes), complete=not skipped.unreadable)


def _is_in(folder: Path, above: Path) -> bool:
    return above.absolute() in (folder.absolute(), *folder.absolute().parents)


def is_folder(name: str) -> bool:
    """Whether there is a folder with that name."""
    try:
        return Path(name).is_dir()
    except OSError:  # the name is too long
        return False


def is_there(name: str) -> bool:
    """Whether there is a file or a folder with that name."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # no file can have that name
        return False


def _no_scheme(name: str) -> bytes:
    address = f"https://{name.strip().lstrip('/')}"
    raise PhotoError("unreadable", f"no such file; if it is a URL, write {address}")


def _no_photos(given: Sequence[str], others: int, skipped: Skipped) -> str:
    where = ", ".join(given)
    files = f"its {others:,} files are no photos" if others else "it is empty"
    reasons = "; ".join([files, *skipped.lines()])
    return f"{where} holds no photo ({reasons}): give a folder with photos in it or below it."


def _standard_input() -> bytes:
    return sys.stdin.buffer.read(photos.MAX_BYTES + 1)
