"""Folders as samples: every layout, stable splits, nested fractions, names, links and mistakes."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from conftest import ORIGINAL_PHOTOS, needs
from PIL import Image

from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.sampling import Sampling
from dogbreed.data.layouts.splits import SPLITS, TEST, TRAIN, VALID, Finding, PhotoFolders
from dogbreed.errors import DataError

CLASSES = ("Akita", "Beagle", "Collie")


def touch(root: Path, *names: str) -> Path:
    """Empty files: reading folders opens no photo."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def plain(root: Path, count: int, classes: Iterable[str] = CLASSES) -> Path:
    return touch(root, *(f"{name}/{n:04}.jpg" for name in classes for n in range(count)))


def split_of(folders: PhotoFolders) -> dict[str, str]:
    """The split of each photo by its path below the root."""
    samples = folders.all_samples()
    found = {sample.path.relative_to(folders.root).as_posix(): sample.split for sample in samples}
    assert len(found) == len(samples), "a photo in two splits"
    return found


def names_of(folders: PhotoFolders, split: str) -> list[str]:
    return [sample.path.name for sample in folders.samples[split]]


def reasons(folders: PhotoFolders) -> dict[str, str]:
    """The reason given for each path."""
    found = {str(f.path.relative_to(folders.root)): f.reason for f in folders.findings}
    assert len(found) == len(folders.findings), "a path named twice"
    assert all(finding.path.exists() for finding in folders.findings)
    return found


def finding(folders: PhotoFolders, reason: str) -> Finding:
    (found,) = [finding for finding in folders.findings if finding.reason == reason]
    return found


# --- layouts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("valid", ["valid", "val", "validation", "Valid", "VAL"])
@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Train", "TEST")])
def test_split_folders(tmp_path: Path, train: str, valid: str, test: str) -> None:
    folders = read_folders(
        touch(
            tmp_path,
            *(f"{train}/{name}/{n}.jpg" for name in CLASSES for n in range(3)),
            *(f"{valid}/{name}/v.jpg" for name in CLASSES),
            *(f"{test}/{name}/t.jpg" for name in CLASSES),
        )
    )
    assert folders.classes == folders.display_names == CLASSES
    assert [folders.counts(split) for split in SPLITS] == [[3] * 3, [1] * 3, [1] * 3]
    assert folders.split_locally == ()
    assert folders.findings == ()
    for split, samples in folders.samples.items():
        assert list(samples) == sorted(samples, key=lambda sample: sample.path)
        assert all(sample.split == split and sample.path.is_file() for sample in samples)
        assert all(sample.path.parts[-2] == CLASSES[sample.label] for sample in samples)


def test_a_missing_split_is_drawn_from_train_alone(tmp_path: Path) -> None:
    root = touch(plain(tmp_path / "train", 40).parent, *(f"valid/{name}/v.jpg" for name in CLASSES))
    folders = read_folders(root)
    assert folders.split_locally == (TEST,)
    assert names_of(folders, VALID) == ["v.jpg"] * 3
    assert all(path.startswith("train/") for path, s in split_of(folders).items() if s != VALID)
    assert all(0 < count < 20 for count in folders.counts(TEST))


def test_a_small_root_of_plain_class_folders(tmp_path: Path) -> None:
    folders = read_folders(plain(tmp_path, 10))
    assert folders.split_locally == (VALID, TEST)
    assert len(folders.all_samples()) == 30
    assert all(min(folders.counts(split)) >= 1 for split in SPLITS)


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".jpeg", ".png", ".WebP", ".bmp", ".gif",
                                    ".tif", ".tiff", ".avif", ".jfif", ".mpo"])  # fmt: skip
def test_photos_by_their_suffix(tmp_path: Path, suffix: str) -> None:
    root = touch(tmp_path, *(f"train/{c}/1{suffix}" for c in "AB"), "valid/A/1.jpg", "test/B/1.jpg")
    assert names_of(read_folders(root), TRAIN) == [f"1{suffix}"] * 2


