"""The public sets: where their publishers have them, and how each is fetched once."""

import http.client
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dogbreed.data.sets.archive import BLOCK_BYTES, BadArchive, Layout, check_bytes, unpack
from dogbreed.errors import DownloadError
from dogbreed.utils.alone import alone
from dogbreed.utils.files import open_plain, remove, write_text
from dogbreed.utils.os_errors import DISK_FULL
from dogbreed.utils.progress import progress
from dogbreed.utils.terminal import print_lines
from dogbreed.utils.user_paths import CACHE_VARIABLE, private_folder

TIMEOUT_S = 30.0  # of silence, not of the complete transfer
# Tries in a row that bring no new byte. The waits between them double and come to 15 s: enough for
# a dropped connection, short enough for a person who has no network at all.
TRIES = 5
FIRST_WAIT_S = 1.0
_PASSING = {408, 416, 425, 429}  # the answers below 500 that another try may mend


@dataclass(frozen=True, kw_only=True)
class PublicSet:
    """What one set's publisher offers, and what must arrive.

    `name` is the folder in the cache. The archive is at `base_url`/`file_name`: a mirror is
    `dataclasses.replace(public_set, base_url=...)`.
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
    # No checksum is published, and none was found elsewhere (November 2026). The size is the
    # publisher's Content-Length (2022); every photo is held against the zip's own CRC-32, their
    # number against the published one, and every later download against the first.
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


def fetch(public_set: PublicSet, cache_dir: Path) -> Path:
    """Return the folder `cache_dir`/`name`, fetched and unpacked if it isn't there yet.

    It holds <class>/*.jpg, or <split>/<class>/*.jpg where the set is published with splits. It
    appears by one rename, so whenever it exists it is complete, and is returned without using the
    network. A download that was cut off is resumed from its `.part` file. An archive that was
    fetched by hand and saved as `cache_dir`/`name`-`file_name` is checked and used.

    Raises:
        DownloadError: no network, an address that is gone, bytes that aren't the published ones,
            an archive that is damaged or unsafe, a disk that is full or can't be written to.
    """
    root = cache_dir / public_set.name
    try:
        private_folder(cache_dir)
        if not root.is_dir():
            with alone(cache_dir / f".{public_set.name}.lock", f"fetching into {cache_dir}"):
                if not root.is_dir():
                    _prepare(public_set, root)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise DownloadError(
                f"The disk that holds {cache_dir} is full. What has been fetched is saved: free "
                f"some space, or set the variable {CACHE_VARIABLE}, and run the command again."
            ) from error
        raise DownloadError(
            f"Can't write to {cache_dir}: {error}. Use another folder: set the "
            f"variable {CACHE_VARIABLE}."
        ) from error
    return root


def _prepare(public_set: PublicSet, root: Path) -> None:
    """Make `root`: download, check, unpack beside it, rename."""
    archive = root.with_name(f"{public_set.name}-{public_set.file_name}")
    part = archive.with_name(f"{archive.name}.part")
    unpacking = root.with_name(f".{public_set.name}.unpacking")
    record = root.with_name(f".{public_set.name}.sha256")
    remove(unpacking)  # of a run that was killed
    _check_space(public_set, archive if archive.exists() else part)
    if not archive.exists():
        _say(f"{public_set.title} from {public_set.url}; terms: {public_set.terms}")
        _download(public_set, part)
        part.replace(archive)
        part.with_suffix(".version").unlink(missing_ok=True)
    try:
        digest = check_bytes(archive, public_set.size_bytes, public_set.sha256, record)
        unpacking.mkdir(mode=0o700)
        unpack(archive, unpacking, public_set.layout, public_set.photos, public_set.classes)
        if public_set.sha256 is None and not record.exists():
            _say(
                f"{public_set.title} has no published checksum. This download's SHA-256 is "
                f"{digest}: compare it with another's. {record} has it, and no other file is used "
                "from now on."
            )
            write_text(record, f"{digest}\n")
        unpacking.rename(root)
    except BadArchive as error:
        archive.unlink()
        raise DownloadError(
            f"{archive} is damaged or isn't the file that was published: {error}. It has been "
            f"removed: run the command again to fetch it again. {_ways_out(part)}"
        ) from error
    finally:
        with suppress(OSError):
            remove(unpacking)
    archive.unlink()


def _check_space(public_set: PublicSet, fetched: Path) -> None:
    # JPEG doesn't compress further: unpacked, a set is about as large as its archive.
    needed_gb = (2 * public_set.size_bytes - _size(fetched)) / 1e9
    free_gb = shutil.disk_usage(fetched.parent).free / 1e9
    if free_gb < needed_gb:
        raise DownloadError(
            f"{public_set.title} needs {needed_gb:.1f} GB under {fetched.parent}, where "
            f"{free_gb:.1f} GB are free. Free some, or set the variable "
            f"{CACHE_VARIABLE} to a folder elsewhere."
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
                if isinstance(error, OSError) and error.errno in DISK_FULL:
                    raise  # no fault of the network's
                failures = 0 if _size(part) > most else failures + 1
                most = max(most, _size(part))
                reason = error.reason if type(error) is urllib.error.URLError else error
                if not _may_pass(error, part) or failures == TRIES:
                    raise DownloadError(
                        f"Can't fetch {public_set.url}: {reason}. What has arrived is saved. "
                        f"{_ways_out(part)}"
                    ) from error
                wait_s = FIRST_WAIT_S * 2 ** max(0, failures - 1)
                _say(f"{public_set.file_name}: {reason}; trying again in {wait_s:.0f} s")
                time.sleep(wait_s)


def _may_pass(error: Exception, part: Path) -> bool:
    """Whether another try may go better."""
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
    # Without the version it was cut from, a part can't be distinguished from one of another file.
    done = _size(part) if known else 0
    headers = {"User-Agent": "dogbreed", "Accept-Encoding": "identity"}
    if done:
        # If-Range: a server whose file has changed since sends all of the new one.
        headers |= {"Range": f"bytes={done}-", "If-Range": known}
    request = urllib.request.Request(public_set.url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        if public_set.url.startswith("https:") and not response.url.startswith("https:"):
            raise DownloadError(
                f"{public_set.url} leads to {response.url}, which anyone on the way can change. "
                f"{_ways_out(part)}"
            )
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
            version.unlink(missing_ok=True)  # should it be a link
            version.write_text(strong or "")
        os.close(open_plain(part, os.O_WRONLY | os.O_CREAT))  # an error should it be one
        with part.open("ab") as file:
            while block := response.read(BLOCK_BYTES):
                done += file.write(block)
                report(done)
    if done < size:
        raise ConnectionError(f"the connection ended after {done} of {size} bytes")


def _ways_out(part: Path) -> str:
    return (
        f"Fetch it with a browser or from another network and save it as {part.with_suffix('')}, "
        "or pass data.root=FOLDER, a folder of your own with one folder of photos for each class."
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _say(text: str) -> None:
    print_lines(text, file=sys.stderr)
