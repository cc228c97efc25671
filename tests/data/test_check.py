"""Each file that can't be used is named once, left out and counted, or stops the run."""

import io
import os
import shutil
import stat
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REAL_PHOTOS, draw_folders, draw_photo, needs
from PIL import Image

from dogbreed.data.check import Checked, as_lines, check, imbalance
from dogbreed.data.decoding import photos
from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.splits import SPLITS, TEST, TRAIN, Finding
from dogbreed.errors import DataError, PhotoError

ALL_MAY_BE_BAD = 1.0


def vast_png() -> bytes:
    """The header and the first pixels of a PNG of 30,000 by 30,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def encoded(format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(out, format, **options)
    return out.getvalue()


BAD = {
    "empty.jpg": ("empty", b""),
    "text.jpg": ("not_an_image", b"this isn't a photo"),
    "page.png": ("not_an_image", b"<!doctype html><title>429 Too Many Requests</title>"),
    "half.jpg": ("truncated", encoded("JPEG")[:2000]),
    "most.jpg": ("truncated", encoded("JPEG")[:-20]),
    "progressive.jpg": ("truncated", encoded("JPEG", progressive=True)[:-200]),
    "half.png": ("truncated", encoded("PNG")[:2000]),
    "vast.png": ("too_large", vast_png()),
    "damaged.webp": ("damaged", encoded("WEBP")[:1000]),
}


def named(checked: Checked) -> dict[str, Finding]:
    """The findings by their paths below the root, each of which is named once."""
    root = checked.folders.root
    found = {finding.path.relative_to(root).as_posix(): finding for finding in checked.findings}
    assert len(found) == len(checked.findings), "a path named twice"
    assert all(os.path.lexists(finding.path) for finding in checked.findings)
    return found


def test_good_photos_give_no_findings(photos_root: Path) -> None:
    folders = read_folders(photos_root)
    checked = check(folders)
    assert checked.findings == ()
    assert checked.folders == folders
    assert set(checked.digests) == {sample.path for sample in folders.all_samples()}
    path, digest = next(iter(checked.digests.items()))
    assert digest == photos.digest(path.read_bytes())


def test_every_kind_of_bad_file(photos_root: Path) -> None:
    folder = photos_root / "train" / "Beagle"
    for name, (_, data) in BAD.items():
        (folder / name).write_bytes(data)
    (folder / "gone.jpg").symlink_to("nowhere")
    (folder / "notes.txt").write_text("not a photo and not meant to be one")
    checked = check(read_folders(photos_root), max_bad_share=ALL_MAY_BE_BAD)
    found = named(checked)
    expected = {f"train/Beagle/{name}": reason for name, (reason, _) in BAD.items()}
    expected |= {"train/Beagle/gone.jpg": "unreadable", "train/Beagle/notes.txt": "ignored"}
    assert {path: finding.reason for path, finding in found.items()} == expected
    assert {path for path, f in found.items() if not f.bad} == {"train/Beagle/notes.txt"}
    assert all(finding.message and "\n" not in finding.message for finding in found.values())
    usable = {sample.path for sample in checked.folders.all_samples()}
    assert len(usable) == 60
    assert set(checked.digests) == usable
    assert not usable & {finding.path for finding in checked.findings}


def test_a_file_without_permission(photos_root: Path) -> None:
    path = photos_root / "train" / "Beagle" / "000.jpg"
    path.chmod(stat.S_IWUSR)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")
    (finding,) = check(read_folders(photos_root), max_bad_share=ALL_MAY_BE_BAD).findings
    assert (finding.path, finding.reason) == (path, "unreadable")


@pytest.mark.parametrize(
    ("name", "format"),
    [("png.jpg", "PNG"), ("jpeg.png", "JPEG"), ("webp.jpeg", "WEBP"), ("gif.jpg", "GIF"),
     ("nothing", "JPEG"), ("dotted.name", "PNG")],
)  # fmt: skip
def test_a_wrong_extension_is_noted_and_the_photo_used(
    photos_root: Path, name: str, format: str
) -> None:
    path = photos_root / "train" / "Akita" / name
    path.write_bytes(encoded(format))
    checked = check(read_folders(photos_root), max_bad_share=0)
    (finding,) = checked.findings
    assert (finding.path, finding.reason, finding.bad) == (path, "wrong_extension", False)
    assert f"is a {format} " in finding.message
    assert path in checked.digests
    assert path in {sample.path for sample in checked.folders.samples[TRAIN]}


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.JPG", "JPEG"), ("a.jpe", "JPEG"), ("a.jfif", "JPEG"), ("a.jpg", "MPO"), ("a.tif", "TIFF"),
     ("a.TIFF", "TIFF"), ("a.webp", "WEBP"), ("a.avif", "AVIF"), ("a.gif", "GIF"),
     ("a.bmp", "BMP"), ("a.png", "PNG")],
)  # fmt: skip
def test_usual_extensions_are_not_noted(photos_root: Path, name: str, format: str) -> None:
    options = {"save_all": True, "append_images": [Image.new("RGB", (8, 8))]}
    data = encoded(format, **(options if format == "MPO" else {}))
    (photos_root / "train" / "Akita" / name).write_bytes(data)
    checked = check(read_folders(photos_root), max_bad_share=0)
    assert checked.findings == ()
    assert len(checked.digests) == 61


@pytest.mark.parametrize(("bad", "stops"), [(0, False), (1, False), (2, True)])
def test_over_one_percent_stops(tmp_path: Path, bad: int, stops: bool) -> None:
    root = draw_folders(tmp_path, {"train": 30, "valid": 10, "test": 10}, ("Akita", "Beagle"))
    for number in range(bad):
        (root / "valid" / "Akita" / f"{number:03}.jpg").write_bytes(b"")
    folders = read_folders(root)
    if stops:
        with pytest.raises(DataError, match=r"2 of 100 photos in .* can't be used \(2 empty\)"):
            check(folders)
    else:
        checked = check(folders)
        assert len(checked.folders.all_samples()) == 100 - bad
        assert len([finding for finding in checked.findings if finding.bad]) == bad


def test_one_bad_file_among_a_dozen_stops_nothing(tmp_path: Path) -> None:
    root = draw_folders(tmp_path, {"train": 4, "valid": 1, "test": 1}, ("Akita", "Beagle"))
    (root / "train" / "Akita" / "000.jpg").write_bytes(b"")
    folders = read_folders(root)
    assert len(check(folders).folders.all_samples()) == 11
    with pytest.raises(DataError, match=r"1 of 12 photos .* more than data\.max_bad_share=0\."):
        check(folders, max_bad_share=0)
    (root / "train" / "Akita" / "001.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="2 of 12 photos"):
        check(folders)


def test_what_stops_the_run_is_reported_in_full(photos_root: Path) -> None:
    (photos_root / "train" / "Akita" / "000.jpg").write_bytes(b"")
    (photos_root / "train" / "Akita" / "001.jpg").write_bytes(b"")
    (photos_root / "test" / "Collie" / "002.jpg").write_bytes(b"text")
    (photos_root / "test" / "Collie" / "notes.txt").write_text("fine")
    with pytest.raises(DataError) as caught:
        check(read_folders(photos_root))
    first, *lines = str(caught.value).splitlines()
    assert "3 of 60 photos" in first
    assert "(2 empty, 1 not_an_image)" in first
    assert "more than data.max_bad_share=0.01. " in first
    assert len(lines) == 3
    for line, name in zip(lines, ("Akita/000.jpg", "Akita/001.jpg", "Collie/002.jpg"), strict=True):
        assert name in line


def test_many_bad_photos_are_not_all_listed(photos_root: Path) -> None:
    for path in (photos_root / "train").rglob("0*[1-9].jpg"):
        path.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        check(read_folders(photos_root))
    lines = str(caught.value).splitlines()
    assert len(lines) == 22
    assert lines[-1].strip() == "... and 10 more"


def test_a_class_in_the_test_split_alone_counts_as_bad(photos_root: Path) -> None:
    for number in range(5):
        draw_photo(photos_root / "test" / "Zebra" / f"{number}.jpg", 9, number)
    folders = read_folders(photos_root)
    with pytest.raises(DataError, match=r"5 of 65 photos in .* \(5 untrained_class\)"):
        check(folders)
    checked = check(folders, max_bad_share=5 / 65)
    assert checked.folders.classes == ("Akita", "Beagle", "Collie")
    assert checked.folders.counts(TEST) == [4, 4, 4]
    finding = named(checked)["test/Zebra"]
    assert (finding.reason, finding.bad, finding.photos) == ("untrained_class", True, 5)


def test_a_class_in_the_test_split_alone_counts_in_a_fraction_too(photos_root: Path) -> None:
    for number in range(8):
        draw_photo(photos_root / "test" / "Zebra" / f"{number}.jpg", 9, number)
    with pytest.raises(DataError, match=r"2 of 17 photos in .* \(2 untrained_class\)"):
        check(read_folders(photos_root).take(0.25))


def test_a_class_in_one_split_and_an_empty_one(photos_root: Path) -> None:
    shutil.rmtree(photos_root / "valid" / "Akita")
    shutil.rmtree(photos_root / "test" / "Akita")
    (photos_root / "train" / "Dingo").mkdir()
    checked = check(read_folders(photos_root), max_bad_share=0)
    found = named(checked)
    assert {path: finding.reason for path, finding in found.items()} == {
        "train/Akita": "one_split_only",
        "train/Dingo": "empty_class",
    }
    assert checked.folders.classes == ("Akita", "Beagle", "Collie")
    assert checked.folders.counts(TEST) == [0, 4, 4]


def test_a_class_that_loses_its_last_photos_of_a_split(photos_root: Path) -> None:
    shutil.rmtree(photos_root / "test" / "Akita")
    for path in (photos_root / "valid" / "Akita").iterdir():
        path.write_bytes(b"")
    checked = check(read_folders(photos_root), max_bad_share=ALL_MAY_BE_BAD)
    messages = [f.message for f in named(checked).values() if f.reason == "one_split_only"]
    assert messages == ["no photos in valid and test: nothing is known of it there"]


def test_a_class_whose_training_photos_are_all_bad(photos_root: Path) -> None:
    for path in (photos_root / "train" / "Akita").iterdir():
        path.write_bytes(b"")
    folders = read_folders(photos_root)
    with pytest.raises(DataError, match=r"20 of 60 photos .* \(12 empty, 8 untrained_class\)"):
        check(folders)
    checked = check(folders, max_bad_share=0.5)
    assert checked.folders.classes == ("Beagle", "Collie")
    assert [checked.folders.counts(split) for split in SPLITS] == [[12, 12], [4, 4], [4, 4]]
    for sample in checked.folders.all_samples():
        assert sample.path.parts[-2] == checked.folders.classes[sample.label]
    assert sum(finding.photos for finding in named(checked).values() if finding.bad) == 20


def test_fewer_than_two_classes_left(tmp_path: Path) -> None:
    root = draw_folders(tmp_path, {"train": 2, "valid": 1, "test": 1}, ("Akita", "Beagle"))
    for path in (root / "train" / "Akita").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="fewer than two classes left once bad photos are out"):
        check(read_folders(root), max_bad_share=ALL_MAY_BE_BAD)


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_workers_change_nothing(photos_root: Path, workers: int) -> None:
    for name, (_, data) in BAD.items():
        (photos_root / "train" / "Beagle" / name).write_bytes(data)
    folders = read_folders(photos_root)
    checked = check(folders, max_bad_share=ALL_MAY_BE_BAD, workers=workers)
    assert checked == check(folders, max_bad_share=ALL_MAY_BE_BAD, workers=2)


def test_limit_of_pixels(photos_root: Path) -> None:
    draw_photo(photos_root / "train" / "Akita" / "wide.png", 9, 0, (200, 100))
    folders = read_folders(photos_root)
    assert check(folders, max_pixels=20_000).findings == ()
    (finding,) = check(folders, max_bad_share=ALL_MAY_BE_BAD, max_pixels=19_999).findings
    assert (finding.path.name, finding.reason) == ("wide.png", "too_large")


def test_only_what_is_taken_is_looked_at(photos_root: Path) -> None:
    folders = read_folders(photos_root)
    taken = folders.take(0.5)
    others = {s.path for s in folders.all_samples()} - {s.path for s in taken.all_samples()}
    for path in others:
        path.write_bytes(b"")
    assert len(others) == 30
    assert check(taken).findings == ()
    assert len(check(taken).digests) == 30


def test_nothing_is_written(photos_root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in photos_root.rglob("*")}
    check(read_folders(photos_root))
    assert {path: path.stat().st_mtime_ns for path in photos_root.rglob("*")} == before


def test_names_that_a_web_page_or_a_terminal_could_trip_over(tmp_path: Path) -> None:
    classes = ("<b>x<", "two words", "犬 🐕")
    root = draw_folders(tmp_path / "päth with spaces", {"": 6}, classes)
    (root / "犬 🐕" / "000.jpg").write_bytes(b"")
    checked = check(read_folders(root), max_bad_share=0.1)
    assert checked.folders.classes == classes
    assert [finding.path for finding in checked.findings if finding.bad] == [
        root / "犬 🐕" / "000.jpg"
    ]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
def test_what_passes_the_check_can_be_decoded(photos_root: Path, format: str) -> None:
    """However a file is damaged: found before training, or good enough for it."""
    whole, random = encoded(format), np.random.default_rng(3)
    folder = photos_root / "train" / "Akita"
    for number in range(40):
        damaged = np.frombuffer(whole, np.uint8).copy()
        where = random.integers(0, len(damaged), 4)
        damaged[where] = random.integers(0, 256, 4)
        cut = len(damaged) if number % 2 else int(random.integers(1, len(damaged)))
        (folder / f"damaged {number:02}.{format.lower()}").write_bytes(damaged[:cut].tobytes())
    checked = check(read_folders(photos_root), max_bad_share=ALL_MAY_BE_BAD)
    assert any(finding.bad for finding in checked.findings)
    for sample in checked.folders.all_samples():
        try:
            photos.decode(sample.path.read_bytes(), wanted_px=224)
        except PhotoError as error:
            pytest.fail(f"{sample.path.name} passed the check: {error}")


def finding(reason: str, *, bad: bool) -> Finding:
    return Finding(path=Path("p") / reason, reason=reason, message="m", bad=bad)


def test_lines_name_the_bad_first() -> None:
    findings = [finding("ignored", bad=False), finding("truncated", bad=True),
                finding("empty", bad=True)]  # fmt: skip
    lines = as_lines(findings)
    assert [line.split()[0] for line in lines] == ["empty", "truncated", "ignored"]
    assert lines[0].endswith("p/empty: m")
    assert as_lines(findings, 3) == lines
    assert as_lines(findings, 2) == [*lines[:2], "... and 1 more"]
    assert as_lines([]) == []


def test_imbalance() -> None:
    assert imbalance([10, 40, 20]) == 4
    assert imbalance([3, 3]) == 1


@needs(REAL_PHOTOS)
def test_real_photos_are_good() -> None:
    checked = check(read_folders(REAL_PHOTOS).take(0.01))
    assert checked.findings == ()
    assert len(checked.folders.classes) == 120
    assert "Chihuahua" in checked.folders.display_names
    assert len(checked.digests) >= 360