def test_folders_inside_a_class_belong_to_it(tmp_path: Path) -> None:
    root = touch(tmp_path, "train/A/1.jpg", "train/A/winter/2.jpg", "train/A/winter/snow/3.jpg",
                 "train/B/1.jpg", "valid/A/1.jpg", "test/A/1.jpg")  # fmt: skip
    folders = read_folders(root, nested_classes=False)
    assert folders.classes == ("A", "B")
    assert folders.counts(TRAIN) == [3, 1]


def test_the_root_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = split_of(read_folders(plain(tmp_path / "photos", 20)))
    monkeypatch.chdir(tmp_path)
    assert split_of(read_folders(Path("photos"))) == expected
    monkeypatch.chdir(tmp_path / "photos")
    assert split_of(read_folders(Path())) == expected


# --- the split drawn here --------------------------------------------------------------------


def test_split_is_stratified_and_copies_nothing(tmp_path: Path) -> None:
    root = plain(tmp_path, 600)
    before = sorted(root.rglob("*"))
    folders = read_folders(root, sampling=Sampling(valid_share=0.2, test_share=0.1))
    assert sorted(root.rglob("*")) == before
    assert sorted(sample.path for sample in folders.all_samples()) == sorted(root.rglob("*.jpg"))
    assert folders.counts(VALID) == [120] * 3
    assert folders.counts(TEST) == [60] * 3
    assert folders.counts(TRAIN) == [420] * 3


def test_split_follows_from_the_seed_and_not_from_the_place(tmp_path: Path) -> None:
    first = split_of(read_folders(plain(tmp_path / "here", 50)))
    assert split_of(read_folders(tmp_path / "here")) == first
    assert split_of(read_folders(plain(tmp_path / "over" / "there", 50))) == first
    assert split_of(read_folders(tmp_path / "here", sampling=Sampling(split_seed=1))) != first


def test_classes_are_not_split_alike(tmp_path: Path) -> None:
    """Burst photos of the same numbers in two classes mustn't all fall into the same split."""
    splits = split_of(read_folders(plain(tmp_path, 50)))
    akita, beagle = ([splits[f"{name}/{n:04}.jpg"] for n in range(50)] for name in CLASSES[:2])
    assert akita != beagle


@pytest.mark.parametrize("count", [40, 41, 60, 99])
def test_a_photo_added_or_removed_moves_few_and_none_of_another_class(
    tmp_path: Path, count: int
) -> None:
    root = plain(tmp_path, count)
    before = split_of(read_folders(root))
    for number in range(5):
        touch(root, f"Akita/new {number}.jpg", f"Dalmatian/{number}.jpg")
        after = split_of(read_folders(root))
        moved = [path for path in before if after[path] != before[path]]
        assert len(moved) <= 3  # where both borders move by one photo
        assert all(path.startswith("Akita/") for path in moved)
        before = {path: after[path] for path in after if not path.startswith("Dalmatian/")}
    (root / "Beagle" / "0000.jpg").unlink()
    after = split_of(read_folders(root))
    moved = [path for path in before if path in after and after[path] != before[path]]
    assert len(moved) <= 3
    assert all(path.startswith("Beagle/") for path in moved)


def test_added_photos_are_split_too(tmp_path: Path) -> None:
    before = split_of(read_folders(plain(tmp_path, 50)))
    after = split_of(read_folders(plain(tmp_path, 150)))
    new = [split for path, split in after.items() if path not in before]
    assert set(new) == set(SPLITS)


@pytest.mark.parametrize(
    ("count", "expected"), [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (4, (2, 1, 1))]
)
def test_split_of_a_tiny_class(tmp_path: Path, count: int, expected: tuple[int, ...]) -> None:
    for seed in range(20):
        big = (f"Big/{number}.jpg" for number in range(10))
        folders = read_folders(
            touch(plain(tmp_path, count), *big), sampling=Sampling(split_seed=seed)
        )
        label = folders.classes.index("Akita")
        counts = tuple(folders.counts(split)[label] for split in SPLITS)
        assert counts == expected


def test_shares_must_leave_something_to_train_on(tmp_path: Path) -> None:
    root = plain(tmp_path, 10)
    with pytest.raises(DataError, match=r"data.valid_share and data.test_share leave nothing"):
        read_folders(root, sampling=Sampling(valid_share=0.5, test_share=0.5))
    assert (
        min(read_folders(root, sampling=Sampling(valid_share=0.5, test_share=0.49)).counts(TRAIN))
        >= 1
    )


