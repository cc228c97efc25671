"""Unpacking: the photos of good archives, and nothing of damaged or unsafe ones."""

import gzip
import hashlib
import io
import random
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from dogbreed.data.sets import archive
from dogbreed.data.sets.archive import BadArchive, Layout, check_bytes, unpack

FILE_NAMES: dict[Layout, str] = {
    "flat": "images.tar.gz", "classes": "images.tar", "splits": "dogImages.zip"
}  # fmt: skip
EVERY_LAYOUT = pytest.mark.parametrize("layout", FILE_NAMES)
# As the publishers name them: folders, photos, and what else lies among the photos.
MEMBERS: dict[Layout, list[str]] = {
    "flat": ["images/", "images/Abyssinian_1.jpg", "images/Abyssinian_201.jpg",
             "images/great_pyrenees_10.jpg", "images/Abyssinian_100.mat",
             "images/._Abyssinian_1.jpg"],
    "classes": ["Images/", "Images/n02085620-Chihuahua/",
                "Images/n02085620-Chihuahua/n02085620_7.jpg",
                "Images/n02085620-Chihuahua/n02085620_10074.jpg",
                "Images/n02085936-Maltese_dog/n02085936_37.jpg"],
    "splits": ["dogImages/", "dogImages/train/", "dogImages/train/001.A/A_00001.jpg",
               "dogImages/valid/001.A/A_00038.jpg", "dogImages/test/002.B/B_00116.jpg",
               "dogImages/.DS_Store", "dogImages/train/@eaDir/A_00001.jpg",
               "__MACOSX/dogImages/train/001.A/._A_00001.jpg"],
}  # fmt: skip
PHOTOS: dict[Layout, list[str]] = {
    "flat": ["Abyssinian/Abyssinian_1.jpg", "Abyssinian/Abyssinian_201.jpg",
             "great_pyrenees/great_pyrenees_10.jpg"],
    "classes": ["n02085620-Chihuahua/n02085620_10074.jpg", "n02085620-Chihuahua/n02085620_7.jpg",
                "n02085936-Maltese_dog/n02085936_37.jpg"],
    "splits": ["test/002.B/B_00116.jpg", "train/001.A/A_00001.jpg", "valid/001.A/A_00038.jpg"],
}  # fmt: skip


def content(member: str) -> bytes:
    """3 kB that don't compress, like a photo's, and differ by the file's name."""
    return random.Random(Path(member).name).randbytes(3000)


def pack(layout: Layout, more: dict[str, bytes] | None = None) -> bytes:
    """An archive of the layout's members and `more`, in the format that its publisher uses."""
    members = {name: b"" if name.endswith("/") else content(name) for name in MEMBERS[layout]}
    members |= more or {}
    out = io.BytesIO()
    if layout == "splits":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as box:
            for name, data in members.items():
                box.writestr(name, data)
        return out.getvalue()
    with tarfile.open(fileobj=out, mode="w:gz" if layout == "flat" else "w") as tape:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            entry.size = len(data)
            tape.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def unpacked(layout: Layout, data: bytes, folder: Path, photos: int = 3) -> list[str]:
    """Unpack `data` below `folder`; returns the paths of what came out."""
    target = folder / "target"
    (folder / FILE_NAMES[layout]).write_bytes(data)
    unpack(folder / FILE_NAMES[layout], target, layout, photos, 2)
    return sorted(p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file())


@EVERY_LAYOUT
def test_photos_come_out_in_class_folders_and_strays_stay(layout: Layout, tmp_path: Path) -> None:
    assert unpacked(layout, pack(layout), tmp_path) == PHOTOS[layout]
    for path in PHOTOS[layout]:
        assert (tmp_path / "target" / path).read_bytes() == content(path)


def test_size_and_checksum_are_held_against_the_published(tmp_path: Path) -> None:
    path, good = tmp_path / "images.tar", hashlib.sha256(b"1234").hexdigest()
    path.write_bytes(b"1234")
    check_bytes(path, 4, good, tmp_path / "seen")
    check_bytes(path, 4, None, tmp_path / "seen")
    with pytest.raises(BadArchive, match="expected 5 bytes, got 4 bytes"):
        check_bytes(path, 5, good, tmp_path / "seen")
    with pytest.raises(BadArchive, match=f"expected {'0' * 64}, got {good}"):
        check_bytes(path, 4, "0" * 64, tmp_path / "seen")


