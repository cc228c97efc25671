"""data.group: photos that belong together are in one split, one fold, one fraction."""

from collections import defaultdict
from pathlib import Path

import pytest

from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.groups import MAX_PATTERN_CHARACTERS
from dogbreed.data.layouts.labels import Labels
from dogbreed.data.layouts.sampling import Sampling
from dogbreed.data.layouts.splits import SPLITS, TEST, TRAIN, VALID, PhotoFolders
from dogbreed.errors import ConfigError, DataError

CLASSES = ("akita", "beagle", "collie")
DOG = r"/(\w+)_\d+\.jpg"


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def dogs(root: Path, dogs: int, photos: int) -> Path:
    """Class folders with the photos of so many dogs each."""
    return touch(
        root,
        *(
            f"{name}/{name}{dog}_{photo}.jpg"
            for name in CLASSES
            for dog in range(dogs)
            for photo in range(photos)
        ),
    )


def grouped(root: Path, group: str = DOG, **keys: float) -> PhotoFolders:
    return read_folders(root, sampling=Sampling(group=group, **keys))  # type: ignore[arg-type]


def splits_of_groups(folders: PhotoFolders) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for sample in folders.all_samples():
        found[folders.groups[sample.path]].add(sample.split)
    return found


def messages(folders: PhotoFolders) -> dict[str, str]:
    return {finding.reason: finding.message for finding in folders.findings}


@pytest.mark.parametrize("seed", range(5))
def test_a_group_is_in_one_split_and_classes_are_stratified(tmp_path: Path, seed: int) -> None:
    folders = grouped(dogs(tmp_path, 20, 5), split_seed=seed)
    assert len(folders.all_samples()) == 300
    assert {len(splits) for splits in splits_of_groups(folders).values()} == {1}
    # 15 % of 100 photos are three dogs.
    assert [folders.counts(split) for split in SPLITS] == [[70] * 3, [15] * 3, [15] * 3]


def test_groups_of_different_sizes_come_close_to_the_shares(tmp_path: Path) -> None:
    names = [f"{c}/{c}{dog}_{n}.jpg" for c in CLASSES for dog in range(30) for n in range(1 + dog)]
    for seed in range(5):
        folders = grouped(touch(tmp_path, *names), split_seed=seed)
        assert {len(splits) for splits in splits_of_groups(folders).values()} == {1}
        for split in (VALID, TEST):
            assert all(50 <= count <= 90 for count in folders.counts(split))  # of 465: 70


def test_groups_across_classes(tmp_path: Path) -> None:
    """Photos of a day show several breeds."""
    names = [f"{c}/day{day}_{n}.jpg" for c in CLASSES for day in range(20) for n in range(4)]
    folders = grouped(touch(tmp_path, *names))
    assert {len(splits) for splits in splits_of_groups(folders).values()} == {1}
    assert [folders.counts(split) for split in (VALID, TEST)] == [[12] * 3, [12] * 3]


def test_a_group_s_split_follows_from_its_name(tmp_path: Path) -> None:
    before = splits_of_groups(grouped(dogs(tmp_path / "here", 20, 5)))
    assert splits_of_groups(grouped(dogs(tmp_path / "over" / "there", 20, 5))) == before
    # Another photo of one dog moves no other dog across, nor one of another class.
    touch(tmp_path / "here", "akita/akita3_99.jpg")
    after = splits_of_groups(grouped(tmp_path / "here"))
    assert sum(after[group] != before[group] for group in before) <= 2


@pytest.mark.parametrize(
    ("photos", "expected"), [((1,), "t"), ((9, 1), "tv"), ((5, 5, 5), "tvx"), ((90, 5, 5), "tvx")]
)
def test_a_class_of_few_groups_is_in_as_many_splits(
    tmp_path: Path, photos: tuple[int, ...], expected: str
) -> None:
    dogs(tmp_path, 20, 5)
    touch(tmp_path, *(f"dingo/d{dog}_{n}.jpg" for dog, count in enumerate(photos)
                      for n in range(count)))  # fmt: skip
    folders = grouped(tmp_path)
    counts = {split: folders.counts(split)[folders.classes.index("dingo")] for split in SPLITS}
    present = {"t": TRAIN, "v": VALID, "x": TEST}
    assert {split for split in SPLITS if counts[split]} == {present[letter] for letter in expected}
    # The largest group is trained on.
    assert counts[TRAIN] == max(photos)


def test_groups_that_leave_a_split_empty(tmp_path: Path) -> None:
    root = dogs(tmp_path, 20, 5)
    with pytest.raises(DataError, match=r"makes 3 groups .*for test and valid beside train"):
        grouped(root, "^([^/]+)/")
    with pytest.raises(DataError, match="makes 1 groups"):
        grouped(root, "jpg")
    with pytest.raises(DataError, match="for test beside train"):
        grouped(dogs(tmp_path / "two", 2, 5))


