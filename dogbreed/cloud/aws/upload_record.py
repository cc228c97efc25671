"""A local record of the object versions that were uploaded or downloaded, to skip unchanged photos.

It has S3's responses to this machine, so nobody with write access to the bucket can change it.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from dogbreed.utils.files import write_json
from dogbreed.utils.user_paths import optional_cache_dir

UPLOADS, DOWNLOADS = "uploads", "downloads"  # in the cache
Record = Mapping[str, "Version"]


class Version(NamedTuple):
    """A version of an S3 object: size, ETag, modification time, and its checksum if known.

    The checksum is S3's of the content, in S3's own form.

    An object that replaces it has another time and, with other content, another ETag.
    """

    size_bytes: int
    etag: str
    modified: str
    checksum: str | None


def read_record(uri: str, kind: str = UPLOADS) -> Record:
    """The record of a folder in S3; empty if missing or damaged."""
    path = _path(uri, kind)
    try:
        entries = json.loads(path.read_text("utf-8")) if path else {}
        return {str(name): Version(*entry) for name, entry in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write_record(uri: str, record: Record, kind: str = UPLOADS) -> None:
    """Replace the record of a folder in S3; if that fails, S3 is queried next time."""
    path = _path(uri, kind)
    if path is not None:
        with suppress(OSError):
            write_json(path, {name: list(version) for name, version in record.items()})


def _path(uri: str, kind: str) -> Path | None:
    folder = optional_cache_dir(kind)
    mark = hashlib.sha256(uri.encode()).hexdigest()[:32]
    return None if folder is None else folder / f"{mark}.json"