def test_shares_of_splits_that_are_there_do_not_count(tmp_path: Path) -> None:
    root = touch(plain(tmp_path / "train", 10).parent, "valid/Akita/1.jpg", "test/Akita/1.jpg")
    assert (
        read_folders(root, sampling=Sampling(valid_share=0.9, test_share=0.9)).counts(TRAIN)
        == [10] * 3
    )
    (root / "test" / "Akita" / "1.jpg").unlink()
    (root / "test" / "Akita").rmdir()
    (root / "test").rmdir()
    assert read_folders(root, sampling=Sampling(valid_share=0.9, test_share=0.1)).split_locally == (
        TEST,
    )


# --- names -----------------------------------------------------------------------------------


def test_any_class_name(tmp_path: Path) -> None:
    names = sorted(
        ["<b>x<∕b>", "<img src=x onerror=alert(1)>", "two  spaces ", "秋田犬", "🐕 dog", "é",
         "-leading", "a'b\"c", "$HOME", "100%", "back\\slash", "tab\there", "line\nbreak", "{0}",
         "null", "1"]
    )  # fmt: skip
    folders = read_folders(plain(tmp_path, 4, names))
    assert folders.classes == tuple(names)
    assert folders.counts(TRAIN) == [
        sum(path.startswith(f"{name}/") and split == TRAIN for path, split in
            split_of(folders).items())
        for name in names
    ]  # fmt: skip
    assert len(folders.all_samples()) == 4 * len(names)


def test_html_made_by_a_nested_folder_is_still_one_class(tmp_path: Path) -> None:
    """`<b>x</b>` holds a slash: on disk it is the folder "b>" in the folder "<b>x<"."""
    folders = read_folders(plain(tmp_path, 3, ["<b>x</b>", "y"]))
    assert folders.classes == ("<b>x<", "y")


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="names are Unicode")
def test_file_names_that_are_not_utf8(tmp_path: Path) -> None:
    root = touch(plain(tmp_path, 4), os.fsdecode(b"Akita/caf\xe9.jpg"))
    folders = read_folders(root)
    assert len(folders.all_samples()) == 13
    assert folders.take(0.99).all_samples() == folders.all_samples()


def test_cleaned_names_keep_the_folders(tmp_path: Path) -> None:
    folders = read_folders(plain(tmp_path, 3, ["001.Affenpinscher", "n02085620-Chihuahua"]))
    assert folders.classes == ("001.Affenpinscher", "n02085620-Chihuahua")
    assert folders.display_names == ("Affenpinscher", "Chihuahua")


@pytest.mark.parametrize(
    ("classes", "display_names"),
    [
        (("001.Akita", "002.Akita", "003.Beagle"), ("001.Akita", "002.Akita", "003.Beagle")),
        (("001.Akita", "Akita"), ("001.Akita", "Akita")),
    ],
)
def test_names_that_would_be_the_same_keep_their_own(
    tmp_path: Path, classes: tuple[str, ...], display_names: tuple[str, ...]
) -> None:
    folders = read_folders(plain(tmp_path, 3, classes))
    assert folders.classes == classes
    assert folders.display_names == display_names


# --- fractions -------------------------------------------------------------------------------


def test_fractions_are_nested_and_stratified(tmp_path: Path) -> None:
    root = tmp_path
    for split, count in (("train", 57), ("valid", 13), ("test", 9)):
        plain(root / split, count)
    whole = read_folders(root)
    smaller: set[str] = set()
    for percent in (1, 10, 20, 50, 99, 100):
        taken = whole.take(percent / 100)
        assert taken.classes == whole.classes
        assert taken.display_names == whole.display_names
        assert taken.split_locally == whole.split_locally
        for split in SPLITS:
            for all_of_it, count in zip(whole.counts(split), taken.counts(split), strict=True):
                assert max(1, all_of_it * percent / 100) <= count < all_of_it * percent / 100 + 1
        assert smaller <= set(split_of(taken))
        assert split_of(taken).items() <= split_of(whole).items()
        smaller = set(split_of(taken))
    assert smaller == set(split_of(whole))