@EVERY_LAYOUT
def test_a_truncated_archive_is_bad(layout: Layout, tmp_path: Path) -> None:
    data = pack(layout)
    with pytest.raises(BadArchive):
        unpacked(layout, data[: len(data) // 2], tmp_path)


def test_missing_photos_are_counted(tmp_path: Path) -> None:
    with pytest.raises(BadArchive, match="expected 4 photos of 2 classes, got 3 of 2"):
        unpacked("splits", pack("splits"), tmp_path, photos=4)


def doubled_member() -> tuple[Layout, bytes]:
    out = io.BytesIO(pack("classes"))
    with tarfile.open(fileobj=out, mode="a") as tape:
        tape.addfile(tarfile.TarInfo(f"Images/{PHOTOS['classes'][0]}"))
    return "classes", out.getvalue()


def name_too_long() -> tuple[Layout, bytes]:
    return "classes", pack("classes", {f"Images/n02085620-Chihuahua/{'x' * 300}.jpg": b""})


def name_with_a_nul() -> tuple[Layout, bytes]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tape:
        entry = tarfile.TarInfo("Images/a/b.jpg")
        entry.pax_headers = {"path": "Images/a/b\0.jpg"}
        tape.addfile(entry)
    return "classes", out.getvalue()


def wrong_gzip_sum() -> tuple[Layout, bytes]:
    packed = bytearray(gzip.compress(gzip.decompress(pack("flat"))[:6000]))
    packed[-8:-4] = bytes(4)
    return "flat", bytes(packed)


def offset_before_the_start() -> tuple[Layout, bytes]:
    packed = bytearray(pack("splits"))
    packed[-6:-2] = (2**30).to_bytes(4, "little")  # where the central directory claims to be
    return "splits", bytes(packed)


def encrypted() -> tuple[Layout, bytes]:
    packed = bytearray(pack("splits"))
    for signature, flags_at in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        packed[packed.rindex(signature) + flags_at] |= 1
    return "splits", bytes(packed)


@pytest.mark.parametrize(
    "make",
    [
        doubled_member,
        name_too_long,
        name_with_a_nul,
        wrong_gzip_sum,
        offset_before_the_start,
        encrypted,
    ],
)
def test_a_strange_archive_is_bad(make: Callable[[], tuple[Layout, bytes]], tmp_path: Path) -> None:
    layout, data = make()
    with pytest.raises(BadArchive):
        unpacked(layout, data, tmp_path)


@EVERY_LAYOUT
def test_flipped_bits_end_in_a_bad_archive_or_in_a_whole_set(
    layout: Layout, tmp_path: Path
) -> None:
    rng = random.Random(7)
    good = pack(layout)
    for _ in range(80):
        bad = bytearray(good)
        for _ in range(rng.randint(1, 8)):
            # Headers lie at both ends, and that is where damage takes the most forms.
            bad[rng.choice([rng.randrange(600), rng.randrange(len(bad))])] = rng.randrange(256)
        with suppress(BadArchive):
            assert len(unpacked(layout, bytes(bad), tmp_path)) == 3
        shutil.rmtree(tmp_path / "target", ignore_errors=True)


@EVERY_LAYOUT
@pytest.mark.parametrize(
    "evil", ["images/../../evil.jpg", "/tmp/evil.jpg", "..\\..\\evil.jpg", "C:evil.jpg"]
)
def test_a_member_that_leads_out_is_refused(layout: Layout, evil: str, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "cache"
    folder.mkdir(parents=True)
    with pytest.raises(BadArchive, match="leads out of the folder"):
        unpacked(layout, pack(layout, {evil: b"evil"}), folder)
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    out = io.BytesIO(pack("classes"))
    with tarfile.open(fileobj=out, mode="a") as tape:
        entry = tarfile.TarInfo("Images/n02085620-Chihuahua/link.jpg")
        entry.type, entry.linkname = kind, "/etc/passwd"
        tape.addfile(entry)
    with pytest.raises(BadArchive, match="is a link or a device"):
        unpacked("classes", out.getvalue(), tmp_path)


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO(pack("splits"))
    with zipfile.ZipFile(out, "a") as box:
        entry = zipfile.ZipInfo("dogImages/train/001.A/link.jpg")
        entry.external_attr = 0o120777 << 16
        box.writestr(entry, "/etc/passwd")
    with pytest.raises(BadArchive, match="is a link or a device"):
        unpacked("splits", out.getvalue(), tmp_path)


@EVERY_LAYOUT
@pytest.mark.parametrize(("limit", "value"), [("MAX_UNPACKED_BYTES", 100_000), ("MAX_MEMBERS", 5)])
def test_an_archive_made_to_fill_the_disk_is_refused_before_it_does(
    layout: Layout, limit: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = {"flat": "top/bomb_1.jpg", "classes": "top/A/bomb.jpg", "splits": "top/train/A/bomb.jpg"}
    monkeypatch.setattr(archive, limit, value)
    copied: list[str] = []
    copy = shutil.copyfileobj

    def watched(source: IO[bytes], target: IO[bytes], length: int) -> None:
        copied.append(target.name)
        copy(source, target, length)

    monkeypatch.setattr(shutil, "copyfileobj", watched)
    with pytest.raises(BadArchive, match=r"^over \d+ files"):
        unpacked(layout, pack(layout, {name[layout]: bytes(1_000_000)}), tmp_path)
    assert not [path for path in copied if "bomb" in path]
