"""Small copies of photos that travel inside the report."""

import base64
import io
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dogbreed.data.decoding import photos
from dogbreed.errors import PhotoError
from dogbreed.report.formatting import below

LONGER_SIDE_PX = 192
QUALITY = 80


@dataclass(frozen=True)
class Thumbnail:
    """A photo's name below the folder of all photos, and its small copy as a data URI.

    None where the photo can't be read any more.
    """

    name: str
    uri: str | None


def thumbnails(
    root: Path, paths: Iterable[Path], within: str | None = None
) -> Mapping[Path, Thumbnail]:
    """The thumbnails of photos, each made once; `within` as in `photos.read_bytes`."""
    wanted = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        uris = pool.map(lambda path: _data_uri(path, within), wanted)
        return {
            path: Thumbnail(below(root, path), uri) for path, uri in zip(wanted, uris, strict=True)
        }


def _data_uri(path: Path, within: str | None) -> str | None:
    try:
        photo = photos.decode(photos.read_bytes(path, within), wanted_px=LONGER_SIDE_PX // 2)
    except PhotoError:
        return None
    photo.thumbnail((LONGER_SIDE_PX, LONGER_SIDE_PX))
    written = io.BytesIO()
    # Metadata of the file (a colour profile, a comment) would be written too.
    photo.info.clear()
    photo.save(written, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(written.getvalue()).decode()
