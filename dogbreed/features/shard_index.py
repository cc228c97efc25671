"""A feature shard's index, photos.json: written, and checked against its schema before it is used.

A shard may come from anywhere, and its sender computes its checksum: every value is bounded, and a
path is one of a file below the shard's folder of photos.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from dogbreed.data.check import Checked
from dogbreed.data.layouts.splits import SPLITS, TRAIN, Finding, PhotoFolders, Sample
from dogbreed.errors import StoreError
from dogbreed.runtime.engine import EngineChoice
from dogbreed.utils.documents import DocumentError, json_value
from dogbreed.utils.files import MAX_NAME_BYTES
from dogbreed.utils.links import open_within

SCHEMA = 3  # 1 had no checksums, 2 no groups of photos
# ImageNet has 1.4 million photos and 1,000 classes; an entry for a photo takes about 140 bytes.
MAX_PHOTOS, MAX_CLASSES, MAX_INDEX_BYTES = 2_000_000, 100_000, 256 * 1024 * 1024
# Values take much more memory than their text; a photo has six.
MAX_VALUES = 16 * MAX_PHOTOS
MAX_PATH_BYTES = 4096  # PATH_MAX of Linux
MAX_TEXT = 4096  # characters of a name or a sentence
MAX_VERSIONS = 100
ENGINES, PRECISIONS = ("openvino", "cuda", "torch"), ("bf16", "f32")
_KEYS = frozenset(
    {
        *("schema", "name", "engine", "classes", "display_names", "split_locally"),
        *("samples", "findings", "sha256"),
    }
)


class _BadIndexError(ValueError):
    """What in an index breaks its schema."""


def as_index(name: str, checked: Checked, choice: EngineChoice) -> dict[str, Any]:
    """The index of a shard, as plain values; paths are those below the folder of the photos."""
    folders = checked.folders
    index: dict[str, Any] = {
        "schema": SCHEMA,
        "name": name,
        "engine": asdict(choice),
        "classes": folders.classes,
        "display_names": folders.display_names,
        "split_locally": folders.split_locally,
        "samples": [
            (
                *(s.split, s.label, str(s.path.relative_to(folders.root))),
                *(checked.digests[s.path].hex(), folders.groups.get(s.path)),
            )
            for s in folders.all_samples()
        ],
        "findings": [
            asdict(f) | {"path": str(f.path.relative_to(folders.root))} for f in checked.findings
        ],
    }
    return index | {"sha256": _sha256(index)}


def _sha256(index: Mapping[str, Any]) -> str:
    """Of everything else in the index."""
    values = {name: value for name, value in index.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def read_index(path: Path, photos: Path) -> tuple[str, Checked, EngineChoice]:
    """The shard's name, its photos and what extracted them; the photos' paths are below `photos`.

    Raises:
        OSError: it can't be read.
        StoreError: it isn't a shard's index, is of another version, or is damaged.
    """
    try:
        index = json_value(_read(path), MAX_VALUES)
        if index["schema"] > SCHEMA:
            raise StoreError(f"{path} is of a newer dogbreed: update this one.")
        if index["schema"] < SCHEMA:
            raise StoreError(f"{path} is of an older dogbreed: extract it again.")
        if index["sha256"] != _sha256(index):
            raise damaged(path)
        if index.keys() != _KEYS:
            raise _BadIndexError("it has other keys")
        checked = _checked(index, photos)
        return _text("name", index["name"]), checked, _engine(index["engine"])
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        reason = f" ({error})" if isinstance(error, _BadIndexError | DocumentError) else ""
        raise StoreError(
            f"{path} can't be read as a feature shard{reason}: extract it again."
        ) from error


def damaged(path: Path) -> StoreError:
    """The error for a file whose checksum is wrong."""
    return StoreError(f"{path} is damaged: copy the feature shard again, or extract it again.")


def _read(path: Path) -> bytes:
    """The index's bytes."""
    folder = os.path.realpath(path.parent)
    with open(open_within(path, folder), "rb") as file:  # noqa: PTH123 (a descriptor)
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise _BadIndexError("not a regular file")
        if status.st_size > MAX_INDEX_BYTES:
            raise _BadIndexError(f"{status.st_size:,} bytes; the limit is {MAX_INDEX_BYTES:,}")
        return file.read(status.st_size)


