"""Unpacks a model from an archive by anybody: the model's own files, and no others."""

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import IO

from dogbreed.artifact.file_names import FILES, max_bytes
from dogbreed.errors import ArtifactError

# An archive by pack_model has about 60 members. Other files than the model's are skipped, up to
# this size: the code of an endpoint takes less than a megabyte.
MAX_MEMBERS = 10_000
MAX_OTHER_BYTES = 2**30
_DAMAGE = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError)


def unpack_model(archive: Path, target: Path) -> None:
    """Write the files of the model at the top of a .tar.gz into the new folder `target`.

    Raises:
        ArtifactError: it is damaged, has one of the files twice, as a link or a device, or larger
            than it may be, or too much else.
    """
    target.mkdir()
    try:
        with tarfile.open(archive, "r|gz") as tape:
            _unpack(tape, target)
    except _DAMAGE as error:
        raise ArtifactError(
            f"The archive can't be unpacked ({error}): it isn't a model.tar.gz that dogbreed or "
            "its training job wrote."
        ) from error


def _unpack(tape: tarfile.TarFile, target: Path) -> None:
    other_bytes = 0
    for count, member in enumerate(tape, 1):
        name = member.name.removeprefix("./")
        other_bytes += member.size if name not in FILES else 0
        if count > MAX_MEMBERS or other_bytes > MAX_OTHER_BYTES:
            raise tarfile.TarError("it holds too many other files")
        if name not in FILES:
            continue
        content = tape.extractfile(member) if member.isreg() else None
        if content is None or member.issparse():
            raise tarfile.TarError(f"{name} is no regular file")
        if member.size > max_bytes(name):
            raise tarfile.TarError(f"{name} has more than {max_bytes(name):,} bytes")
        _write(content, target / name)


def _write(content: IO[bytes], path: Path) -> None:
    try:
        file = path.open("xb")
    except FileExistsError as error:
        raise tarfile.TarError(f"{path.name} is there twice") from error
    with file:
        shutil.copyfileobj(content, file)
