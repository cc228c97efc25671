"""Layouts of folders: which are splits, which are classes, and which are ambiguous."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.split_names import split_name
from dogbreed.data.layouts.splits import SPLITS, TEST, TRAIN, VALID, PhotoFolders
from dogbreed.errors import DataError

PHOTOS = 4  # in each folder


def touch(root: Path, folders: Sequence[str]) -> Path:
    """PHOTOS empty photos in each of the folders below `root`."""
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(PHOTOS):
            (root / folder / f"{number}.jpg").touch()
    return root


def classes_in(*folders: str, names: Sequence[str] = "ab") -> list[str]:
    return [f"{folder}/{name}" for folder in folders for name in names]


def read(root: Path, *folders: str, nested: bool | None = None) -> PhotoFolders:
    return read_folders(touch(root, folders), nested_classes=nested)


def error_of(root: Path, *folders: str, nested: bool | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read(root, *folders, nested=nested)
    message = str(caught.value)
    assert len(message) < 1500
    return message


def findings(folders: PhotoFolders) -> list[tuple[str, str]]:
    return [(f.reason, f.path.relative_to(folders.root).as_posix()) for f in folders.findings]


# --- splits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "names"),
    [
        (TRAIN, "train training Training TRAIN trn tr Train_Set train-set train_images "
                "images_train imagesTrain TrainImages train_data dataset_train trainset traindata "
                "01_train 1-train 01.train train2017 train1 train_v2 x_train trainval train_val "
                "(train) train- training-photos train_256x256 resized_train trainingset"),
        (VALID, "valid val validation Validation VAL dev Dev development eval evaluation val2017 "
                "02_val valid-set devset validation_images images_val validate"),
        (TEST, "test testing Testing TST tst holdout hold_out Hold-Out heldout test1 Test_Set "
               "03_test testset test_images tests"),
    ],
)  # fmt: skip
def test_names_of_splits(split: str, names: str) -> None:
    for name in names.split():
        parsed = split_name(name)
        assert parsed is not None, name
        assert (parsed.split, parsed.rest) == (split, frozenset()), name


@pytest.mark.parametrize(
    "name",
    ["trains", "trainer", "trail", "strain", "untrained", "contest", "latest", "testes", "value",
     "valley", "devil", "device", "attest", "bus", "medieval", "train_test", "test_dev", "trio",
     "retrieval", "invalid", "interval", "tryst", "trumpet", "", "2017", "images", "训练"],
)  # fmt: skip
def test_names_of_no_split(name: str) -> None:
    assert split_name(name) is None


@pytest.mark.parametrize(
    ("name", "rest"),
    [("test_tube", "tube"), ("training_shoes", "shoes"), ("dogs_train", "dogs"),
     ("steam train", "steam"), ("no_test", "no"), ("train_masks", "masks")],
)  # fmt: skip
def test_names_that_say_more(name: str, rest: str) -> None:
    parsed = split_name(name)
    assert parsed is not None
    assert parsed.rest == {rest}


@pytest.mark.parametrize(
    "splits",
    [
        ("Training", "Validation", "Testing"),
        ("TRAIN", "DEV", "TEST"),
        ("train_set", "valid_set", "test_set"),
        ("images_train", "images_val", "images_test"),
        ("01_train", "02_valid", "03_test"),
        ("dogs_train", "dogs_valid", "dogs_test"),
        ("my dogs train", "my dogs val", "my dogs test"),
        ("train2017", "val2017", "test2017"),
        ("seg_train/seg_train", "seg_val/seg_val", "seg_test/seg_test"),
        ("train/images", "val/images", "test/images"),
        ("trn", "development", "holdout"),
        ("trainval", "eval", "tst"),
        ("training", "validation", "evaluation"),
    ],
)
def test_split_folders(tmp_path: Path, splits: tuple[str, ...]) -> None:
    folders = read(tmp_path, *classes_in(*splits))
    assert folders.classes == ("a", "b")
    assert [folders.counts(split) for split in SPLITS] == [[PHOTOS] * 2] * 3
    assert folders.split_locally == ()
    assert folders.findings == ()
    for split, name in zip(SPLITS, splits, strict=True):
        assert all(tmp_path / name in sample.path.parents for sample in folders.samples[split])


def test_many_wrappers(tmp_path: Path) -> None:
    folders = read(tmp_path, *classes_in(f"train/{'images/' * 60}"), f"test/{'test/' * 60}a")
    assert folders.classes == ("a", "b")
    assert folders.split_locally == (VALID,)


@pytest.mark.parametrize(
    ("names", "drawn"),
    [
        (("Training", "Testing"), (VALID,)),
        (("training", "dev"), (TEST,)),
        (("tr", "tst"), (VALID,)),
        (("dogs_train", "test"), (VALID,)),
        (("train_dogs", "holdout_of_dogs"), (VALID,)),
        (("Train",), (VALID, TEST)),
        (("dogs_train",), (VALID, TEST)),
    ],
)
def test_missing_splits_are_drawn(
    tmp_path: Path, names: tuple[str, ...], drawn: tuple[str, ...]
) -> None:
    folders = read(tmp_path, *classes_in(*names))
    assert folders.classes == ("a", "b")
    assert folders.split_locally == drawn
    assert folders.findings == ()


@pytest.mark.parametrize(
    ("folders", "split"),
    [
        (("train", "training", "test"), TRAIN),
        (("train", "Train"), TRAIN),
        (("train", "train_augmented", "test"), TRAIN),
        (("train", "val", "dev", "test"), VALID),
        (("train", "val", "validation"), VALID),
        (("dogs_train", "dogs_test", "cats_train", "cats_test"), TEST),
        (("Training", "PublicTest", "PrivateTest"), TEST),
    ],
)
def test_two_folders_for_one_split(tmp_path: Path, folders: tuple[str, ...], split: str) -> None:
    twins = [name for name in sorted(folders) if (split_name(name) or (None,))[0] == split]
    message = error_of(tmp_path, *classes_in(*folders))
    assert f"{twins[0]}/, {twins[1]}/ look like the same split ({split})" in message


@pytest.mark.parametrize(
    "folders",
    [
        ("train", "bus", "car"),
        ("train", "test_tube", "bus"),
        ("training_shoes", "test_tube"),
        ("train_station", "bus_station"),
        ("valid", "invalid"),
        ("test", "control"),
        ("Dev", "Anna", "Eva"),
        ("tr", "de", "fr"),
        ("steam_train", "diesel_train"),
    ],
)
def test_classes_that_are_called_like_splits(tmp_path: Path, folders: tuple[str, ...]) -> None:
    read_as = read(tmp_path, *folders)
    assert read_as.classes == tuple(sorted(folders))
    assert read_as.split_locally == (VALID, TEST)
    assert read_as.findings == ()


@pytest.mark.parametrize(
    "folders",
    [
        ("train/steam", "train/diesel", "bus", "car"),
        ("train/steam", "train/diesel", "bus/city", "bus/coach"),
        ("train/steam", "train/diesel", "bus/city", "car"),
    ],
)
@pytest.mark.parametrize("nested", [None, False, True])
def test_train_as_a_split_or_a_class(
    tmp_path: Path, folders: tuple[str, ...], nested: bool | None
) -> None:
    message = error_of(tmp_path, *folders, nested=nested)
    assert "is train/ the training split, or a class like bus/" in message
    assert "move the others away" in message
    assert "give it another name, such as trains/" in message
    (tmp_path / "train").rename(tmp_path / "trains")
    assert {"trains", "bus"} <= set(read_folders(tmp_path, nested_classes=False).classes)


def test_a_folder_of_the_same_classes_may_be_the_missing_split(tmp_path: Path) -> None:
    message = error_of(tmp_path, *classes_in("train", "prüfung"))
    assert "prüfung/ has class folders like those of train/" in message
    assert "rename it valid or test if it is one, else move it away" in message


@pytest.mark.parametrize(
    "folders",
    [
        ("train", "test"),
        ("Training", "Dev", "tst"),
        ("train/images", "valid/images", "test/images"),
    ],
)
def test_split_folders_with_the_photos_themselves(tmp_path: Path, folders: tuple[str, ...]) -> None:
    message = error_of(tmp_path, *folders)
    assert "look like splits, but the photos are in them directly" in message
    assert str(tmp_path / "train" / "Beagle") in message


def test_splits_in_the_names_of_classes(tmp_path: Path) -> None:
    message = error_of(tmp_path, "dogs_train", "dogs_test", "cats_train", "cats_test")
    assert "cats_test/, cats_train/ look like splits" in message


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (classes_in("Testing", "dev"), "has Testing/, dev/ but no train/ folder"),
        (["train", *classes_in("test")], "has test/, but train/ has no class folders"),
        ([*classes_in("ds/Training", "ds/Testing")], "Did you mean data.root={root}/ds?"),
        ([*classes_in("a/train", "b/train")], "Did you mean data.root={root}/a?"),
        ([*classes_in("Images"), "Images/c"], "Did you mean data.root={root}/Images?"),
        (classes_in("train/train", "train/test"), "Did you mean data.root={root}/train?"),
        (classes_in("my_train/train", "my_train/val"), "Did you mean data.root={root}/my_train?"),
        (classes_in("train_test/train", "train_test/test"),
         "Did you mean data.root={root}/train_test?"),
        (["images"], "one class with photos to train on (images)"),
        (classes_in("train/dogs", "test/dogs"), "data.nested_classes=true makes a class of each"),
    ],
)  # fmt: skip
def test_nothing_to_train_on(tmp_path: Path, folders: list[str], message: str) -> None:
    assert message.format(root=tmp_path) in error_of(tmp_path, *folders)


def test_an_empty_split_folder(tmp_path: Path) -> None:
    (tmp_path / "Testing").mkdir()
    assert "has no photos for test" in error_of(tmp_path, *classes_in("train"))


# --- folders that aren't used ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("folders", "unused"),
    [
        ([*classes_in("train", "test"), "extra", "unsup"], ["extra", "unsup"]),
        ([*classes_in("train"), "extra", "unsup/deep"], ["extra", "unsup"]),
        ([*classes_in("train"), "old photos", "unlabeled_images"],
         ["old photos", "unlabeled_images"]),
        ([*classes_in("train", "extra")], ["extra"]),
        ([*classes_in("train"), "stuff"], ["stuff"]),
        ([*classes_in("train"), "a", "b"], ["a", "b"]),
        ([*classes_in("train"), "test"], ["test"]),
        ([*classes_in("train", "val", "test", "foo"), *classes_in("bar", names="xy")],
         ["bar", "foo"]),
        ([*classes_in("train", "test"), "train_masks/a"], ["train_masks"]),
        ([*classes_in("asl_train/asl_train"), "asl_test/asl_test"], ["asl_test"]),
        ([*classes_in("train"), "test/images"], ["test"]),
    ],
)  # fmt: skip
def test_folders_that_are_not_used(tmp_path: Path, folders: list[str], unused: list[str]) -> None:
    read_as = read(tmp_path, *folders)
    assert read_as.classes == ("a", "b")
    assert findings(read_as) == [("unused_folder", name) for name in unused]
    for found in read_as.findings:
        count = PHOTOS * sum(folder.split("/")[0] == found.path.name for folder in folders)
        assert found.message.startswith(f"{count} photos aren't used: ")
    paths = [sample.path.relative_to(tmp_path).parts[0] for sample in read_as.all_samples()]
    assert not set(paths) & set(unused)


def test_photos_beside_the_splits(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").touch()
    read_as = read(tmp_path, *classes_in("train", "test"))
    (found,) = read_as.findings
    assert (found.reason, found.path) == ("no_class", tmp_path)
    assert found.message == "1 photos are beside the split folders; left out"


# --- folders in class folders ----------------------------------------------------------------

SHOES = ("shoes/boots", "shoes/sneakers", "hats")


@pytest.mark.parametrize("split", ["", "train/"])
def test_nested_classes(tmp_path: Path, split: str) -> None:
    folders = [f"{split}{name}" for name in SHOES]
    message = error_of(tmp_path, *folders)
    assert "1 folder has photos in several folders" in message
    assert "shoes/: boots, sneakers" in message
    assert "data.nested_classes=false" in message
    assert "such as shoes (2 classes)" in message
    assert "data.nested_classes=true" in message
    assert "such as shoes/boots (3 classes)" in message
    assert "looks like" not in message
    flat = read_folders(tmp_path, nested_classes=False)
    assert flat.classes == ("hats", "shoes")
    nested = read_folders(tmp_path, nested_classes=True)
    assert nested.classes == nested.display_names == ("hats", "shoes/boots", "shoes/sneakers")
    for read_as in (flat, nested):
        assert len(read_as.all_samples()) == 3 * PHOTOS
        assert read_as.findings == ()
        for sample in read_as.all_samples():
            name = read_as.classes[sample.label]
            assert sample.path.relative_to(tmp_path / split).as_posix().startswith(f"{name}/")


def test_photos_beside_nested_classes(tmp_path: Path) -> None:
    assert "shoes/: ., boots" in error_of(tmp_path, "shoes", "shoes_/boots", "shoes/boots", "hats")


def test_photos_beside_nested_classes_are_a_class(tmp_path: Path) -> None:
    folders = read(tmp_path, "shoes", "shoes/boots", "shoes/boots/red", "hats", nested=True)
    assert folders.classes == ("hats", "shoes", "shoes/boots", "shoes/boots/red")


def test_nested_classes_of_different_splits(tmp_path: Path) -> None:
    folders = ("train/shoes/boots", "test/shoes/sneakers", "train/hats", "test/hats")
    assert "shoes/: boots, sneakers" in error_of(tmp_path, *folders)
    assert read_folders(tmp_path, nested_classes=False).classes == ("hats", "shoes")


@pytest.mark.parametrize(
    "folders",
    [
        ("cat/images", "dog/images"),
        ("cat/images", "dog/photos/jpg"),
        ("cat/images", "cat", "dog"),
        ("cat/boots", "dog/sneakers"),
        ("cat/2019", "cat/2020", "dog/2019", "dog/2020"),
        ("cat/2019/05", "cat/2019/06/01", "dog"),
        ("cat/2019-05-01", "cat/20190502", "dog"),
        ("cat/100CANON", "cat/101_PANA", "dog"),
        ("cat/part 1", "cat/part_02", "cat/batch-3", "cat/New folder (2)", "dog"),
    ],
)
def test_folders_that_are_no_nested_classes(tmp_path: Path, folders: tuple[str, ...]) -> None:
    read_as = read(tmp_path, *folders)
    assert read_as.classes == ("cat", "dog")
    assert len(read_as.all_samples()) == PHOTOS * len(folders)
    divided = len([folder for folder in folders if folder.startswith("cat")]) > 1
    assert [reason for reason, _ in findings(read_as)] == ["subfolders"] * divided


@pytest.mark.parametrize(
    "folders",
    [
        ("cat/1", "cat/2", "dog/1", "dog/2"),
        ("cat/original", "cat/cropped", "dog"),
        ("cat/winter", "cat/winter/snow", "dog"),
        ("cat/images/a", "cat/images/b", "dog"),
    ],
)
def test_folders_that_may_be_nested_classes(tmp_path: Path, folders: tuple[str, ...]) -> None:
    assert "data.nested_classes=true" in error_of(tmp_path, *folders)


def test_containers_and_dates_in_nested_names(tmp_path: Path) -> None:
    folders = read(tmp_path, "shoes/boots/images", "shoes/clogs/photos", "cat/2019", "cat/2020",
                   nested=True)  # fmt: skip
    assert folders.classes == ("cat/2019", "cat/2020", "shoes/boots", "shoes/clogs")


def test_an_empty_folder_among_nested_classes(tmp_path: Path) -> None:
    (tmp_path / "shoes" / "clogs").mkdir(parents=True)
    (tmp_path / "shoes" / "notes.txt").touch()
    (tmp_path / "ties").mkdir()
    folders = read(tmp_path, *SHOES, nested=True)
    assert folders.classes == ("hats", "shoes/boots", "shoes/sneakers")
    assert sorted(findings(folders)) == [
        ("empty_class", "shoes/clogs"), ("empty_class", "ties"), ("ignored", "shoes/notes.txt"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("folders", "looks"),
    [
        (("A", "B"), ("A/ (looks like no split)", "B/ (looks like no split)")),
        (("set 1", "test"), ("set 1/ (looks like no split)", "test/ (looks like test)")),
    ],
)
def test_folders_with_the_same_subfolders(
    tmp_path: Path, folders: tuple[str, str], looks: tuple[str, str]
) -> None:
    message = error_of(tmp_path, *(f"{f}/{name}" for f in folders for name in ("cat", "dog")))
    assert "2 folders have subfolders of the same names: are they splits, or classes?" in message
    assert all(f"{look}: cat, dog" in message for look in looks)
    assert "splits: rename the folders to train, valid and test" in message
    assert read_folders(tmp_path, nested_classes=False).classes == folders
    assert len(read_folders(tmp_path, nested_classes=True).classes) == 4


def test_splits_below_the_classes(tmp_path: Path) -> None:
    message = error_of(tmp_path, *classes_in("cat", "dog", names=["train", "val", "test"]))
    assert "2 folders have split folders inside:" in message
    assert "a split folder has the class folders in it, as train/cat" in message


def test_messages_stay_short(tmp_path: Path) -> None:
    folders = [f"class {n}/kind {kind}" for n in range(300) for kind in range(6)]
    message = error_of(tmp_path, *folders)
    assert "300 folders have subfolders of the same names" in message
    assert "class 0/ (looks like no split): kind 0, kind 1, kind 2, and 3 more" in message
    assert "and 297 more" in message
    assert len(message.splitlines()) < 12
