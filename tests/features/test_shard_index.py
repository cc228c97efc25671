"""A feature set from anywhere: each value of its index is bounded, each path is inside it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import draw_folders, draw_photo

from dogbreed.data.check import Checked, check
from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.sampling import Sampling
from dogbreed.errors import DataError, StoreError
from dogbreed.features import index as feature_index
from dogbreed.features import shard_index as shard_index
from dogbreed.features.index import FeatureIndex
from dogbreed.features.records import RECORD
from dogbreed.features.shard import read_feature_shard, share_folder, write_index
from dogbreed.report.thumbnails import thumbnails
from dogbreed.runtime.engine import EngineChoice

Index = dict[str, Any]
CHOICE = EngineChoice("torch", "f32", "asked for", {"torch": "2"})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checked]:
    """A set of 18 photos without stores; a class folder is empty, which its index mentions."""
    root = tmp_path_factory.mktemp("a set")
    draw_folders(root / "photos", {"train": 4, "valid": 1, "test": 1})
    (root / "photos" / "train" / "Empty").mkdir()
    sampling = Sampling(group=r"\w+/\w+/0")  # the first ten photos of each class and split
    checked = check(read_folders(root / "photos", sampling=sampling))
    write_index(root / "set", "mine", checked, CHOICE)
    return root / "set", checked


@pytest.fixture
def folder(written: tuple[Path, Checked], tmp_path: Path) -> Path:
    """A copy of the set."""
    return shutil.copytree(written[0], tmp_path / "set")


def signed(folder: Path, change: Callable[[Index], object]) -> None:
    """Change the index as its sender can, who signs what he has changed."""
    path = folder / "photos.json"
    index = json.loads(path.read_text("utf-8"))
    change(index)
    index["sha256"] = shard_index._sha256(index)
    path.write_text(json.dumps(index), "utf-8")


def refused(folder: Path) -> str:
    with pytest.raises(StoreError) as caught:
        read_feature_shard(folder)
    return str(caught.value)


def test_it_is_read_as_it_was_written(folder: Path, written: tuple[Path, Checked]) -> None:
    before, found = written[1], read_feature_shard(folder)
    assert (found.name, found.choice) == ("mine", CHOICE)
    assert found.checked.folders.classes == before.folders.classes
    assert [*found.checked.digests.values()] == [*before.digests.values()]
    assert [(s.split, s.label) for s in found.checked.folders.all_samples()] == [
        (s.split, s.label) for s in before.folders.all_samples()
    ]
    groups = found.checked.folders.groups
    assert len(groups) == len(before.folders.groups) > 0
    assert {
        path.relative_to(folder / "photos").as_posix(): group for path, group in groups.items()
    } == {
        path.relative_to(before.folders.root).as_posix(): group
        for path, group in before.folders.groups.items()
    }
    assert [f.reason for f in found.checked.findings] == ["empty_class"]
    assert found.checked.findings[0].path == folder / "photos" / "train" / "Empty"


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "//etc/passwd", "../private.jpg", "train/../../private.jpg", ".."),
        *("train/..", "./x.jpg", "train//x.jpg", "x.jpg/", ".", "", "a\0b.jpg", "~/../x.jpg"),
        *("C:x.jpg", "C:\\x.jpg", "C:/x.jpg", "\\x.jpg", "\\\\host\\share\\x.jpg", "a\\..\\..\\x"),
        *("//host/share/x.jpg", "x" * 256, "é" * 128, "x/" * 2100 + "x", "\ud800", 7, None, ["x"]),
    ],
    ids=lambda path: f"{path!a:.30}",
)
@pytest.mark.parametrize("of", ["samples", "findings"])
def test_a_path_that_leads_out_is_refused(folder: Path, path: Any, of: str) -> None:
    if of == "findings" and path == ".":
        return  # the folder of the photos itself

    def change(index: Index) -> None:
        if of == "samples":
            index["samples"][0][2] = path
        else:
            index["findings"][0]["path"] = path

    signed(folder, change)
    assert "photos.json can't be read as a feature shard" in refused(folder)


def set_to(name: str, value: Any) -> Callable[[Index], object]:
    return lambda index: index.update({name: value})


def set_in(name: str, place: Any, value: Any) -> Callable[[Index], object]:
    return lambda index: index[name].__setitem__(place, value)


HOSTILE: dict[str, Callable[[Index], object]] = {
    "another key": set_to("more", 1),
    "no name": lambda index: index.pop("name"),
    "no findings": lambda index: index.pop("findings"),
    "name that is none": set_to("name", ["x"]),
    "long name": set_to("name", "x" * 5000),
    "one class": set_to("classes", ["Akita"]),
    "class twice": set_to("classes", ["Akita", "Akita", "Beagle"]),
    "class that is none": set_in("classes", 0, {}),
    "classes that are no list": set_to("classes", "abc"),
    "a name too few": set_to("display_names", ["a", "b"]),
    "a class without photos": lambda index: (
        index["classes"].append("Zebra"),
        index["display_names"].append("Zebra"),
    ),
    "no samples": set_to("samples", []),
    "samples that are no list": set_to("samples", {}),
    "a sample too short": set_in("samples", 0, ["train", 0]),
    "a sample that is none": set_in("samples", 0, 3),
    "the same path twice": lambda index: index["samples"].append(index["samples"][0]),
    "an unknown split": lambda index: index["samples"][0].__setitem__(0, "holdout"),
    "a split that is a list": lambda index: index["samples"][0].__setitem__(0, ["train"]),
    "a label too high": lambda index: index["samples"][0].__setitem__(1, 3),
    "a label below zero": lambda index: index["samples"][0].__setitem__(1, -1),
    "a label that is true": lambda index: index["samples"][0].__setitem__(1, True),
    "a label with a fraction": lambda index: index["samples"][0].__setitem__(1, 0.0),
    "a group that is none": lambda index: index["samples"][0].__setitem__(4, 3),
    "a long group": lambda index: index["samples"][0].__setitem__(4, "x" * 5000),
    "a short digest": lambda index: index["samples"][0].__setitem__(3, "ab"),
    "no digest": lambda index: index["samples"][0].__setitem__(3, "x" * 64),
    "no photos of a split": lambda index: index.update(
        samples=[sample for sample in index["samples"] if sample[0] != "valid"]
    ),
    "a finding of other keys": set_in("findings", 0, {"path": "x"}),
    "a finding that is none": set_in("findings", 0, "x"),
    "bad that is no truth": lambda index: index["findings"][0].update(bad="yes"),
    "too many photos left out": lambda index: index["findings"][0].update(photos=10**12),
    "photos below zero": lambda index: index["findings"][0].update(photos=-1),
    "a long message": lambda index: index["findings"][0].update(message="x" * 5000),
    "an unknown engine": lambda index: index["engine"].update(name="auto"),
    "an unknown precision": lambda index: index["engine"].update(precision="f64"),
    "an engine of other keys": lambda index: index["engine"].update(run="x"),
    "versions that are none": lambda index: index["engine"].update(versions=[1]),
    "many versions": lambda index: index["engine"].update(
        versions={str(n): "" for n in range(999)}
    ),
    "a version that is none": lambda index: index["engine"].update(versions={"torch": {}}),
    "split_locally that is none": set_to("split_locally", 5),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_index_that_is_none_is_refused_in_one_sentence(folder: Path, kind: str) -> None:
    signed(folder, HOSTILE[kind])
    message = refused(folder)
    assert "photos.json can't be read as a feature shard" in message
    assert message.endswith("extract it again.")
    assert len(message) < 500


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"a":' * 100_000, b"1e999", b"null", b"\xff\xfe", b"1" * 5000, b""],
    ids=["lists", "mappings", "infinity", "null", "bytes", "digits", "empty"],
)
def test_json_of_another_kind_is_refused(folder: Path, content: bytes) -> None:
    (folder / "photos.json").write_bytes(content)
    assert "can't be read as a feature shard" in refused(folder)


@pytest.mark.parametrize("name", ["MAX_PHOTOS", "MAX_INDEX_BYTES", "MAX_VALUES", "MAX_CLASSES"])
def test_more_than_a_set_can_have_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    read_feature_shard(folder)
    monkeypatch.setattr(shard_index, name, 2)
    assert "can't be read as a feature shard" in refused(folder)


def test_an_index_that_is_a_pipe_or_a_link_out_is_refused(folder: Path, tmp_path: Path) -> None:
    index = folder / "photos.json"
    index.rename(tmp_path / "elsewhere.json")
    index.symlink_to(tmp_path / "elsewhere.json")
    assert "leads out of" in refused(folder)
    index.unlink()
    os.mkfifo(index)
    assert "not a regular file" in refused(folder)
    index.unlink()
    with index.open("wb") as file:
        file.truncate(2**40)
    assert "1,099,511,627,776 bytes" in refused(folder)


def test_a_photo_that_is_a_link_out_or_a_pipe_is_refused(folder: Path, tmp_path: Path) -> None:
    photo = next((folder / "photos").rglob("*.jpg"))
    photo.rename(tmp_path / "mine.jpg")
    photo.symlink_to(tmp_path / "mine.jpg")
    assert f"{photo}: can't be read: a symbolic link leads out of" in refused(folder)
    photo.unlink()
    os.mkfifo(photo)
    assert "not a regular file" in refused(folder)


def test_no_photo_outside_gets_into_the_report(folder: Path, tmp_path: Path) -> None:
    """A folder in the set that is a link, to a file that the index doesn't know the digest of."""
    draw_photo(tmp_path / "mine" / "private.jpg", 3, 4)
    (folder / "photos" / "train").mkdir(exist_ok=True)
    (folder / "photos" / "train" / "zz").symlink_to(tmp_path / "mine")
    signed(folder, lambda index: index["samples"][0].__setitem__(2, "train/zz/private.jpg"))
    folders = read_feature_shard(folder).checked.folders
    path = folders.samples["train"][0].path
    assert path.is_file()
    assert thumbnails(folders.root, [path], folders.within)[path].uri is None