def _checked(index: Mapping[str, Any], photos: Path) -> Checked:
    classes = _texts("classes", index["classes"])
    display_names = _texts("display_names", index["display_names"])
    if not 2 <= len(set(classes)) == len(classes) == len(display_names) <= MAX_CLASSES:
        raise _BadIndexError("classes: must be two or more, each once and with a name")
    samples: dict[str, list[Sample]] = {split: [] for split in SPLITS}
    digests: dict[Path, bytes] = {}
    groups: dict[Path, str] = {}
    for split, label, text, digest, group in _list("samples", index["samples"], MAX_PHOTOS):
        path = photos / _inner_path(text)
        if split not in SPLITS or type(label) is not int or not 0 <= label < len(classes):
            raise _BadIndexError(f"samples: {split!a:.40} of class {label!a:.40}")
        if path in digests:
            raise _BadIndexError(f"samples: {text!a:.80} is there twice")
        samples[split].append(Sample(path, label, split))
        digests[path] = bytes.fromhex(digest)
        if len(digests[path]) != 32:
            raise _BadIndexError("samples: a digest isn't one of SHA-256")
        if group is not None:
            groups[path] = _text("a group", group)
    trained = {sample.label for sample in samples[TRAIN]}
    if len(trained) != len(classes) or not all(samples.values()):
        raise _BadIndexError("samples: a split, or a class in train, has none")
    findings = _list("findings", index["findings"], MAX_PHOTOS)
    folders = PhotoFolders(
        root=photos,
        classes=classes,
        display_names=display_names,
        samples={split: tuple(each) for split, each in samples.items()},
        findings=tuple(_finding(each, photos) for each in findings),
        split_locally=tuple(split for split in SPLITS if split in index["split_locally"]),
        within=os.path.realpath(photos.parent),
        groups=groups,
    )
    return Checked(folders=folders, digests=digests, findings=folders.findings)


def _finding(values: Any, photos: Path) -> Finding:
    if not isinstance(values, dict) or values.keys() != {item.name for item in fields(Finding)}:
        raise _BadIndexError("findings: one has other keys")
    if type(values["bad"]) is not bool or type(values["photos"]) is not int:
        raise _BadIndexError("findings: bad must be true or false, photos an integer")
    if not 0 <= values["photos"] <= MAX_PHOTOS:
        raise _BadIndexError(f"findings: {values['photos']!a:.40} photos")
    return Finding(
        path=photos if values["path"] == "." else photos / _inner_path(values["path"]),
        reason=_text("findings", values["reason"]),
        message=_text("findings", values["message"]),
        bad=values["bad"],
        photos=values["photos"],
    )


def _engine(values: Any) -> EngineChoice:
    """What extracted the features."""
    choice = EngineChoice(**values)
    if choice.name not in ENGINES or choice.precision not in PRECISIONS:
        raise _BadIndexError(f"engine: {choice.name!a:.40} in {choice.precision!a:.40}")
    _text("engine", choice.reason)
    if not isinstance(choice.versions, dict) or len(choice.versions) > MAX_VERSIONS:
        raise _BadIndexError("engine: its versions are no texts by name")
    _texts("engine", [*choice.versions, *choice.versions.values()])
    return choice


def _inner_path(text: Any) -> str:
    """The path of a file below a folder, in the one way of writing it.

    Paths that lead elsewhere under Windows are refused too: a drive, a share, backslashes.
    """
    as_posix, as_windows = PurePosixPath(_text("a path", text)), PureWindowsPath(text)
    sizes = [len(part.encode("utf-8", "surrogateescape")) for part in as_posix.parts]
    if (
        as_posix.is_absolute()
        or as_windows.anchor
        or ".." in (*as_posix.parts, *as_windows.parts)
        or "\0" in text
        or text in ("", ".")
        or str(as_posix) != text
    ):
        raise _BadIndexError(f"the path {text!a:.80} isn't one of a file inside")
    if max(sizes) > MAX_NAME_BYTES or sum(sizes) + len(sizes) > MAX_PATH_BYTES:
        raise _BadIndexError(f"the path {text!a:.80} is too long")
    return str(text)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise _BadIndexError(f"{name}: must be text of at most {MAX_TEXT:,} characters")
    return value


def _texts(name: str, values: Any) -> tuple[str, ...]:
    return tuple(_text(name, value) for value in _list(name, values, MAX_CLASSES))


def _list(name: str, values: Any, max_length: int) -> Iterable[Any]:
    if not isinstance(values, list) or len(values) > max_length:
        raise _BadIndexError(f"{name}: must be a list of at most {max_length:,}")
    return values
