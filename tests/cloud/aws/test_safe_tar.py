"""Archives of jobs unpacked, and those refused that would harm: what is in them decides."""

import gzip
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from dogbreed.cloud.aws import safe_tar
from dogbreed.cloud.aws.safe_tar import UnpackError, unpack

REGULAR = tarfile.REGTYPE


def member(name: str, kind: bytes = REGULAR, link: str = "", size: int = -1) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, 0o4777
    made.size = size if size >= 0 else int(kind == REGULAR)
    return made


def tape_of(*members: tarfile.TarInfo) -> bytes:
    """Members with an x each, as a tar that isn't compressed."""
    blocks = [
        one.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        + (b"x" * one.size).ljust(512, b"\0") * (one.type == REGULAR and one.size > 0)
        for one in members
    ]
    return b"".join(blocks) + bytes(1024)


def archive_of(*members: tarfile.TarInfo) -> bytes:
    return gzip.compress(tape_of(*members), 1)


def with_pax(name: str, values: dict[str, str]) -> tarfile.TarInfo:
    made = member(name)
    made.pax_headers = values
    return made


def raw(kind: bytes, body: bytes, size: int | None = None) -> bytes:
    """A header of `kind` and what follows it, as tarfile itself would never write it."""
    header = tarfile.TarInfo("header")
    header.type, header.size = kind, len(body) if size is None else size
    return header.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % 512)


def record(key: str, value: str) -> bytes:
    """A record of a pax header."""
    text = f" {key}={value}\n".encode()
    length = len(text) + 1
    while len(str(length)) + len(text) != length:
        length += 1
    return str(length).encode() + text


END = tape_of(member("a"))


def unpacked(data: bytes, folder: Path) -> list[str]:
    """Names of what comes out of an archive; nothing may come out beside it."""
    (folder / "archive").write_bytes(data)
    try:
        unpack(folder / "archive", folder / "target")
    finally:
        assert {path.name for path in folder.iterdir()} <= {"archive", "target"}
    target = folder / "target"
    return sorted(path.relative_to(target).as_posix() for path in target.rglob("*"))


def test_files_and_folders_are_unpacked(tmp_path: Path) -> None:
    long = "f" * 120 + "/" + "g" * 120
    made = archive_of(
        *(member("./", tarfile.DIRTYPE), member("folder", tarfile.DIRTYPE), member("folder/a")),
        *(member("./b"), member("Größe/秋田.jpg"), member(long), member("empty", size=0)),
        member("even", size=512),
    )
    names = unpacked(made, tmp_path)
    assert [name for name in names if (tmp_path / "target" / name).is_file()] == sorted(
        ["b", "empty", "even", "folder/a", "Größe/秋田.jpg", long]
    )
    file = tmp_path / "target" / "folder" / "a"
    assert file.read_bytes() == b"x"
    assert file.stat().st_mode & 0o7133 == 0
    assert (tmp_path / "target" / "even").stat().st_size == 512


def test_an_archive_in_two_gzip_members_is_one(tmp_path: Path) -> None:
    tape = tape_of(member("a"), member("b"))
    assert unpacked(gzip.compress(tape[:700]) + gzip.compress(tape[700:]), tmp_path) == ["a", "b"]