def test_stores_that_are_links_out_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    found = read_feature_shard(folder)
    share_folder(folder, 0).parent.mkdir()
    share_folder(folder, 0).symlink_to(tmp_path / "cache")
    with pytest.raises(StoreError, match="symbolic link that leads out of the feature shard"):
        list(found._shares())
    share_folder(folder, 0).unlink()
    share_folder(folder, 0).mkdir()
    (share_folder(folder, 0) / "key").symlink_to(tmp_path / "cache")
    with pytest.raises(StoreError, match="symbolic link that leads out of the feature shard"):
        list(found._shares())


def test_shares_are_those_of_machines(folder: Path) -> None:
    for name in ("000", "001", "1", "0001", "more", "..."):
        (folder / "stores" / name).mkdir(parents=True)
    found = read_feature_shard(folder)
    assert [path.name for path in found._shares()] == ["000", "001"]


def test_an_index_of_records_without_end_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "digests.bin").open("w+b") as file:
        file.truncate((feature_index.MAX_RECORDS + 1) * RECORD.itemsize)
        with pytest.raises(StoreError, match="claims 10,000,001 records"):
            FeatureIndex("recipe").read(file.fileno())


def test_a_photo_that_changed_since_the_check_is_not_put_into_a_set(
    photos_root: Path, tmp_path: Path
) -> None:
    checked = check(read_folders(photos_root))
    for sample in checked.folders.samples["valid"]:
        sample.path.unlink()
        sample.path.symlink_to("/etc/passwd")
    with pytest.raises(DataError, match="leads out of"):
        write_index(tmp_path / "set", "mine", checked, CHOICE)
    assert not [path for path in (tmp_path / "set").rglob("*") if path.is_file()]
