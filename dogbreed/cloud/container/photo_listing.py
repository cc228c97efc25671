"""The listing of a launch's photos: which S3 object is which photo, written once and never changed.

The launcher writes it, and passes its SHA-256 as a hyperparameter; the job reads it. One JSON array
per line: first the prefix of the objects' keys, then for each photo its path, its object, its size
in bytes, and its digest as "sha256:HEX" or "md5:HEX" (null: only the size is known).
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from dogbreed.errors import CloudError
from dogbreed.utils.documents import DocumentError, read_bytes
from dogbreed.utils.printable import printable

LISTING_FILE = "photos.jsonl"
MAX_PHOTOS = 2_000_000
MAX_LISTING_BYTES = 2**30
MAX_PATH_BYTES = 4096
HEX_DIGITS = {"sha256": 64, "md5": 32}


class ListedPhoto(NamedTuple):
    """A photo of a launch: path, key of its object relative to the prefix, size, and digest."""

    name: str
    key: str
    size_bytes: int
    digest: str | None


class PhotoListing(NamedTuple):
    """The photos of a launch; `prefix` begins all keys, with a trailing slash."""

    prefix: str
    photos: tuple[ListedPhoto, ...]


def encode_listing(listing: PhotoListing) -> bytes:
    """The file of a listing; the same for the same photos."""
    lines: Iterable[Sequence[Any]] = ([listing.prefix], *sorted(listing.photos))
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode()


def read_listing(folder: Path, sha256: str) -> PhotoListing:
    """Read the listing in `folder`, which must have the digest `sha256` (hex).

    Raises:
        CloudError: there is no such file, it has other content, or lists something else.
    """
    path = folder / LISTING_FILE
    try:
        data = read_bytes(path, MAX_LISTING_BYTES)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DocumentError(f"isn't the one of this launch (SHA-256 {sha256})")
        return _parsed(data)
    except DocumentError as error:
        raise CloudError(
            f"{path}, the listing of the photos, {error}: start the job again; check who can write "
            "to the bucket."
        ) from error


def _parsed(data: bytes) -> PhotoListing:
    first, *lines = data.splitlines()
    if len(lines) > MAX_PHOTOS:
        raise DocumentError(f"has more than {MAX_PHOTOS:,} photos")
    try:
        (prefix,) = json.loads(first)
        photos = tuple(ListedPhoto(*json.loads(line)) for line in lines)
    except (ValueError, TypeError, RecursionError) as error:
        raise DocumentError("isn't a listing of photos") from error
    if prefix:
        _check_path(prefix.rstrip("/") if isinstance(prefix, str) else prefix)
    for photo in photos:
        _check_path(photo.name)
        _check_path(photo.key)
        _check_content(photo)
    if len({photo.name for photo in photos}) < len(photos):
        raise DocumentError("has a photo twice")
    return PhotoListing(prefix, photos)


def is_plain_path(name: object) -> bool:
    """Whether a text is a relative path without empty, `.` and `..` parts or control characters."""
    if not isinstance(name, str) or not 0 < len(name.encode("utf-8", "replace")) <= MAX_PATH_BYTES:
        return False
    parts = name.split("/")
    return not {"", ".", ".."}.intersection(parts) and all(c >= " " and c != "\x7f" for c in name)


def _check_path(name: object) -> None:
    if not is_plain_path(name):
        raise DocumentError(f"has the path {printable(repr(name)[:200])}")


def _check_content(photo: ListedPhoto) -> None:
    size, digest = photo.size_bytes, photo.digest
    if type(size) is not int or size < 0:
        raise DocumentError(f"has no size of {printable(photo.name)}")
    if digest is None:
        return
    kind, _, digits = digest.partition(":") if isinstance(digest, str) else ("", "", "")
    if len(digits) != HEX_DIGITS.get(kind) or not set(digits) <= set("0123456789abcdef"):
        raise DocumentError(f"has no digest of {printable(photo.name)}")


def clashing_name(names: Iterable[str]) -> str | None:
    """A name that would be a file and a folder at once; None if there is none."""
    files = set(names)
    folders = {str(above) for name in files for above in PurePosixPath(name).parents}
    return min(files & folders, default=None)
