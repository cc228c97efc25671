"""Photos below a folder by what a table may call them: a path, a file name, or an id."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from dogbreed.data.decoding.formats import is_photo_suffix


class PhotoNames:
    """Finds photos below `root` by name; nothing else can be found, whatever is written.

    A path is one below `root` or `base`, with slashes or backslashes, and may lack its suffix. A
    name without folders is that of a photo anywhere below `root`, with or without its suffix.
    Accented letters may be composed (NFC) or not, as on a Mac.
    """

    def __init__(self, root: Path, base: Path, photos: Iterable[Path]) -> None:
        self._root = os.path.abspath(root)  # noqa: PTH100 (links stay)
        self._base = os.path.abspath(base)  # noqa: PTH100
        paths = [(_composed(photo.relative_to(root).as_posix()), photo) for photo in photos]
        self._by_path = _index(paths)
        self._by_name = _index((path.rpartition("/")[2], photo) for path, photo in paths)

    def find(self, name: str) -> Sequence[Path]:
        """The photos that `name` may mean: none, one, or several of the same name."""
        name = _composed(name.replace("\\", "/"))
        for base in (self._root, self._base):
            # normpath: ".." is resolved in the text alone, no link is followed.
            path = os.path.normpath(os.path.join(base, name))  # noqa: PTH118
            if path.startswith(f"{self._root}/"):
                found = self._by_path.get(path[len(self._root) + 1 :])
                if found:
                    return found
        return self._by_name.get(name, ()) if "/" not in name else ()


def _index(named: Iterable[tuple[str, Path]]) -> dict[str, list[Path]]:
    """Photos by their names, and by those without suffixes that aren't another photo's name."""
    complete: dict[str, list[Path]] = defaultdict(list)
    stems: dict[str, list[Path]] = defaultdict(list)
    for name, photo in named:
        complete[name].append(photo)
        if is_photo_suffix(photo.suffix):
            stems[name.removesuffix(photo.suffix)].append(photo)
    return {**stems, **complete}


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)