BAD: dict[str, bytes] = {
    "out of the folder": archive_of(member("good"), member("../outside")),
    "out by a detour": archive_of(member("good"), member("folder/../../outside")),
    "folder outside": archive_of(member("../outside", tarfile.DIRTYPE)),
    "absolute": archive_of(member("/tmp/outside")),
    "absolute with two": archive_of(member("//tmp/outside")),
    "symbolic link": archive_of(member("link", tarfile.SYMTYPE, "/etc")),
    "link to a sibling": archive_of(member("link", tarfile.SYMTYPE, "good"), member("good")),
    "hard link": archive_of(member("good"), member("link", tarfile.LNKTYPE, "good")),
    "device": archive_of(member("null", tarfile.CHRTYPE)),
    "block device": archive_of(member("disk", tarfile.BLKTYPE)),
    "pipe": archive_of(member("pipe", tarfile.FIFOTYPE)),
    "a kind that isn't known": archive_of(member("odd", b"Z")),
    "a name twice": archive_of(member("a"), member("a")),
    "a file as a folder": archive_of(member("a"), member("a/b")),
    "a folder as a file": archive_of(member("a/b"), member("a")),
    "no name": archive_of(member("")),
    "line break": archive_of(member("a\nb")),
    "escape": archive_of(member("a\x1b[2Jb")),
    "turned around": archive_of(member("a\u202egpj.exe")),
    "undecodable": archive_of(member("a\udcff")),
    "long name": archive_of(member("n" * 256)),
    "long path": archive_of(member("/".join(["n" * 200] * 6))),
    "deep": archive_of(member("d/" * 40 + "a")),
    "cut off": archive_of(member("good"))[:40],
    "cut off in a member": gzip.compress(tape_of(member("a", size=400))[:700]),
    "other compression": archive_of(member("good")).replace(b"\x1f\x8b\x08", b"\x1f\x8b\x09"),
    "not compressed": tape_of(member("a")),
    "no archive": b"no archive",
    "nothing": b"",
    "nothing compressed": gzip.compress(b""),
    "pax path": gzip.compress(
        raw(tarfile.XHDTYPE, record("path", "../outside")) + tape_of(member("a"))
    ),
    "pax path of all": gzip.compress(
        raw(tarfile.XGLTYPE, record("path", "../outside")) + tape_of(member("a"))
    ),
    "pax negative size": gzip.compress(
        raw(tarfile.XHDTYPE, record("size", "-1024")) + tape_of(member("a"), member("b"))
    ),
    "pax huge size": gzip.compress(
        raw(tarfile.XHDTYPE, record("size", str(2**62))) + tape_of(member("a"))
    ),
    "pax link": gzip.compress(
        raw(tarfile.XHDTYPE, record("linkpath", "/etc"))
        + tape_of(member("a", tarfile.SYMTYPE, "b"))
    ),
    "sparse": gzip.compress(raw(tarfile.GNUTYPE_SPARSE, b"", size=0) + END),
    "sparse by pax 0.1": archive_of(
        with_pax("a", {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(2**40)})
    ),
    "sparse by pax 1.0": archive_of(
        with_pax(
            "a",
            {
                "GNU.sparse.major": "1",
                "GNU.sparse.minor": "0",
                "GNU.sparse.realsize": str(2**40),
                "GNU.sparse.name": "../outside",
            },
        )
    ),
    "long header": gzip.compress(raw(tarfile.GNUTYPE_LONGNAME, b"n" * 2**20) + END),
    "long pax header": gzip.compress(raw(tarfile.XHDTYPE, record("comment", "n" * 2**20)) + END),
    "header that says it is endless": gzip.compress(raw(tarfile.XHDTYPE, b"", size=8**10) + END),
    "headers of headers": gzip.compress(raw(tarfile.XHDTYPE, record("comment", "n")) * 3000 + END),
    "long names of long names": gzip.compress(raw(tarfile.GNUTYPE_LONGNAME, b"n\0") * 3000 + END),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnpackError) as caught:
        unpacked(BAD[name], tmp_path)
    assert str(caught.value).isprintable()
    assert str(caught.value)


class Zeros(io.RawIOBase):
    """So many zeros without the memory for them."""

    def __init__(self, size_bytes: int) -> None:
        self._left = size_bytes

    def read(self, size: int = -1) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return bytes(size)


def bomb(sizes: Sequence[int]) -> bytes:
    """An archive of files of zeros."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", compresslevel=9) as tape:
        for number, size in enumerate(sizes):
            one = tarfile.TarInfo(f"zeros-{number}")
            one.size = size
            tape.addfile(one, Zeros(size))
    return made.getvalue()


@pytest.mark.parametrize("sizes", [[40 * 2**20], [2**20] * 40], ids=["one", "many"])
def test_an_archive_that_grows_a_thousandfold_is_refused(
    sizes: Sequence[int], tmp_path: Path
) -> None:
    data = bomb(sizes)
    assert len(data) < 2**18
    with pytest.raises(UnpackError, match="has more than 33554432 bytes unpacked"):
        unpacked(data, tmp_path)
    written = sum(path.stat().st_size for path in (tmp_path / "target").iterdir())
    assert written <= 32 * 2**20


def test_limits_of_bytes_and_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_tar, "MAX_BYTES", 4096)
    monkeypatch.setattr(safe_tar, "MAX_MEMBERS", 3)
    with pytest.raises(UnpackError, match="more than 4096 bytes unpacked"):
        unpacked(bomb([8192]), tmp_path)
    for folder, count in (("three", 3), ("four", 4)):
        place = tmp_path / folder
        place.mkdir()
        (place / "archive").write_bytes(archive_of(*(member(str(n)) for n in range(count))))
    monkeypatch.setattr(safe_tar, "MAX_BYTES", 2**20)
    unpack(tmp_path / "three" / "archive", tmp_path / "three" / "target")
    with pytest.raises(UnpackError, match="more than 3 members"):
        unpack(tmp_path / "four" / "archive", tmp_path / "four" / "target")


def test_a_long_name_in_the_gzip_header_costs_nothing(tmp_path: Path) -> None:
    plain = gzip.compress(tape_of(member("a")))
    named = plain[:3] + b"\x08" + plain[4:10] + b"n" * 2**20 + b"\0" + plain[10:]
    assert unpacked(named, tmp_path) == ["a"]
