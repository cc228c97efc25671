"""Files of systems and tools among the photos: every walk skips them, and counts them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import draw_folders, draw_photo

from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.splits import PhotoFolders
from dogbreed.data.layouts.system_files import system_kind
from dogbreed.errors import DataError
from dogbreed.serving.offline.sources import find_sources

# As they lie in a folder of photos, each with a picture in it.
SYSTEM_FOLDERS = (
    "@eaDir/0.jpg/SYNOPHOTO_THUMB_XL.jpg", "@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg", "@tmp/1.jpg",
    "#recycle/1.jpg", "#snapshot/GMT-2024.01.01/1.jpg", "@Recently-Snapshot/1.jpg",
    "@Recycle/1.jpg", ".@__thumb/s800 0.jpg", ".streams/0.jpg", ".snapshot/hourly.0/0.jpg",
    "~snapshot/0.jpg", ".wdmc/0.jpg", "$RECYCLE.BIN/S-1-5-21/$R1.jpg", "$Recycle.Bin/1.jpg",
    "RECYCLER/S-1-5-21/Dc1.jpg", ".Trash-1000/files/1.jpg", ".Trashes/501/1.jpg",
    "__MACOSX/._0.jpg", ".AppleDouble/0.jpg", ".TemporaryItems/0.jpg", "Temporary Items/0.jpg",
    "Network Trash Folder/0.jpg", "System Volume Information/0.jpg", "lost+found/#123.jpg",
    "LOST.DIR/1.jpg", "FOUND.000/1.jpg", ".thumbnails/normal/0.png", ".cache/0.jpg",
    "Lightroom Previews.lrdata/0.jpg", "Photos Library.photoslibrary/originals/0/0.jpg",
    ".ipynb_checkpoints/0-checkpoint.jpg", ".git/0.jpg", ".dvc/cache/0.jpg", ".recycle/0.jpg",
    "__pycache__/0.jpg", "trashbox/0.jpg", "@SHAREBIN/0.jpg",
)  # fmt: skip
SYSTEM_FILES = (
    "._0.jpg", ".nfs000001", ".0.jpg.swp", "Thumbs.db", "ehthumbs.db", "desktop.ini", ".DS_Store",
    ".directory", "SYNOPHOTO_THUMB_XL.jpg", "0.jpg@SynoEAStream", "Icon\r", "Picasa.ini",
    "AlbumArt_{B0A1C5}_Small.jpg", ".IMG_1.jpg.icloud",
)  # fmt: skip
CLASS_NAMES = (
    "recycler", "Recycled", "trash", "Recycle Bin", "@home", "#1", "cache", "snapshot", "thumbs",
    "desktop", "eaDir", "streams", "git", "found", "$", "~", "folder", "System", "tmp",
)  # fmt: skip


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def with_system_files(root: Path, *folders: str) -> int:
    """Put all of them into `root` and its `folders`, each a photo by its content; how many."""
    photo = (root / folders[-1] / "000.jpg").read_bytes()
    for folder in ("", *folders):
        for name in (*SYSTEM_FOLDERS, *SYSTEM_FILES):
            write(root / folder / name, photo)
    tops = {name.split("/")[0] for name in (*SYSTEM_FOLDERS, *SYSTEM_FILES)}
    return len(tops) * (1 + len(folders))


def system_message(folders: PhotoFolders) -> str:
    (finding,) = [finding for finding in folders.findings if finding.reason == "system_files"]
    return finding.message


@pytest.mark.parametrize("name", [*SYSTEM_FOLDERS, *SYSTEM_FILES])
def test_system_names(name: str) -> None:
    top = name.split("/")[0]
    assert system_kind(top)
    if not name.startswith("RECYCLER"):
        assert system_kind(top.upper())
        assert system_kind(top.lower())


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_names_of_classes_and_photos(name: str) -> None:
    assert system_kind(name) is None
    assert system_kind(f"{name}.jpg") is None


@pytest.mark.parametrize("split", ["", "train"])
def test_system_files_are_no_photos(tmp_path: Path, split: str) -> None:
    root = draw_folders(tmp_path / "photos", {split: 4}, ("Akita", "Beagle"))
    expected = [sample.path for sample in read_folders(root).all_samples()]
    count = with_system_files(root, *([split] if split else []), f"{split}/Akita".strip("/"))
    folders = read_folders(root)
    assert [sample.path for sample in folders.all_samples()] == expected
    assert folders.classes == ("Akita", "Beagle")
    (finding,) = folders.findings
    assert finding.reason == "system_files"
    assert finding.message.startswith(f"skipped {count} hidden or system files and folders: ")
    assert "\n" not in finding.message


def test_system_files_are_shown_by_kind(tmp_path: Path) -> None:
    root = draw_folders(tmp_path / "photos", {"": 4}, ("Akita", "Beagle"))
    for number in range(50):
        write(root / "Akita" / f"._{number:03}.jpg", b"x")
    write(root / "Beagle" / "Thumbs.db", b"x")
    message = system_message(read_folders(root))
    assert message == ("skipped 51 hidden or system files and folders: 50 '._*', 1 'Thumbs.db'")


def test_predict_and_batch_skip_the_same(tmp_path: Path) -> None:
    root = draw_folders(tmp_path / "photos", {"": 4}, ("Akita", "Beagle"))
    names = [source.name for source in find_sources([str(root)]).sources]
    assert len(names) == 8
    count = with_system_files(root, "Akita")
    found = find_sources([str(root)])
    assert [source.name for source in found.sources] == names
    assert found.complete
    (note,) = found.notes
    assert note.startswith(f"skipped {count} hidden or system files")


def test_a_system_folder_that_is_given_is_read(tmp_path: Path) -> None:
    draw_photo(tmp_path / "@eaDir" / "1.jpg", 9, 0)
    found = find_sources([str(tmp_path / "@eaDir")])
    assert len(found.sources) == 1
    assert found.notes == ()


def test_only_system_files(tmp_path: Path) -> None:
    draw_photo(tmp_path / "@eaDir" / "1.jpg", 9, 0)
    with pytest.raises(DataError, match="skipped 1 hidden or system files and folders: 1 '@eaDir'"):
        find_sources([str(tmp_path)])


# --- folders that can't be read --------------------------------------------------------------


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A folder that any user of the machine can reach, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder).resolve()


@contextmanager
def as_nobody(*closed: Path) -> Iterator[None]:
    """Take the right to read these folders away; what root does, another user does here."""
    is_root = os.name != "nt" and os.geteuid() == 0
    for path in closed:
        path.chmod(0)
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for path in closed:
            path.chmod(0o755)


posix = pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")


@posix
@pytest.mark.parametrize("closed", ["private", "Akita/deep", "Collie"])
def test_unreadable_folders_are_reported_and_skipped(open_root: Path, closed: str) -> None:
    draw_folders(open_root, {"": 4}, ("Akita", "Beagle", "Collie"))
    draw_photo(open_root / closed / "x.jpg", 9, 0)
    with as_nobody(open_root / closed):
        folders = read_folders(open_root)
        found = find_sources([str(open_root)])
    assert folders.classes[:2] == ("Akita", "Beagle")
    assert not any(open_root / closed in s.path.parents for s in folders.all_samples())
    (finding,) = [f for f in folders.findings if f.reason == "unreadable_folder"]
    assert finding.path == open_root / closed
    assert "Permission denied" in finding.message
    assert not found.complete
    assert [s.name for s in found.sources] == sorted(str(s.path) for s in folders.all_samples())
    assert found.notes == (
        f"skipped 1 folders that can't be read: {open_root / closed} (Permission denied)",
    )


@posix
def test_lost_and_found_does_not_stop_anything(open_root: Path) -> None:
    draw_folders(open_root, {"": 4}, ("Akita", "Beagle"))
    (open_root / "lost+found").mkdir()
    with as_nobody(open_root / "lost+found"):
        folders = read_folders(open_root)
        found = find_sources([str(open_root)])
    assert folders.classes == ("Akita", "Beagle")
    assert "1 'lost+found'" in system_message(folders)
    assert found.complete


@posix
@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_split_that_cannot_be_read_is_an_error(open_root: Path, split: str) -> None:
    draw_folders(open_root, {"train": 4, "valid": 2, "test": 2}, ("Akita", "Beagle"))
    with as_nobody(open_root / split), pytest.raises(DataError) as caught:
        read_folders(open_root)
    message = f"{open_root / split} can't be read (Permission denied): it looks like the {split} "
    assert str(caught.value).startswith(message)


@posix
@pytest.mark.parametrize("closed", ["", "Akita Beagle", "train/Akita train/Beagle"])
def test_nothing_that_can_be_read_is_an_error(open_root: Path, closed: str) -> None:
    split = "train" if closed.startswith("train") else ""
    draw_folders(open_root, {split: 4}, ("Akita", "Beagle"))
    with (
        as_nobody(*(open_root / name for name in closed.split() or [""])),
        pytest.raises(DataError, match="can't be read"),
    ):
        read_folders(open_root)


@posix
def test_a_folder_to_predict_that_cannot_be_read_is_an_error(open_root: Path) -> None:
    draw_photo(open_root / "photos" / "1.jpg", 9, 0)
    with as_nobody(open_root / "photos"), pytest.raises(DataError, match="photos can't be read"):
        find_sources([str(open_root / "photos")])


def test_a_folder_that_vanishes_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = draw_folders(tmp_path / "photos", {"": 4}, ("Akita", "Beagle", "Collie"))
    scandir = os.scandir

    def vanishing(path: Path | int) -> object:
        if isinstance(path, Path) and path.name == "Collie":
            shutil.rmtree(path, ignore_errors=True)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    folders = read_folders(root)
    assert folders.classes == ("Akita", "Beagle")
    assert {f.reason for f in folders.findings} == {"unreadable_folder", "empty_class"}