def test_taking_from_what_was_taken_changes_nothing(tmp_path: Path) -> None:
    whole = read_folders(plain(tmp_path, 50))
    assert split_of(whole.take(0.5).take(0.999)) == split_of(whole.take(0.5))


def test_fraction_keeps_labels_and_order(tmp_path: Path) -> None:
    whole = read_folders(plain(tmp_path, 40))
    for split, samples in whole.take(0.3).samples.items():
        assert samples == tuple(s for s in whole.samples[split] if s in set(samples))


def test_fraction_depends_on_its_seed(tmp_path: Path) -> None:
    whole = read_folders(plain(tmp_path, 50))
    assert split_of(whole.take(0.3, 0)) == split_of(whole.take(0.3))
    assert split_of(whole.take(0.3, 1)) != split_of(whole.take(0.3, 0))


def test_fraction_is_not_taken_from_the_edge_of_the_split(tmp_path: Path) -> None:
    """Half the training photos aren't those that would next go to the test split."""
    whole = read_folders(plain(tmp_path, 200))
    wider = read_folders(tmp_path, sampling=Sampling(test_share=0.3))
    moved = {path for path, split in split_of(wider).items() if split == TEST}
    kept = {p for p, split in split_of(whole.take(0.2)).items() if split == TRAIN}
    assert len(kept & moved) < len(kept) / 2


def test_fraction_keeps_what_was_found(tmp_path: Path) -> None:
    root = touch(
        plain(tmp_path / "train", 20).parent,
        *(f"valid/{name}/1.jpg" for name in CLASSES),
        *(f"test/{name}/1.jpg" for name in CLASSES),
        *(f"test/Zebra/{n}.jpg" for n in range(30)),
        "train/Akita/notes.txt",
    )
    whole = read_folders(root)
    taken = whole.take(0.1)
    assert reasons(taken) == reasons(whole)
    assert finding(whole, "untrained_class").photos == 30
    assert finding(taken, "untrained_class").photos == 3


# --- what is found ---------------------------------------------------------------------------


def test_findings(tmp_path: Path) -> None:
    root = touch(
        tmp_path,
        *(f"train/{name}/1.jpg" for name in ("Akita", "Beagle", "TrainOnly", "NoTest")),
        *(f"val/{name}/1.jpg" for name in ("Akita", "Beagle", "NoTest", "ValidOnly")),
        *(f"test/{name}/{n}.jpg" for name in ("Akita", "Beagle", "TestOnly") for n in range(3)),
        "train/Akita/notes.txt",
        "train/Beagle/Thumbs.db",
        "train/Beagle/.DS_Store",
        "train/Beagle/._1.jpg",
        "train/.hidden/1.jpg",
        "train/loose.jpg",
        "train/README",
    )
    (root / "train" / "Empty").mkdir()
    folders = read_folders(root)
    assert folders.classes == ("Akita", "Beagle", "NoTest", "TrainOnly")
    assert reasons(folders) == {
        ".": "system_files",
        "train/Akita/notes.txt": "ignored",
        "train/Empty": "empty_class",
        "train": "no_class",
        "train/TrainOnly": "one_split_only",
        "train/NoTest": "one_split_only",
        "val/ValidOnly": "untrained_class",
        "test/TestOnly": "untrained_class",
    }
    bad = {finding.path.name: finding.photos for finding in folders.findings if finding.bad}
    assert bad == {"ValidOnly": 1, "TestOnly": 3}
    assert not any(f.photos for f in folders.findings if not f.bad)
    messages = {finding.path.name: finding.message for finding in folders.findings}
    assert messages["TrainOnly"].startswith("no photos in valid and test")
    assert messages["NoTest"].startswith("no photos in test:")
    assert messages[root.name].startswith("skipped 4 hidden or system files and folders: ")
    assert messages["train"] == "1 photos are beside the class folders; left out"
    assert "test have this class, train has not" in messages["TestOnly"]
    assert not any(".hidden" in str(sample.path) for sample in folders.all_samples())


