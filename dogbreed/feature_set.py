"""A feature set: what a training needs of checked photos, in a folder that can be sent elsewhere.

photos.json          classes, samples with their digests, findings, how it was extracted, and
                     the SHA-256 of all that
stores/<share>/...   the feature stores of each machine that took a share of the photos
photos/...           the few validation photos that a written model answers for
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dogbreed.backbone.engine import EngineChoice
from dogbreed.backbone.extraction import Request
from dogbreed.backbone.features import FeatureStore
from dogbreed.data import photos
from dogbreed.data.batches import spread
from dogbreed.data.check import Checked
from dogbreed.data.splits import SPLITS, VALID, Finding, PhotoFolders, Sample
from dogbreed.errors import StoreError
from dogbreed.files import write_text
from dogbreed.serving.export import CHECKED_PHOTOS

SCHEMA = 2  # 1 had no checksums
INDEX = "photos.json"
STORES = "stores"
PHOTOS = "photos"


@dataclass(frozen=True)
class FeatureSet:
    """A feature set as it was read."""

    folder: Path
    name: str
    checked: Checked
    choice: EngineChoice

    def fill(self, stores: Mapping[str, FeatureStore], requests: Sequence[Request]) -> int:
        """Copy what `stores`, one per view, lack; how many rows were copied.

        Damaged rows, here or there, are reported and count as missing.

        Raises:
            StoreError: the set was extracted with other settings, or a part of it is missing.
        """
        for view, store in stores.items():
            store.verify(request.digest for request in requests if view in request.views)
        copied = sum(
            store.copy_from(folder / store.folder.name)
            for store in stores.values()
            for folder in sorted((self.folder / STORES).glob("*"))
        )
        missing = {r.path for r in requests if any(r.digest not in stores[v] for v in r.views)}
        if missing:
            raise StoreError(
                f"The feature set {self.folder} lacks the features of {len(missing)} of "
                f"{len(requests)} photos: it was extracted with another backbone, size or number "
                "of views, or a part of it is damaged or didn't arrive. Copy it again, or extract "
                "it again with these settings."
            )
        return copied


def share_folder(folder: Path, share: int) -> Path:
    """Where the machine of this number keeps its stores."""
    return folder / STORES / f"{share:03}"


def write_index(folder: Path, name: str, checked: Checked, choice: EngineChoice) -> None:
    """Write all of the set but its stores."""
    folders = checked.folders
    root = folders.root
    index = {
        "schema": SCHEMA,
        "name": name,
        "engine": asdict(choice),
        "classes": folders.classes,
        "display_names": folders.display_names,
        "split_here": folders.split_here,
        "samples": [
            (s.split, s.label, str(s.path.relative_to(root)), checked.digests[s.path].hex())
            for s in folders.all_samples()
        ],
        "findings": [asdict(f) | {"path": str(f.path)} for f in checked.findings],
    }
    valid = folders.samples[VALID]
    for number in spread(len(valid), CHECKED_PHOTOS):
        kept = folder / PHOTOS / valid[number].path.relative_to(root)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(valid[number].path, kept)
    index["sha256"] = _sha256(index)
    write_text(folder / INDEX, json.dumps(index))


def _sha256(index: Mapping[str, Any]) -> str:
    """Of everything else in the index."""
    values = {name: value for name, value in index.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def read_feature_set(folder: Path) -> FeatureSet:
    """Read the set in `folder`.

    Raises:
        StoreError: there is none, none that this version reads, or a damaged one.
    """
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_text("utf-8"))
        if index["schema"] > SCHEMA:
            raise StoreError(f"{folder / INDEX} is of a newer dogbreed: update this one.")
        if index["schema"] < SCHEMA:
            raise StoreError(f"{folder / INDEX} is of an older dogbreed: extract it again.")
        if index["sha256"] != _sha256(index):
            raise _damaged(folder / INDEX)
        feature_set = _parse(folder, index)
        for path in (folder / PHOTOS).rglob("*"):
            known = feature_set.checked.digests.get(path)
            if known is not None and photos.digest(path.read_bytes()) != known:
                raise _damaged(path)
        return feature_set
    except OSError as error:
        raise StoreError(
            f"data.feature_set={folder}: there is no feature set ({error.strerror}: "
            f"{error.filename})."
        ) from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise StoreError(
            f"{folder / INDEX} can't be read as a feature set: extract it again."
        ) from error


def _damaged(path: Path) -> StoreError:
    return StoreError(f"{path} is damaged: copy the feature set again, or extract it again.")


def _parse(folder: Path, index: Mapping[str, Any]) -> FeatureSet:
    root = folder / PHOTOS
    samples: dict[str, list[Sample]] = {split: [] for split in SPLITS}
    digests: dict[Path, bytes] = {}
    for split, label, path, digest in index["samples"]:
        samples[split].append(Sample(root / path, label, split))
        digests[root / path] = bytes.fromhex(digest)
    findings = tuple(Finding(**{**each, "path": Path(each["path"])}) for each in index["findings"])
    folders = PhotoFolders(
        root=root,
        classes=tuple(index["classes"]),
        display_names=tuple(index["display_names"]),
        samples={split: tuple(own) for split, own in samples.items()},
        findings=findings,
        split_here=tuple(index["split_here"]),
    )
    checked = Checked(folders=folders, digests=digests, findings=findings)
    return FeatureSet(folder, index["name"], checked, EngineChoice(**index["engine"]))
