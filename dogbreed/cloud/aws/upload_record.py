"""This machine's own record of the photos in S3, by which those that haven't changed are known.

It has what S3 answered to this machine: nobody who writes to the bucket can change it.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from dogbreed.utils.files import write_json
from dogbreed.utils.user_paths import optional_cache_dir

FOLDER = "uploads"  # in the cache
Record = Mapping[str, "Version"]


class Version(NamedTuple):
    """A version of an object in S3: S3's marks of it, and its checksum where that is known.

    S3 gives another time and, for another content, another ETag to whatever replaces it.
    """

    size_bytes: int
    etag: str
    modified: str
    sha256: str | None


def read_record(uri: str) -> Record:
    """What was written for a folder in S3; nothing where that is missing or damaged."""
    path = _path(uri)
    try:
        entries = json.loads(path.read_text("utf-8")) if path else {}
        return {str(name): Version(*entry) for name, entry in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write_record(uri: str, record: Record) -> None:
    """Replace what is written for a folder in S3; where that can't be, S3 is asked next time."""
    path = _path(uri)
    if path is not None:
        with suppress(OSError):
            write_json(path, {name: list(version) for name, version in record.items()})


def _path(uri: str) -> Path | None:
    folder = optional_cache_dir(FOLDER)
    mark = hashlib.sha256(uri.encode()).hexdigest()[:32]
    return None if folder is None else folder / f"{mark}.json"
