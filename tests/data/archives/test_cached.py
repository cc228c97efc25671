"""data.root is an archive: extracted once, verified when it is used again, and never trusted."""

import bz2
import io
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dogbreed.data.archives import cached, extraction, members
from dogbreed.data.archives.cached import archive_stem
from dogbreed.data.roots import check_given_root, local_root, root_name
from dogbreed.errors import ConfigError, DataError, DogbreedError

Logged = Callable[[], str]


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def zipped(path: Path, contents: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as box:
        for name, data in contents.items():
            box.writestr(name, data)
    return path


def tarred(path: Path, *entries: tarfile.TarInfo, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tape:  # type: ignore[call-overload]
        for entry in entries:
            tape.addfile(entry, io.BytesIO(b"x" * entry.size))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, size: int = 1) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, "/etc/passwd"
    made.size = size if kind == tarfile.REGTYPE else 0
    return made


@pytest.mark.parametrize("format", ["zip", "tar", "gztar", "bztar", "xztar"])
@pytest.mark.parametrize("name", ["dogs", "dogs.photos"])  # the content decides
def test_an_archive_is_the_folder_that_was_packed(
    format: str, name: str, photos_root: Path, tmp_path: Path, logged: Logged
) -> None:
    (photos_root / ".DS_Store").write_bytes(b"junk")
    (photos_root / "__MACOSX").mkdir()
    (photos_root / "__MACOSX" / "._000.jpg").write_bytes(b"junk")
    packed = Path(shutil.make_archive(str(tmp_path / "made"), format, tmp_path, "photos"))
    archive = packed.rename(tmp_path / name)
    check_given_root(archive)
    root = local_root(archive)
    assert root.name == "photos"
    wanted = {path: data for path, data in files_below(photos_root).items() if path[0] not in "._"}
    assert files_below(root) == wanted
    assert f"{archive} was extracted into {root}" in logged()
    assert local_root(archive) == root
    assert f"{archive} is already extracted in {root}" in logged()


def test_the_name_comes_from_the_archive(tmp_path: Path) -> None:
    for name in ("dogs.zip", "dogs.tar.gz", "dogs.TGZ"):
        (tmp_path / name).write_bytes(b"")
        assert root_name(tmp_path / name) == "dogs"
    (tmp_path / "dogs.v2.tar").mkdir()
    assert root_name(tmp_path / "dogs.v2.tar") == "dogs.v2.tar"
    assert archive_stem(".zip") == ".zip"


@pytest.mark.parametrize(
    ("names", "top"),
    [
        (["dogs/Akita/1.jpg", "dogs/Beagle/1.jpg"], "dogs"),
        (["dogs/Akita/1.jpg", "README.txt"], "dogs"),
        (["train/1.jpg", "labels.csv"], "made"),
        (["Akita/1.jpg", "Beagle/1.jpg"], "made"),
    ],
)
def test_the_only_folder_is_the_root(names: list[str], top: str, tmp_path: Path) -> None:
    root = local_root(zipped(tmp_path / "made.zip", dict.fromkeys(names, b"x")))
    assert root.name == top


def test_the_same_content_elsewhere_is_not_extracted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    archive = zipped(tmp_path / "dogs.zip", {"Akita/1.jpg": b"1", "Beagle/1.jpg": b"2"})
    root = local_root(archive)
    copy = shutil.copy(archive, tmp_path / "copy.zip")
    monkeypatch.setattr(cached, "extract", None)
    assert local_root(copy) == root
    assert root.is_relative_to(own_cache / "archives")
    assert own_cache.stat().st_mode & 0o077 == 0


def test_an_unchanged_archive_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped(tmp_path / "dogs.zip", {"Akita/1.jpg": b"1", "Beagle/1.jpg": b"2"})
    monkeypatch.setattr(cached, "SETTLED_S", -1.0)
    root = local_root(archive)
    with monkeypatch.context() as patch:
        patch.setattr("hashlib.file_digest", None)
        assert local_root(archive) == root
    zipped(archive, {"Akita/1.jpg": b"3", "Beagle/1.jpg": b"2"})
    assert files_below(local_root(archive))["Akita/1.jpg"] == b"3"


@pytest.mark.parametrize("damage", ["remove", "change", "add", "manifest"])
def test_a_changed_copy_is_extracted_again(damage: str, tmp_path: Path, logged: Logged) -> None:
    contents = {"Akita/1.jpg": b"1", "Beagle/1.jpg": b"2"}
    archive = zipped(tmp_path / "dogs.zip", contents)
    root = local_root(archive)
    if damage == "remove":
        (root / "Akita/1.jpg").unlink()
    elif damage == "change":
        (root / "Akita/1.jpg").write_bytes(b"3")
    elif damage == "add":
        (root / "Akita/2.jpg").write_bytes(b"3")
    else:
        (root.parent / "files.sha256").write_bytes(b"\xff")
    assert files_below(local_root(archive)) == contents
    assert "isn't as it was extracted: extracting it again" in logged()


def test_an_interrupted_extraction_leaves_nothing_that_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    archive = zipped(tmp_path / "dogs.zip", {f"Akita/{n}.jpg": b"1" for n in range(5)})
    write, written = extraction._write, []

    def interrupted(contents: io.BytesIO, path: Path) -> None:
        written.append(path)
        if len(written) == 3:
            raise KeyboardInterrupt
        write(contents, path)

    with monkeypatch.context() as patch:
        patch.setattr(extraction, "_write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            local_root(archive)
    assert not list((own_cache / "archives").rglob("*.jpg"))
    assert len(files_below(local_root(archive))) == 5


def test_a_complete_cache_may_be_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(tmp_path / "dogs.zip", {"Akita/1.jpg": b"1", "Beagle/1.jpg": b"2"})
    monkeypatch.setattr(cached, "SETTLED_S", -1.0)
    root = local_root(archive)
    os.utime(archive)  # its digest isn't recorded any longer

    def refused(*arguments: object) -> None:
        raise PermissionError

    for name in ("alone", "write_json", "atomic_write"):
        monkeypatch.setattr(cached, name, refused)
    assert local_root(archive) == root


def test_two_at_once_extract_once(tmp_path: Path, logged: Logged) -> None:
    archive = zipped(tmp_path / "dogs.zip", {f"Akita/{n}.jpg": b"1" for n in range(200)})
    code = "import sys; from dogbreed.data.roots import local_root; print(local_root(sys.argv[1]))"
    started = [
        subprocess.Popen([sys.executable, "-c", code, archive], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    roots = {process.communicate(timeout=100)[0] for process in started}
    assert len(roots) == 1
    assert len(files_below(Path(roots.pop().strip()))) == 200
    thread = threading.Thread(target=local_root, args=(archive,))
    thread.start()
    thread.join()
    assert "is already extracted" in logged()


def raw_named(path: Path, raw: bytes, system: int = 0) -> Path:
    """A zip whose class folder has these bytes for a name, without the flag for UTF-8."""
    stand_in = "K" * len(raw)
    for photo in ("Akita/1.jpg", f"{stand_in}/1.jpg"):
        with zipfile.ZipFile(path, "a") as box:
            made = zipfile.ZipInfo(photo)
            made.create_system = system
            box.writestr(made, b"1")
    path.write_bytes(path.read_bytes().replace(stand_in.encode(), raw))
    return path


@pytest.mark.parametrize("encoding", ["cp437", "cp850", "cp1252", "utf-8"])
def test_names_from_windows_come_out_readable(
    encoding: str, tmp_path: Path, logged: Logged
) -> None:
    root = local_root(raw_named(tmp_path / "dogs.zip", "Köter".encode(encoding)))
    assert set(files_below(root)) == {"Akita/1.jpg", "Köter/1.jpg"}
    assert logged().count("doesn't say how its names are encoded") == int(encoding != "utf-8")


def test_backslashes_of_windows_separate_folders(tmp_path: Path) -> None:
    root = local_root(raw_named(tmp_path / "dogs.zip", b"dogs\\Beagle"))
    assert set(files_below(root)) == {"Akita/1.jpg", "dogs/Beagle/1.jpg"}


def test_links_and_devices_are_left_out_with_one_warning(tmp_path: Path, logged: Logged) -> None:
    archive = tarred(
        tmp_path / "dogs.tar",
        *(entry("Akita/1.jpg"), entry("Akita/link.jpg", tarfile.SYMTYPE)),
        *(entry("Akita/hard.jpg", tarfile.LNKTYPE), entry("Akita/null", tarfile.CHRTYPE)),
        *(entry("Akita/pipe", tarfile.FIFOTYPE), entry("Beagle/1.jpg", size=512)),
    )
    assert set(files_below(local_root(archive))) == {"Akita/1.jpg", "Beagle/1.jpg"}
    assert "warning: 4 links or devices in dogs.tar are left out: Akita/link.jpg" in logged()
    link = zipfile.ZipInfo("Akita/link.jpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "dogs.zip", "w") as box:
        box.writestr(link, "/etc/passwd")
        box.writestr("Akita/1.jpg", "1")
    assert set(files_below(local_root(tmp_path / "dogs.zip"))) == {"1.jpg"}
    assert logged().count("warning") == 1


def encrypted(path: Path) -> Path:
    packed = bytearray(zipped(path, {"Akita/1.jpg": b"1"}).read_bytes())
    for signature, flags_at in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        packed[packed.rindex(signature) + flags_at] |= 1
    path.write_bytes(packed)
    return path


def cut(path: Path, share: float = 0.5) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def changed(path: Path, place: int) -> Path:
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)
    return path


NOISE = {f"Akita/{n}.jpg": os.urandom(3000) for n in range(10)}
TAPE = tuple(entry(f"Akita/{n}.jpg", size=900) for n in range(10))
ZEROS = {"Akita/1.jpg": bytes(2**20)}
BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "traversal": (lambda p: zipped(p, {"a/../../evil.jpg": b""}), "leads out of the folder"),
    "absolute": (lambda p: tarred(p, entry("/tmp/evil.jpg")), "leads out of the folder"),
    "drive": (lambda p: zipped(p, {"C:/evil.jpg": b""}), "leads out of the folder"),
    "long name": (lambda p: zipped(p, {"n" * 300: b""}), "too long or too deep"),
    "deep": (lambda p: zipped(p, {"d/" * 40 + "1.jpg": b""}), "too long or too deep"),
    "encrypted": (encrypted, "is encrypted"),
    "lzma": (lambda p: zipped(p, NOISE, zipfile.ZIP_LZMA), "by an unusual method"),
    "twice": (lambda p: tarred(p, entry("a"), entry("a")), "has a twice"),
    "file and folder": (lambda p: tarred(p, entry("a"), entry("a/b")), "has a/b twice|has a twice"),
    "short zip": (lambda p: cut(zipped(p, NOISE)), "damaged"),
    "short tar": (lambda p: cut(tarred(p, *TAPE)), "damaged"),
    "tar without its end": (lambda p: cut(tarred(p, *TAPE), 10 * 1536 / 20480), "incomplete"),
    "short gz": (lambda p: cut(tarred(p, *TAPE, mode="w:gz")), "damaged"),
    "short bz2": (lambda p: cut(tarred(p, *TAPE, mode="w:bz2"), 0.9), "damaged"),
    "short xz": (lambda p: cut(tarred(p, *TAPE, mode="w:xz"), 0.9), "damaged"),
    "changed zip": (lambda p: changed(zipped(p, NOISE), 2000), "damaged"),
    "changed gz": (lambda p: changed(tarred(p, *TAPE, mode="w:gz"), -6), "damaged"),
    "changed bz2": (lambda p: changed(tarred(p, *TAPE, mode="w:bz2"), 100), "damaged"),
    "changed tar": (lambda p: changed(tarred(p, *TAPE), 1536 + 10), "damaged or incomplete"),
    "only gz": (lambda p: tarred(p, mode="w:gz"), ""),
}


@pytest.mark.parametrize("name", sorted(BAD.keys() - {"only gz"}))
def test_a_bad_archive_is_one_sentence(name: str, tmp_path: Path, own_cache: Path) -> None:
    make, reason = BAD[name]
    archive = make(tmp_path / "dogs")
    with pytest.raises(DataError, match=reason) as caught:
        local_root(archive)
    assert str(caught.value).startswith(f"{archive} can't be extracted: it")
    assert str(caught.value).endswith(".")
    assert str(caught.value).isprintable()
    assert not list(tmp_path.rglob("*.jpg"))
    assert not [path for path in own_cache.rglob("*") if path.is_file() and path.suffix == ""]


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("limit", ["ANY_RATIO_BYTES", "MAX_MEMBERS", "RESERVE_BYTES"])
def test_an_archive_that_would_fill_the_disk_is_refused_before(
    mode: str, limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"ANY_RATIO_BYTES": 2**16, "MAX_MEMBERS": 0, "RESERVE_BYTES": 2**60}
    monkeypatch.setattr(extraction, limit, values[limit])
    monkeypatch.setattr(extraction, "MAX_RATIO", 1)
    archive = tmp_path / "dogs"
    zeros = entry("Akita/1.jpg", size=2**20)
    made = zipped(archive, ZEROS) if mode == "zip" else tarred(archive, zeros, mode=mode)
    reason = "don't fit on the disk" if limit == "RESERVE_BYTES" else "over|more than 65536 bytes"
    if mode == "w" and limit == "ANY_RATIO_BYTES":  # it unpacks to its own size
        assert files_below(local_root(made))
        return
    monkeypatch.setattr(extraction, "_write", None)
    with pytest.raises(DataError, match=reason):
        local_root(made)


def test_a_directory_as_large_as_the_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped(tmp_path / "dogs.zip", {f"Akita/{n}.jpg": b"" for n in range(100)})
    monkeypatch.setattr(members, "MAX_DIRECTORY_BYTES", 4000)
    with pytest.raises(DataError, match="its directory has over 4000 bytes"):
        local_root(archive)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"7z\xbc\xaf\x27\x1c...", "is a 7z archive: extract it"),
        (b"Rar!\x1a\x07\x01", "is a rar archive: extract it"),
        (b"\xff\xd8\xff\xe0 photo", "is a file, but no zip or tar archive"),
        (b"", "is a file, but no zip or tar archive"),
        (bytes(1024), "is a file, but no zip or tar archive"),
    ],
)
def test_another_file_is_refused_before_anything_is_read(
    data: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "dogs.zip"
    path.write_bytes(data)
    for use in (check_given_root, local_root):
        with pytest.raises(DataError, match=words):
            use(path)


@pytest.mark.parametrize("packed", [bz2.compress(b"x" * 900), lzma.compress(b"x" * 900)])
def test_a_packed_file_that_is_no_tar_is_refused(packed: bytes, tmp_path: Path) -> None:
    (tmp_path / "photos.gz").write_bytes(packed)
    with pytest.raises(DataError, match="can't be extracted: it is damaged"):
        local_root(tmp_path / "photos.gz")


@pytest.mark.parametrize("uri", ["gs://bucket/dogs", "https://example.org/dogs.zip"])
def test_an_unknown_scheme_names_those_that_are_known(uri: str) -> None:
    for use in (check_given_root, local_root):
        with pytest.raises(ConfigError, match=r"a URI with s3://\."):
            use(uri)


def test_what_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(DogbreedError, match="doesn't exist"):
        check_given_root(tmp_path / "dogs.zip")