def test_given_splits_that_tear_a_group_are_reported(tmp_path: Path) -> None:
    for split in SPLITS:
        dogs(tmp_path / split, 2, 5)
    folders = grouped(tmp_path)
    assert messages(folders)["torn_groups"].startswith(
        "6 groups of photos (data.group) in several of the given splits"
    )
    assert "'akita0', 'akita1', 'beagle0' and 3 more" in messages(folders)["torn_groups"]
    assert len(folders.all_samples()) == 90
    assert "torn_groups" not in messages(grouped(tmp_path, r"^(\w+/.*)"))


def test_photos_without_a_match_are_groups_of_their_own(tmp_path: Path) -> None:
    root = touch(dogs(tmp_path, 20, 5), *(f"akita/{n}.jpg" for n in range(40)))
    folders = grouped(root)
    assert messages(folders) == {
        "ungrouped": "40 photos of no group (data.group), each a group of its own, such as "
        "akita/0.jpg"
    }
    alone = [sample.split for sample in folders.all_samples() if sample.path not in folders.groups]
    assert set(alone) == set(SPLITS)
    # As for an alternative that has no group.
    assert len(grouped(root, rf"{DOG}|\d").groups) == 300


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", r"data\.group=\(: is no regular expression: missing \)"),
        ("x" * (MAX_PATTERN_CHARACTERS + 1), "at most 1,000 characters, not 1,001"),
        ("(a){99999999999999}", "is no regular expression"),
    ],
)
def test_patterns_that_are_none(tmp_path: Path, pattern: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        grouped(dogs(tmp_path, 20, 5), pattern)


def test_a_pattern_that_matches_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data.group=dog: as a regular expression it matches no "
                                        r"photo, such as akita/akita0_0\.jpg"):  # fmt: skip
        grouped(dogs(tmp_path, 20, 5), "dog")


def test_fractions_have_complete_groups_and_are_nested(tmp_path: Path) -> None:
    whole = grouped(dogs(tmp_path, 40, 5))
    before: set[Path] = set()
    for percent in (1, 10, 30, 70):
        taken = whole.take(percent / 100)
        paths = {sample.path for sample in taken.all_samples()}
        assert before <= paths
        before = paths
        for group in {whole.groups[path] for path in paths}:
            assert {path for path in whole.groups if whole.groups[path] == group} <= paths
        for split in SPLITS:
            for all_of_it, count in zip(whole.counts(split), taken.counts(split), strict=True):
                assert percent / 100 * all_of_it <= count < percent / 100 * all_of_it + 5
        assert taken.groups == whole.groups


# --- columns of a file of labels --------------------------------------------------------------


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    root = touch(tmp_path / "photos", *(f"{number:03}.jpg" for number in range(300)))
    rows = [f"{n:03},{CLASSES[n % 3]},dog {n % 60}" for n in range(300)]
    (root / "labels.csv").write_text("\n".join(["id,breed,dog_id", *rows]), "utf-8")
    return root


def by_labels(root: Path, group: str | None) -> PhotoFolders:
    return read_folders(root, labels=Labels("labels.csv"), sampling=Sampling(group=group))


def test_a_column_has_the_groups(labelled: Path) -> None:
    folders = by_labels(labelled, "dog_id")
    assert set(folders.groups.values()) == {f"dog {n}" for n in range(60)}
    assert {len(splits) for splits in splits_of_groups(folders).values()} == {1}
    assert [folders.counts(split) for split in SPLITS] == [[70] * 3, [15] * 3, [15] * 3]
    assert messages(folders)["labels"].endswith("group in the column 'dog_id'")
    assert by_labels(labelled, None).groups == {}


def test_what_is_no_column_is_a_pattern(labelled: Path) -> None:
    assert set(by_labels(labelled, r"^\d\d").groups.values()) == {f"{n:02}" for n in range(30)}
    with pytest.raises(DataError, match=r"is no column of data\.labels.*Did you mean dog_id\?"):
        by_labels(labelled, "dogid")


def test_a_photo_in_two_groups(labelled: Path) -> None:
    with (labelled / "labels.csv").open("a", encoding="utf-8") as file:
        file.write("\n007,beagle,dog 8\n")
    assert len(by_labels(labelled, None).all_samples()) == 300
    with pytest.raises(DataError, match="'007' has the dog_id 'dog 8' here and 'dog 7' in line 9"):
        by_labels(labelled, "dog_id")


def test_empty_cells_are_groups_of_their_own(labelled: Path) -> None:
    text = (labelled / "labels.csv").read_text("utf-8")
    (labelled / "labels.csv").write_text(text.replace(",dog 7\n", ",\n"), "utf-8")
    folders = by_labels(labelled, "dog_id")
    assert messages(folders)["ungrouped"].startswith("5 photos of no group")
    assert len(folders.groups) == 295
