"""The public sets: fetched once from their publishers, checked, and laid out as class folders."""

import errno
import hashlib
import http.client
import shutil
import sqlite3
import stat
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from dogbreed.errors import DownloadError
from dogbreed.files import DISK_FULL
from dogbreed.progress import progress

TIMEOUT_S = 30.0  # of silence, not of the whole transfer
# Tries in a row that bring no new byte. The waits between them double and come to 15 s: enough for
# a dropped connection, short enough for a person who has no network at all.
TRIES = 5
FIRST_WAIT_S = 1.0
BLOCK_BYTES = 256 * 1024
# The largest of the sets has 20,580 photos, or 1.2 GB: an archive that claims several times as much
# was made to fill the disk.
MAX_MEMBERS = 100_000
MAX_UNPACKED_BYTES = 4_000_000_000

Layout = Literal["flat", "classes", "splits"]
_DEPTH: dict[Layout, int] = {"flat": 2, "classes": 3, "splits": 4}  # parts of a photo's name
_PASSING = {408, 416, 425, 429}  # the answers below 500 that another try may mend
# What bytes that aren't a whole, plain tar or zip raise in the standard library, and its OSErrors:
# a bad gzip has no number, two members of one name, an offset before the file's start, a long name.
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
_DAMAGE_ERRNOS = {None, errno.EEXIST, errno.EINVAL, errno.ENAMETOOLONG}


@dataclass(frozen=True, kw_only=True)
class PublicSet:
    """What one set's publisher offers, and what must arrive.

    `name` is the folder in the cache. The archive lies at `base_url`/`file_name`: a mirror is
    `dataclasses.replace(public_set, base_url=...)`. `layout` is how the archive names its photos:
    `flat` top/<class>_<n>.jpg, `classes` top/<class>/*.jpg, `splits` top/<split>/<class>/*.jpg.
    """

    name: str
    title: str
    base_url: str
    file_name: str
    size_bytes: int
    sha256: str | None
    photos: int
    classes: int
    layout: Layout
    terms: str

    @property
    def url(self) -> str:
        return f"{self.base_url.rstrip('/')}/{self.file_name}"


_ALL = (
    # Size and SHA-256: TensorFlow Datasets, datasets/oxford_iiit_pet/checksums.tsv. It is the file
    # with torchvision's MD5 5c4f3ee8e5d25df40f4fd59a7f44e54c (torchvision/datasets/
    # oxford_iiit_pet.py). The older address www.robots.ox.ac.uk/~vgg/data/pets/data redirects here.
    PublicSet(
        name="oxford_pets",
        title="Oxford-IIIT Pet",
        base_url="https://thor.robots.ox.ac.uk/~vgg/data/pets",
        file_name="images.tar.gz",
        size_bytes=791_918_971,
        sha256="67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
        photos=7_390,
        classes=37,
        layout="flat",
        terms="CC BY-SA 4.0; the photos belong to their owners, for research",
    ),
    # Size and SHA-256: TensorFlow Datasets, url_checksums/stanford_dogs.txt. The publisher's
    # address is plain http; the checksum is what vouches for the bytes.
    PublicSet(
        name="stanford_dogs",
        title="Stanford Dogs",
        base_url="http://vision.stanford.edu/aditya86/ImageNetDogs",
        file_name="images.tar",
        size_bytes=793_579_520,
        sha256="a443fc2f9a851aa1a7b8e4fa4af94b8459fce2c9f5a2f4dd4669cf9673a4ec58",
        photos=20_580,
        classes=120,
        layout="classes",
        terms="photos from ImageNet, for non-commercial research and education",
    ),
    # No checksum is published. The size is the publisher's Content-Length (2022); every photo is
    # held against the zip's own CRC-32, and their number against the published one.
    PublicSet(
        name="dogimages",
        title="Udacity dogImages",
        base_url="https://s3-us-west-1.amazonaws.com/udacity-aind/dog-project",
        file_name="dogImages.zip",
        size_bytes=1_132_023_110,
        sha256=None,
        photos=8_351,
        classes=133,
        layout="splits",
        terms="course material of Udacity; no licence stated, the photos belong to their owners",
    ),
)
SETS: dict[str, PublicSet] = {public_set.name: public_set for public_set in _ALL}


class _BadArchive(Exception):
    """An archive whose bytes or members aren't what was published."""