def test_a_photo_without_a_suffix_is_a_photo(tmp_path: Path) -> None:
    root = plain(tmp_path, 4)
    Image.new("RGB", (8, 8)).save(root / "Akita" / "photo", "PNG")
    Image.new("RGB", (8, 8)).save(root / "Akita" / "photo.original", "JPEG")
    folders = read_folders(root)
    assert {"Akita/photo", "Akita/photo.original"} <= set(split_of(folders))
    assert folders.findings == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(plain(tmp_path, 4) / "Akita" / "pipe")
    assert reasons(read_folders(tmp_path)) == {"Akita/pipe": "ignored"}


def test_without_leaves_out_and_relabels(tmp_path: Path) -> None:
    root = tmp_path
    for split in ("train", "valid", "test"):
        plain(root / split, 2)
    folders = read_folders(root)
    akita = [s.path for s in folders.samples[TRAIN] if s.label == 0]
    one_less = folders.without(akita[:1])
    assert one_less.counts(TRAIN) == [1, 2, 2]
    assert one_less.findings == ()
    none_left = folders.without(akita)
    assert none_left.classes == ("Beagle", "Collie")
    assert [none_left.counts(split) for split in SPLITS] == [[2, 2]] * 3
    assert finding(none_left, "untrained_class").photos == 4
    assert all(s.path.parts[-2] == none_left.classes[s.label] for s in none_left.all_samples())


def test_findings_after_without_name_folders_that_are_there(tmp_path: Path) -> None:
    folders = read_folders(plain(tmp_path, 10))
    akita = [s.path for s in folders.samples[TRAIN] if s.label == 0]
    assert reasons(folders.without(akita)) == {"Akita": "untrained_class"}


# --- links -----------------------------------------------------------------------------------


def test_links_to_files_and_folders(tmp_path: Path) -> None:
    pool = touch(tmp_path / "the pool 犬", *(f"{n}.jpg" for n in range(6)))
    root = tmp_path / "photos"
    for split, numbers in (("train", (0, 1)), ("valid", (2,)), ("test", (3,))):
        for name in ("A", "B"):
            (root / split / name).mkdir(parents=True)
            for number in numbers:
                (root / split / name / f"{number}.jpg").symlink_to(pool / f"{number}.jpg")
    (root / "train" / "A" / "more").symlink_to(pool, target_is_directory=True)
    (root / "train" / "C ü").symlink_to(pool, target_is_directory=True)
    folders = read_folders(root, nested_classes=False, links=True)
    assert folders.classes == ("A", "B", "C ü")
    assert folders.counts(TRAIN) == [8, 2, 6]
    assert all(root in sample.path.parents for sample in folders.all_samples())
    linked = tmp_path / "linked"
    linked.symlink_to(root, target_is_directory=True)
    assert split_of(read_folders(linked, nested_classes=False, links=True)) == split_of(folders)


def test_split_folders_may_be_links(tmp_path: Path) -> None:
    pools = {split: plain(tmp_path / f"{split} of old", 3) for split in SPLITS}
    (tmp_path / "photos").mkdir()
    for split, pool in pools.items():
        (tmp_path / "photos" / split).symlink_to(pool, target_is_directory=True)
    folders = read_folders(tmp_path / "photos", links=True)
    assert [folders.counts(split) for split in SPLITS] == [[3] * 3] * 3


@pytest.mark.parametrize("target", [".", "..", "../..", "loop"])
@pytest.mark.parametrize("through_a_link", [False, True])
def test_link_cycles_bring_in_nothing(tmp_path: Path, target: str, through_a_link: bool) -> None:
    root = plain(tmp_path / "photos", 5)
    if through_a_link:
        (tmp_path / "other").symlink_to(root, target_is_directory=True)
        root = tmp_path / "other"
    expected = split_of(read_folders(root))
    (root / "Akita" / "loop").symlink_to(target, target_is_directory=True)
    for links in (False, True):
        assert split_of(read_folders(root, links=links)) == expected


def test_a_class_folder_that_links_to_the_root_is_empty(tmp_path: Path) -> None:
    root = plain(tmp_path / "photos", 5)
    (root / "Loop").symlink_to(".", target_is_directory=True)
    (root / "Self").symlink_to("Self", target_is_directory=True)
    folders = read_folders(root)
    assert folders.classes == CLASSES
    assert reasons(folders) == {"Loop": "empty_class"}


