"""A job's photos from its channel and its listing: complete and unchanged, or a clear sentence."""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dogbreed.cloud.container.photo_listing import (
    LISTING_FILE,
    ListedPhoto,
    PhotoListing,
    encode_listing,
)
from dogbreed.cloud.container.photo_tree import build_photo_tree
from dogbreed.errors import CloudError

PREFIX = "dogbreed/photos/"
PHOTOS = {"train/Akita/1.jpg": b"akita", "train/犬/a b.jpg": b"dog", "test/Akita/1.jpg": b"akita"}


def listed(name: str, data: bytes) -> ListedPhoto:
    sha256 = hashlib.sha256(data).hexdigest()
    return ListedPhoto(name, f"objects/{sha256}", len(data), f"sha256:{sha256}")


class Job:
    """The folders of a job's channels; `place` is where the service puts a manifest's objects."""

    def __init__(self, base: Path, place: str) -> None:
        self.channel, self.listing, self.root = base / "data", base / "listing", base / "photos"
        self.objects = self.channel / place
        self.objects.mkdir(parents=True)
        self.listing.mkdir()
        self.entries = [listed(name, data) for name, data in PHOTOS.items()]
        for entry, data in zip(self.entries, PHOTOS.values(), strict=True):
            self.write(entry.key, data)

    def write(self, key: str, data: bytes) -> None:
        path = self.objects / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def list(self, listing: bytes | None = None) -> str:
        """Write the listing; its digest."""
        data = listing or encode_listing(PhotoListing(PREFIX, tuple(self.entries)))
        (self.listing / LISTING_FILE).write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    def build(self, listing: bytes | None = None) -> None:
        build_photo_tree(self.channel, self.listing, self.list(listing), self.root)

    def photos(self) -> dict[str, bytes]:
        files = [path for path in self.root.rglob("*") if path.is_file()]
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(params=[PREFIX, ""], ids=["complete keys", "relative keys"])
def job(request: pytest.FixtureRequest, tmp_path: Path) -> Job:
    return Job(tmp_path, request.param)


def test_the_photos_are_in_their_folders(job: Job) -> None:
    (job.objects / "objects" / "of another launch").write_bytes(b"x")
    job.build()
    assert job.photos() == PHOTOS


def test_processes_of_an_instance_build_it_once(job: Job) -> None:
    sha256 = job.list()

    def build(_: int) -> None:
        build_photo_tree(job.channel, job.listing, sha256, job.root)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(build, range(4)))
    assert job.photos() == PHOTOS
    assert [path.name for path in job.root.parent.iterdir() if path.suffix == ".partial"] == []


@pytest.mark.parametrize("fault", ["missing", "shorter", "other content", "a link"])
def test_a_photo_that_is_not_the_one_of_the_launch_is_named(job: Job, fault: str) -> None:
    path = job.objects / job.entries[1].key
    path.unlink()
    if fault == "shorter":
        path.write_bytes(b"d")
    elif fault == "other content":
        path.write_bytes(b"cat")
    elif fault == "a link":
        other = job.channel / "other"
        other.write_bytes(b"dog")
        path.symlink_to(other)
    sentence = r"1 of the launch's 3 photos .* train/犬/a b\.jpg"
    with pytest.raises(CloudError, match=sentence) as caught:
        job.build()
    assert "\n" not in str(caught.value)
    assert not job.root.exists()


def test_an_md5_is_verified_and_without_a_digest_the_size(job: Job) -> None:
    first, second, third = job.entries
    md5 = hashlib.md5(b"akita").hexdigest()
    job.entries[:2] = [first._replace(digest=f"md5:{md5}"), second._replace(digest=None)]
    job.build()
    assert job.photos() == PHOTOS
    other = Job(job.root.parent / "second", PREFIX)
    other.entries = [first._replace(digest=f"md5:{'0' * 32}"), second, third]
    with pytest.raises(CloudError, match=r"1 of the launch's 3 photos .* train/Akita/1\.jpg"):
        other.build()


def lines(*photos: Sequence[Any], prefix: Any = PREFIX) -> bytes:
    return "\n".join(map(json.dumps, ([prefix], *photos))).encode()


@pytest.mark.parametrize(
    ("listing", "sentence"),
    [
        (lines(["../x.jpg", "objects/a", 1, None]), r"has the path '\.\./x\.jpg'"),
        (lines(["a/./x.jpg", "objects/a", 1, None]), "has the path"),
        (lines(["/etc/x.jpg", "objects/a", 1, None]), "has the path '/etc"),
        (lines(["a//x.jpg", "objects/a", 1, None]), "has the path"),
        (lines(["a\nb.jpg", "objects/a", 1, None]), "has the path"),
        (lines(["", "objects/a", 1, None]), "has the path"),
        (lines([7, "objects/a", 1, None]), "has the path"),
        (lines(["x.jpg", "../../hyperparameters.json", 1, None]), r"has the path '\.\./\.\./"),
        (lines(["x.jpg", "a", 1, None], prefix="../"), r"has the path '\.\.'"),
        (lines(["x.jpg", "a", 1, None], prefix="/"), "has the path"),
        (lines(["x.jpg", "a", -1, None]), "has no size"),
        (lines(["x.jpg", "a", True, None]), "has no size"),
        (lines(["x.jpg", "a", 1, "sha256:12"]), "has no digest"),
        (lines(["x.jpg", "a", 1, "crc32:12"]), "has no digest"),
        (lines(["x.jpg", "a", 1, None], ["x.jpg", "b", 1, None]), "has a photo twice"),
        (lines(["x.jpg", "a", 1, None], ["x.jpg/y", "a", 1, None]), "a photo and as a folder"),
        (lines(["x.jpg", "a", 1]), "isn't a listing"),
        (b'["dogbreed/"]\n' + b"[" * 100_000, "isn't a listing"),
        (b"{}", "isn't a listing"),
        (b"\n", "isn't a listing"),
    ],
)
def test_a_listing_of_something_else_is_refused(
    tmp_path: Path, listing: bytes, sentence: str
) -> None:
    job = Job(tmp_path, PREFIX)
    with pytest.raises(CloudError, match=sentence):
        job.build(listing)
    assert not job.root.exists()


def test_a_replaced_listing_is_refused(job: Job) -> None:
    (job.listing / LISTING_FILE).write_bytes(lines())
    with pytest.raises(CloudError, match=r"photos\.jsonl.* isn't the one of this launch"):
        build_photo_tree(job.channel, job.listing, "0" * 64, job.root)
    (job.listing / LISTING_FILE).unlink()
    with pytest.raises(CloudError, match=r"photos\.jsonl.* can't be opened"):
        build_photo_tree(job.channel, job.listing, "0" * 64, job.root)