def fetch(public_set: PublicSet, cache_dir: Path) -> Path:
    """Return the folder `cache_dir`/`name`, fetched and unpacked if it isn't there yet.

    It holds <class>/*.jpg, or <split>/<class>/*.jpg where the set is published with splits. It
    appears by one rename, so whenever it exists it is whole, and is returned without a look at the
    network. A download that was cut off goes on from its `.part` file. An archive that was fetched
    by hand and saved as `cache_dir`/`name`-`file_name` is checked and used.

    Raises:
        DownloadError: no network, an address that is gone, bytes that aren't the published ones,
            an archive that is damaged or unsafe, a disk that is full or can't be written to.
    """
    root = cache_dir / public_set.name
    try:
        if not root.is_dir():
            cache_dir.mkdir(parents=True, exist_ok=True)
            with _alone(cache_dir / f".{public_set.name}.lock"):
                if not root.is_dir():
                    _prepare(public_set, root)
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise DownloadError(
                f"The disk that holds {cache_dir} is full. What has been fetched is kept: free "
                "some space and run the command again."
            ) from error
        raise DownloadError(f"Can't write to {cache_dir}: {error}. Use another folder.") from error
    return root


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other process is fetching the same set, then keep them waiting."""
    # SQLite's is the one file lock in the standard library that works on every system; like the
    # others it ends with its process, so a killed run leaves nobody waiting.
    with closing(sqlite3.connect(lock, timeout=0, isolation_level=None)) as file:
        for attempt in range(sys.maxsize):
            try:
                file.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                if attempt == 0:
                    _say(f"Another process is fetching into {lock.parent}; waiting for it.")
                time.sleep(0.2)
        yield


def _prepare(public_set: PublicSet, root: Path) -> None:
    """Make `root`: download, check, unpack beside it, rename."""
    archive = root.with_name(f"{public_set.name}-{public_set.file_name}")
    part = archive.with_name(f"{archive.name}.part")
    unpacking = root.with_name(f".{public_set.name}.unpacking")
    shutil.rmtree(unpacking, ignore_errors=True)  # of a run that was killed
    _check_space(public_set, archive if archive.exists() else part)
    if not archive.exists():
        _say(f"{public_set.title} from {public_set.url}; terms: {public_set.terms}")
        _download(public_set, part)
        part.replace(archive)
        part.with_suffix(".version").unlink(missing_ok=True)
    try:
        _check_bytes(public_set, archive)
        _unpack(public_set, archive, unpacking)
        unpacking.rename(root)
    except _BadArchive as error:
        archive.unlink()
        raise DownloadError(
            f"{archive} is damaged or isn't the file that was published: {error}. It has been "
            f"removed: run the command again to fetch it anew. {_ways_out(part)}"
        ) from error
    finally:
        shutil.rmtree(unpacking, ignore_errors=True)
    archive.unlink()


def _check_space(public_set: PublicSet, fetched: Path) -> None:
    # JPEG doesn't compress further: unpacked, a set is about as large as its archive.
    needed = 2 * public_set.size_bytes - _size(fetched)
    free = shutil.disk_usage(fetched.parent).free
    if free < needed:
        raise DownloadError(
            f"{public_set.title} needs {_gb(needed)} under {fetched.parent}, where {_gb(free)} are "
            "free. Free some, or use another folder."
        )


def _download(public_set: PublicSet, part: Path) -> None:
    """Fill `part` to the set's size, over as many requests as that takes."""
    if not public_set.url.startswith(("http://", "https://")):
        raise DownloadError(f"{public_set.url} must start with http:// or https://.")
    most, failures, shown_mb = _size(part), 0, 0

    def report(done: int) -> None:
        nonlocal shown_mb
        advance(done // 1_000_000 - shown_mb)
        shown_mb = done // 1_000_000

    with progress(public_set.file_name, public_set.size_bytes // 1_000_000, "MB") as advance:
        while _size(part) < public_set.size_bytes:
            try:
                _receive(public_set, part, report)
            except (OSError, http.client.HTTPException) as error:
                failures = 0 if _size(part) > most else failures + 1
                most = max(most, _size(part))
                reason = error.reason if type(error) is urllib.error.URLError else error
                if not _may_pass(error, part) or failures == TRIES:
                    raise DownloadError(
                        f"Can't fetch {public_set.url}: {reason}. What has arrived is kept. "
                        f"{_ways_out(part)}"
                    ) from error
                wait_s = FIRST_WAIT_S * 2 ** max(0, failures - 1)
                _say(f"{public_set.file_name}: {reason}; trying again in {wait_s:.0f} s")
                time.sleep(wait_s)


def _may_pass(error: Exception, part: Path) -> bool:
    """Whether another try may go better; raises what is no fault of the network's."""
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        raise error
    if not isinstance(error, urllib.error.HTTPError):
        return True
    error.close()
    if error.code == 416:  # the file there has become shorter than the part
        part.unlink(missing_ok=True)
    return error.code >= 500 or error.code in _PASSING


def _receive(public_set: PublicSet, part: Path, report: Callable[[int], None]) -> None:
    """One request, for what `part` lacks; raises OSError or HTTPException when it brings less."""
    size, version = public_set.size_bytes, part.with_suffix(".version")
    known = version.read_text() if version.exists() else ""
    # Without the version it was cut from, a part can't be told from one of another file.
    done = _size(part) if known else 0
    headers = {"User-Agent": "dogbreed", "Accept-Encoding": "identity"}
    if done:
        # If-Range: a server whose file has changed since sends all of the new one.
        headers |= {"Range": f"bytes={done}-", "If-Range": known}
    request = urllib.request.Request(public_set.url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        resumed = response.status == 206
        if resumed and response.headers["Content-Range"] != f"bytes {done}-{size - 1}/{size}":
            part.unlink(missing_ok=True)
            raise ConnectionError(f"it resumes with {response.headers['Content-Range']}")
        done = done if resumed else 0
        if (offered := response.headers["Content-Length"]) != str(size - done):
            raise DownloadError(
                f"{public_set.url} offers {offered} bytes where {size - done} were published: the "
                f"login page of this network, or a changed file. {_ways_out(part)}"
            )
        if not resumed:
            part.unlink(missing_ok=True)  # before the version that vouches for it
            # If-Range takes no weak ETag; without either there is no resuming.
            etag = response.headers["ETag"] or ""
            strong = etag if etag.startswith('"') else response.headers["Last-Modified"]
            version.write_text(strong or "")
        with part.open("ab") as file:
            while block := response.read(BLOCK_BYTES):
                done += file.write(block)
                report(done)
    if done < size:
        raise ConnectionError(f"the connection ended after {done} of {size} bytes")


def _check_bytes(public_set: PublicSet, archive: Path) -> None:
    expected, got = f"{public_set.size_bytes:,} bytes", f"{_size(archive):,} bytes"
    if expected == got and public_set.sha256:
        with archive.open("rb") as file:
            expected, got = public_set.sha256, hashlib.file_digest(file, "sha256").hexdigest()
    if expected != got:
        raise _BadArchive(f"expected {expected}, got {got}")


def _unpack(public_set: PublicSet, archive: Path, target: Path) -> None:
    """Write the archive's photos into class folders below `target`; _BadArchive unless all."""
    unpacked_bytes, photos, classes = 0, 0, set()
    try:
        bar = progress(f"unpacking {archive.name}", public_set.photos)
        with bar as advance, closing(_members(archive)) as members:
            for count, (name, size_bytes, contents) in enumerate(members, 1):
                unpacked_bytes += size_bytes
                if count > MAX_MEMBERS or unpacked_bytes > MAX_UNPACKED_BYTES:
                    raise _BadArchive(f"over {MAX_MEMBERS} files or {MAX_UNPACKED_BYTES} bytes")
                path = _place(name, public_set.layout)
                if contents is None or path is None:
                    continue
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                with (target / path).open("xb") as file:
                    shutil.copyfileobj(contents, file, BLOCK_BYTES)
                classes.add(path.parent.name)
                photos += 1
                advance(1)
    except (OSError, *_DAMAGE) as error:
        if isinstance(error, OSError) and error.errno not in _DAMAGE_ERRNOS:
            raise  # the disk's fault: the archive may be good
        raise _BadArchive(str(error) or type(error).__name__) from error
    if (photos, len(classes)) != (public_set.photos, public_set.classes):
        raise _BadArchive(
            f"expected {public_set.photos} photos of {public_set.classes} classes, got {photos} "
            f"of {len(classes)}"
        )


def _place(name: str, layout: Layout) -> Path | None:
    """Where a member belongs below the set's folder; None for what is no photo of the set."""
    path = PurePosixPath(name)
    # The backslash and the colon are what leads out of a folder on Windows.
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise _BadArchive(f"its member {name!r} leads out of the folder")
    # A leading dot marks what macOS adds beside each file.
    is_photo = path.suffix.lower() in (".jpg", ".jpeg") and not path.name.startswith(".")
    if not is_photo or len(path.parts) != _DEPTH[layout]:
        return None
    if layout == "flat":
        return Path(path.stem.rpartition("_")[0], path.name)
    return Path(*path.parts[1:])


def _members(archive: Path) -> Generator[tuple[str, int, IO[bytes] | None]]:
    """Yield each member's name, unpacked size in bytes, and contents (None for a folder).

    The contents are copied by us, never extracted: no mode, owner or link of the archive's reaches
    the disk. Neither format yields more bytes than the size it claims.
    """
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as box:
            for entry in box.infolist():
                if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _BadArchive(f"its member {entry.filename!r} is a link or a device")
                with box.open(entry) as contents:
                    yield entry.filename, entry.file_size, None if entry.is_dir() else contents
        return
    with tarfile.open(archive, "r:gz" if archive.suffix == ".gz" else "r:") as tape:
        for member in tape:
            if not (member.isreg() or member.isdir()):
                raise _BadArchive(f"its member {member.name!r} is a link or a device")
            yield member.name, member.size, tape.extractfile(member)


def _ways_out(part: Path) -> str:
    return (
        f"Fetch it with a browser or from another network and save it as {part.with_suffix('')}, "
        "or pass data.root=FOLDER, a folder of your own with one folder of photos for each class."
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