def test_two_folders_that_link_to_each_other(tmp_path: Path) -> None:
    root = touch(tmp_path, "A/x/1.jpg", "A/y/2.jpg", "B/1.jpg", "B/2.jpg", "B/3.jpg")
    (root / "A" / "x" / "to y").symlink_to("../y", target_is_directory=True)
    (root / "A" / "y" / "to x").symlink_to("../x", target_is_directory=True)
    folders = read_folders(root, nested_classes=False)
    names = [s.path.name for s in folders.all_samples() if s.label == 0]
    assert sorted(names) == ["1.jpg", "2.jpg"]


def test_a_broken_link_is_left_for_the_check(tmp_path: Path) -> None:
    root = plain(tmp_path, 4)
    (root / "Akita" / "gone.jpg").symlink_to("nowhere.jpg")
    (root / "Akita" / "gone.txt").symlink_to("nowhere.txt")
    folders = read_folders(root)
    assert "Akita/gone.jpg" in split_of(folders)
    assert [finding.path.name for finding in folders.findings] == ["gone.txt"]


# --- mistakes --------------------------------------------------------------------------------


def error_of(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_folders(root)
    return str(caught.value)


def test_missing_root(tmp_path: Path) -> None:
    root = tmp_path / "nowhere"
    assert error_of(root) == f"{root} doesn't exist: data.root must be a folder of photographs."


def test_a_file_as_root(tmp_path: Path) -> None:
    touch(tmp_path, "photos.zip")
    assert "photos.zip is a file: data.root must be a folder" in error_of(tmp_path / "photos.zip")


def test_empty_root(tmp_path: Path) -> None:
    assert "holds no photos" in error_of(tmp_path)


def test_root_of_empty_class_folders(tmp_path: Path) -> None:
    for name in CLASSES:
        (tmp_path / name).mkdir()
    assert "holds no photos" in error_of(tmp_path)
    assert "Did you mean" not in error_of(tmp_path)


def test_one_class(tmp_path: Path) -> None:
    message = error_of(plain(tmp_path, 9, ["Akita"]))
    assert "one class with photos to train on (Akita)" in message
    assert "Did you mean" not in message


def test_one_class_to_train_on_and_more_to_test(tmp_path: Path) -> None:
    root = touch(plain(tmp_path / "test", 3).parent, "train/Akita/1.jpg")
    assert "one class with photos to train on (Akita)" in error_of(root)
    assert "Did you mean" not in error_of(root)


def test_photos_directly_in_the_root(tmp_path: Path) -> None:
    message = error_of(touch(tmp_path, "1.jpg", "2.PNG", "3.webp", "notes.txt"))
    assert "holds 3 photos but no class folders" in message
    assert str(tmp_path / "Beagle" / "1.jpg") in message


def test_test_without_train(tmp_path: Path) -> None:
    root = touch(plain(tmp_path / "test", 3).parent, "val/Akita/1.jpg")
    assert error_of(root) == f"{root} has test/, val/ but no train/ folder: nothing to train on."


@pytest.mark.parametrize("inner", ["dogImages", "dog images 犬"])
@pytest.mark.parametrize("layout", ["train", "Train", ""])
def test_one_level_too_deep(tmp_path: Path, inner: str, layout: str) -> None:
    plain(tmp_path / inner / layout, 3)
    if layout:
        plain(tmp_path / inner / "test", 1)
    (tmp_path / "__MACOSX").mkdir()
    assert f"Did you mean data.root={tmp_path / inner}?" in error_of(tmp_path)
    assert read_folders(tmp_path / inner).classes == CLASSES


def test_two_sets_below_are_no_classes(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        plain(tmp_path / name / "train", 3)
    assert f"Did you mean data.root={tmp_path / 'cats'}?" in error_of(tmp_path)


def test_a_class_may_have_a_folder_called_train(tmp_path: Path) -> None:
    touch(plain(tmp_path, 3), "Akita/train/1.jpg", ".cache/train/Akita/1.jpg")
    assert read_folders(tmp_path, nested_classes=False).classes == CLASSES


@needs(ORIGINAL_PHOTOS)
def test_real_folders_of_one_class() -> None:
    assert "one class with photos to train on (002.Afghan_hound)" in error_of(ORIGINAL_PHOTOS)
