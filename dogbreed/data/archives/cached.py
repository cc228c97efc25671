"""Archives of photos in the cache: each content is extracted once, and verified when used again.

archives/<digest of the archive>/<its name>/...  what was in it
archives/<digest of the archive>/files.sha256    the paths, sizes and times of these files
archives/<digest of its path>.json               an archive's digest while its file is unchanged
"""

import hashlib
import logging
import os
import time
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from dogbreed.data.archives.extraction import extract
from dogbreed.data.archives.members import HEAD_BYTES, OTHERS, ArchiveError, kind_of
from dogbreed.data.decoding.formats import is_photo_suffix
from dogbreed.errors import DataError
from dogbreed.utils.alone import alone
from dogbreed.utils.documents import DocumentError, read_json
from dogbreed.utils.files import atomic_write, remove, write_json
from dogbreed.utils.user_paths import cache_dir, cached_in, private_folder

FOLDER, MANIFEST = "archives", "files.sha256"
DIGITS = 32  # of a digest in the name of a folder
TABLE_SUFFIXES = (".csv", ".tsv")
# A file that was written so recently could be written again without another time.
SETTLED_S = 2.0
ARCHIVE_SUFFIXES = (
    *(".tar.gz", ".tar.bz2", ".tar.xz"),
    *(".tgz", ".tbz2", ".txz", ".tar", ".zip"),
)

log = logging.getLogger("dogbreed")


def archive_stem(name: str) -> str:
    """The name of an archive without its suffix; any other name as it is."""
    suffix = next((each for each in ARCHIVE_SUFFIXES if name.lower().endswith(each)), "")
    return name[: len(name) - len(suffix)] or name


def has_archive_suffix(name: str) -> bool:
    """Whether a file of this name is an archive that is read, as far as its suffix says."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def check_archive(path: Path) -> None:
    """Raise a DataError unless a file begins as an archive that is read."""
    with _opened(path):
        pass


def extracted(path: Path) -> Path:
    """The folder of the photos of an archive, extracted into the cache unless it is there.

    It is the only folder at the archive's top, or all of it. It appears by one rename, so an
    interrupted extraction leaves nothing that is used.

    Raises:
        DataError: it is no archive, damaged, unsafe, too large, or doesn't fit on the disk.
        OutputError: the cache can't be used.
    """
    folder = cache_dir() / FOLDER
    with cached_in(folder):
        private_folder(folder.parent)
        private_folder(folder)
    with _opened(path) as file, cached_in(folder):
        place = folder / _digest(path, file, folder)[:DIGITS]
        is_new = not _is_complete(place)  # a complete one may be read-only
        if is_new:
            with alone(place.with_suffix(".lock"), f"extracting {path.name}"):
                is_new = not _is_complete(place)
                if is_new:
                    _replace(path, file, place)
    root = _top(_files(place))
    log.info("%s %s %s", path, "was extracted into" if is_new else "is already extracted in", root)
    return root


def _opened(path: Path) -> BufferedReader:
    """The open archive, at its start."""
    try:
        file = path.open("rb")
        head = file.read(HEAD_BYTES)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}.") from error
    file.seek(0)
    if kind_of(head) is not None:
        return file
    file.close()
    other = next((kind for start, kind in OTHERS.items() if head.startswith(start)), None)
    if other is not None:
        raise DataError(
            f"{path} is a {other} archive: extract it and set data.root to the folder, or pack "
            "the folder as zip or tar."
        )
    raise DataError(
        f"{path} is a file, but no zip or tar archive: data.root must be a folder with one folder "
        "per class, or an archive of one."
    )


def _digest(path: Path, file: BufferedReader, folder: Path) -> str:
    """The SHA-256 of an open archive: recorded while its size, times and inode are the same."""
    status = os.fstat(file.fileno())
    times = f"{status.st_mtime_ns}/{status.st_ctime_ns}"
    version = f"{status.st_size}/{times}/{status.st_dev}/{status.st_ino}"
    mark = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:DIGITS]
    record = folder / f"{mark}.json"
    try:
        known = read_json(record)
        if known["version"] == version and len(bytes.fromhex(known["sha256"])) == 32:
            return str(known["sha256"])
    except (DocumentError, LookupError, TypeError, ValueError):
        pass
    started = time.time()
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    if started - max(status.st_mtime, status.st_ctime) > SETTLED_S:
        with suppress(OSError):
            write_json(record, {"version": version, "sha256": digest})
    return digest


def _replace(path: Path, file: BufferedReader, place: Path) -> None:
    """Extract into a temporary folder, and rename that to `place`."""
    if place.exists():
        log.warning("warning: %s isn't as it was extracted: extracting it again", place)
        remove(place)
    before = os.fstat(file.fileno())
    try:
        with atomic_write(place) as beside:
            beside.mkdir(mode=0o700)
            files = beside / archive_stem(path.name)
            extract(file, path.name, files)
            after = os.fstat(file.fileno())
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise ArchiveError("it changed while it was extracted: run the command again")
            (beside / MANIFEST).write_text(_fingerprint(files), "utf-8")
    except ArchiveError as error:
        raise DataError(f"{path} can't be extracted: {error}.") from error


def _is_complete(place: Path) -> bool:
    """Whether an extracted archive has the files that were written, unchanged."""
    try:
        return (place / MANIFEST).read_text("utf-8") == _fingerprint(_files(place))
    except (OSError, UnicodeDecodeError):
        return False


def _files(place: Path) -> Path:
    """The folder of an extracted archive's files: the archive may have had another name then."""
    return next((entry for entry in place.iterdir() if entry.is_dir()), place / "missing")


def _fingerprint(folder: Path) -> str:
    """A digest of the paths, sizes and modification times of all files below a folder."""
    total = hashlib.sha256()
    waiting = [os.fsencode(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                status = entry.stat(follow_symlinks=False)
                total.update(
                    b"%s\0%d %d\n"
                    % (entry.path[len(os.fsencode(folder)) :], status.st_size, status.st_mtime_ns)
                )
    return total.hexdigest()


def _top(folder: Path) -> Path:
    """The only folder at the top, unless there are photos or tables beside it; else all."""
    entries = list(folder.iterdir())
    folders = [entry for entry in entries if entry.is_dir()]
    beside = [entry.suffix.lower() for entry in entries if not entry.is_dir()]
    used = any(is_photo_suffix(suffix) or suffix in TABLE_SUFFIXES for suffix in beside)
    return folders[0] if len(folders) == 1 and not used else folder
