"""data.labels: files of labels as people have them, columns, names of photos, and mistakes."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from conftest import draw_photo

from dogbreed.configuration.run import ColumnsConfig
from dogbreed.data.layouts import label_file, label_hint
from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.labels import Labels
from dogbreed.data.layouts.sampling import Sampling
from dogbreed.data.layouts.splits import SPLITS, TEST, TRAIN, VALID, PhotoFolders
from dogbreed.errors import ConfigError, DataError

BREEDS = ("akita", "beagle", "collie")


def touch(root: Path, *names: str) -> None:
    """Empty files: reading a data set opens no photo."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def table(rows: Iterable[Sequence[str]], delimiter: str = ",", end: str = "\r\n") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    return text.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Kaggle's dog-breed-identification: train/ID.jpg and test/ID.jpg; labels.csv of train."""
    root = tmp_path / "photos"
    touch(root, *(f"train/{number:04x}.jpg" for number in range(30)))
    touch(root, *(f"test/{number:04x}.jpg" for number in range(100, 110)))
    write(root, [("id", "breed"), *((f"{n:04x}", BREEDS[n % 3]) for n in range(30))])
    return root


def write(root: Path, rows: Iterable[Sequence[str]], name: str = "labels.csv") -> None:
    (root / name).write_text(table(rows), "utf-8")


def read(root: Path, name: str = "labels.csv", **columns: str) -> PhotoFolders:
    keys = ColumnsConfig(**{"photo": None, "label": None, "split": None, **columns})
    return read_folders(root, labels=Labels(name, keys))


def labels_of(folders: PhotoFolders) -> dict[str, str]:
    """The class of each photo by its path below the root."""
    return {
        sample.path.relative_to(folders.root).as_posix(): folders.classes[sample.label]
        for sample in folders.all_samples()
    }


def messages(folders: PhotoFolders) -> dict[str, str]:
    return {finding.reason: finding.message for finding in folders.findings}


def refusal(root: Path, **columns: str) -> str:
    with pytest.raises(DataError) as caught:
        read(root, **columns)
    assert len(caught.value.args) == 1
    return str(caught.value)


# --- layouts --------------------------------------------------------------------------------


def test_kaggles_dog_breed_identification(root: Path) -> None:
    folders = read(root)
    assert folders.classes == BREEDS
    assert labels_of(folders) == {f"train/{n:04x}.jpg": BREEDS[n % 3] for n in range(30)}
    assert folders.split_locally == (VALID, TEST)
    assert [folders.counts(split) for split in SPLITS] == [[6] * 3, [2] * 3, [2] * 3]
    assert messages(folders) == {
        "labels": "30 rows: photo in the column 'id', label in the column 'breed'",
        "no_row": "10 photos without a row in labels.csv; left out, such as test/0064.jpg",
    }


def test_splits_are_sampled_as_from_class_folders(root: Path, tmp_path: Path) -> None:
    """The order is that of the hashes of the paths: the classes come from elsewhere."""
    plain = tmp_path / "plain"
    touch(plain, *(f"{breed}/{n}.jpg" for breed in BREEDS for n in range(20)))
    rows = [(f"{breed}/{n}.jpg", breed) for breed in BREEDS for n in range(20)]
    write(plain, [("path", "label"), *reversed(rows)])
    by_folders, by_labels = read_folders(plain), read(plain)
    assert by_labels.samples == by_folders.samples
    assert by_labels.take(0.3).samples == by_folders.take(0.3).samples


def test_a_column_of_splits(root: Path) -> None:
    splits = ["train", "Training", "val", "test"]
    rows = [(f"{n:04x}", BREEDS[n % 3], splits[n % 4]) for n in range(30)]
    write(root, [("id", "breed", "split"), *rows])
    folders = read(root)
    assert folders.split_locally == ()
    assert {sample.path.stem for sample in folders.samples[TEST]} == {
        f"{n:04x}" for n in range(30) if n % 4 == 3
    }
    # The one that is missing is sampled from the training photos.
    write(root, [("id", "breed", "split"), *(row for row in rows if row[2] != "val")])
    assert read(root).split_locally == (VALID,)


@pytest.mark.parametrize(
    "name",
    [
        *("001", "001.jpg", "a/001", "a/001.jpg", "a\\001.jpg", ".\\a\\001.jpg", "./a/001.jpg"),
        *("b/../a/001.jpg", "sets/photos/a/001.jpg", "a//001.jpg"),
    ],
)
def test_ways_to_name_a_photo(tmp_path: Path, name: str) -> None:
    """Relative to the root, or to the file of labels, which is two folders above it here."""
    root = tmp_path / "sets" / "photos"
    touch(root, "a/001.jpg", *(f"b/{number}.png" for number in range(5)))
    rows = [("image", "class"), (name, "x"), *((str(n), "xy"[n % 2]) for n in range(5))]
    write(tmp_path, rows)
    assert labels_of(read(root, str(tmp_path / "labels.csv")))["a/001.jpg"] == "x"


def test_names_with_dots_accents_and_contents(tmp_path: Path) -> None:
    touch(
        tmp_path, "a/v1.2.jpg", "a/Lo\u0308wchen.jpg", "a/b.jpg", "a/b.jpg.png", "a/n.jpg", "m.jpg"
    )
    draw_photo(tmp_path / "raw001.jpg", 20, 0)
    (tmp_path / "raw001.jpg").rename(tmp_path / "a" / "raw001")
    write(tmp_path, [("file", "label"), ("v1.2", "x"), ("L\u00f6wchen", "x"), ("raw001", "y"),
                     ("b.jpg", "y"), ("n", "y"), ("m", "x")])  # fmt: skip
    assert labels_of(read(tmp_path)) == {
        "a/v1.2.jpg": "x", "a/Lo\u0308wchen.jpg": "x", "a/raw001": "y", "a/b.jpg": "y",
        "a/n.jpg": "y", "m.jpg": "x",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["../private.jpg", "/etc/passwd", "..\\private.jpg", "train/../../private"]
)
def test_no_name_leads_out_of_the_root(root: Path, name: str) -> None:
    touch(root.parent, "private.jpg")
    rows = [(f"{n:04x}", BREEDS[n % 3]) for n in range(30)]
    write(root, [("id", "breed"), *rows, (name, "akita")])
    folders = read(root)
    assert len(folders.all_samples()) == 30
    bad, one = (f for f in folders.findings if f.reason == "missing_photo")
    assert (bad.bad, bad.photos, bad.path) == (True, 1, root / "labels.csv")
    assert bad.message == f"1 of 31 rows have no photo below data.root, such as {name!r} (line 32)"
    assert (one.bad, one.photos) == (False, 0)


def test_a_link_out_of_the_root_is_no_file_of_labels(root: Path) -> None:
    (root / "labels.csv").rename(root.parent / "private.csv")
    (root / "labels.csv").symlink_to(root.parent / "private.csv")
    assert "a symbolic link leads out of" in refusal(root)
    assert read_folders(root, labels=Labels("labels.csv"), links=True).classes == BREEDS
    # A path that was typed is the user's own choice.
    assert read(root, str(root / "labels.csv")).classes == BREEDS


def test_the_file_is_looked_up_here_first(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    assert read(root).classes == BREEDS
    write(Path(), [("id", "breed"), *((f"{n:04x}", "xy"[n % 2]) for n in range(30))])
    assert read(root).classes == ("x", "y")
    with pytest.raises(DataError, match="no such file here or in"):
        read(root, "label.csv")


# --- the file -------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_files_as_spreadsheets_write_them(
    root: Path, delimiter: str, end: str, encoding: str
) -> None:
    names = ("Löwchen", 'Retriever, "golden"', "two;words\tand|more")
    rows = [("id", "breed"), ("", ""), *((f" {n:04x} ", names[n % 3]) for n in range(30))]
    text = table(rows, delimiter, end)
    (root / "labels.csv").write_bytes(text.encode(encoding))
    folders = read(root)
    assert folders.classes == tuple(sorted(names))
    assert ("read as Windows-1252" in messages(folders)["labels"]) is (encoding == "cp1252")


def test_columns_by_their_headers(root: Path) -> None:
    header = ("ID", "Image Path", "Class-Name", "age", "Subset")
    rows = [
        ("x", f"train/{n:04x}.jpg", BREEDS[n % 3], "3", ["train", "dev", "test"][n // 10])
        for n in range(30)
    ]
    write(root, [header, *rows])
    folders = read(root)
    assert messages(folders)["labels"] == (
        "30 rows: photo in the column 'Image Path', label in the column 'Class-Name', split in the "
        "column 'Subset'"
    )
    assert set(labels_of(folders).values()) == set(BREEDS)


def test_columns_by_keys(root: Path) -> None:
    rows = [(f"{n:04x}", "?", BREEDS[n % 3], SPLITS[n // 10]) for n in range(30)]
    write(root, [("foto", "class", "rasse", "teil"), *rows])
    folders = read(root, photo="foto", label="rasse", split="teil")
    assert folders.classes == BREEDS
    assert folders.split_locally == ()


def test_a_column_that_is_not_there(root: Path) -> None:
    message = refusal(root, label="bred")
    assert message.startswith("data.columns.label=bred: ")
    assert message.endswith("has no such column. Did you mean breed? Its first line has id, breed.")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "is empty: its first line names the columns"),
        ([("id", "breed")], "has a header and no rows"),
        ([("id", "dog"), ("0000", "a")], "known for a label: write data.columns.label=NAME"),
        ([("dog", "breed"), ("0000", "a")], "known for a photo: write data.columns.photo=NAME"),
        ([("id", "breed", "species"), ("0000", "a", "b")],
         "breed, species may each be the column of the label: choose one, such as "
         "data.columns.label=breed"),
        ([("id", "breed"), ("0000", "Retriever", " golden")],
         "line 2 has 3 columns, the header 2: write a text that has the delimiter in it in double"),
        ([("id", "breed"), ("0000", "akita"), ("0001", "b"), ("train/0000.jpg", "beagle")],
         "line 4: 'train/0000.jpg' has the breed 'beagle' here and 'akita' in line 2: keep one"),
        ([("id", "breed", "split"), ("0000", "a", "train"), ("0001", "b", "unknown")],
         "line 3: the split 'unknown' is none of train, valid and test"),
        ([("id", "breed", "split"), ("0000", "a", "test"), ("0001", "b", "valid")],
         "no photo is in the split train"),
        ([("id", "breed"), ("0000", "a"), ("0001", "a")], "have one class (a)"),
        ([("id", "breed"), ("0000", "x" * 300)], "line 2: a label has 300 characters: 'xxx"),
        ([("id", "breed"), ("a", "x"), ("b", "y")],
         "column id has names such as 'a': name another column by data.columns.photo"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence(root: Path, rows: list[tuple[str, ...]], words: str) -> None:
    write(root, rows)
    message = refusal(root)
    assert words in message
    assert "labels.csv" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04" + bytes(100), "is an Excel or OpenDocument file: save the sheet as CSV"),
        (b"id,breed\0\n0000,akita\n", "is no text in UTF-8, UTF-16 or Windows-1252"),
        (b"id,breed\n0000,\x81\n", "is no text in UTF-8, UTF-16 or Windows-1252"),
        (b'id,breed\n0000,"akita\n' + b"0001,beagle\n" * 5, "line 7 can't be read as CSV"),
        (b"id,breed\n0000," + b"x" * 200_000, "line 2 can't be read as CSV"),
        (b"," * 20_000, "more than 10,000 columns"),
    ],
)
def test_files_that_are_no_csv(root: Path, content: bytes, words: str) -> None:
    (root / "labels.csv").write_bytes(content)
    assert words in refusal(root)


def test_files_are_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_file, "MAX_ROWS", 29)
    assert "has more than 29 rows" in refusal(root)
    monkeypatch.setattr(label_file, "MAX_BYTES", 100)
    assert "is larger than 0 MiB" in refusal(root)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_not_waited_for(root: Path) -> None:
    (root / "labels.csv").unlink()
    os.mkfifo(root / "labels.csv")
    assert "no such file" in refusal(root)


# --- rows and photos ------------------------------------------------------------------------


def test_a_name_of_two_photos_names_both(root: Path) -> None:
    touch(root, "test/0003.jpg")
    message = refusal(root)
    assert f"line 5: '0003' may be {root}/test/0003.jpg or {root}/train/0003.jpg" in message
    assert "name the folder of the labelled photos as data.root" in message
    # As the message says.
    assert len(read(root / "train", str(root / "labels.csv")).all_samples()) == 30


def test_rows_without_a_label_and_repeated_ones(root: Path) -> None:
    rows = [(f"{n:04x}", "" if n < 6 else BREEDS[n % 3]) for n in range(30)]
    write(root, [("id", "breed"), *rows, *rows[-2:]])
    folders = read(root)
    assert len(folders.all_samples()) == 24
    found = messages(folders)
    assert found["no_label"] == "6 rows without a label; left out (line 2, 3, 4 and 3 more)"
    assert found["repeated_row"] == "2 rows like an earlier one; left out (line 32, 33)"
    assert found["no_row"].startswith("10 photos")  # those without a label have a row
    assert not any(finding.bad for finding in folders.findings)


def test_spellings_of_one_class(root: Path) -> None:
    names = ("Golden Retriever", "golden_retriever", "beagle")
    write(root, [("id", "breed"), *((f"{n:04x}", names[n % 3]) for n in range(30))])
    with pytest.raises(DataError) as caught:
        read(root)
    assert caught.value.args[0].endswith("spelled in several ways, each of which would be a class "
                                         "of its own:")  # fmt: skip
    assert caught.value.args[1].startswith(
        "  'Golden Retriever' (10 photos), 'golden_retriever' (10 photos): they differ in"
    )


def test_classes_that_cannot_be_trained_are_named(root: Path) -> None:
    rows = [(f"{n:04x}", BREEDS[n % 3], SPLITS[n // 10]) for n in range(29)]
    write(root, [("id", "breed", "split"), *rows, ("001d", "dingo", "test")])
    folders = read(root)
    assert folders.classes == BREEDS
    (found,) = [finding for finding in folders.findings if finding.reason == "untrained_class"]
    assert found.message.startswith("dingo: test have this class, train has not")
    assert (found.bad, found.photos, found.path) == (True, 1, root)


def test_hidden_files_and_links_are_skipped_as_elsewhere(root: Path, tmp_path: Path) -> None:
    touch(root, "train/._0000.jpg", "@eaDir/0001.jpg")
    touch(tmp_path / "outside", "x.jpg")
    (root / "train" / "x.jpg").symlink_to(tmp_path / "outside" / "x.jpg")
    found = messages(read(root))
    assert "skipped 2 hidden or system files" in found["system_files"]
    assert "outside_link" in found


def test_nested_classes_have_no_meaning(root: Path) -> None:
    with pytest.raises(ConfigError, match="leave one of the two out"):
        read_folders(root, labels=Labels("labels.csv"), nested_classes=True)


# --- the hint -------------------------------------------------------------------------------


def test_an_error_of_folders_proposes_the_labels(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, [("id", *BREEDS), ("0064", "1", "0", "0")], "a_submission.csv")
    with pytest.raises(DataError) as caught:
        read_folders(root)
    line = "labels.csv has labels of photos: data.labels=labels.csv uses them."
    assert caught.value.args[-1] == line
    monkeypatch.setattr(label_hint, "MAX_BYTES", 10)
    with pytest.raises(DataError) as caught:
        read_folders(root)
    assert line not in caught.value.args
    (root / "labels.csv").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError) as caught:
        read_folders(root)
    assert len(caught.value.args) == 1


def test_training_photos_are_all_that_a_sampling_takes(root: Path) -> None:
    sampling = Sampling(valid_share=0.5, test_share=0.3)
    folders = read_folders(root, labels=Labels("labels.csv"), sampling=sampling)
    assert [folders.counts(split) for split in SPLITS] == [[2] * 3, [5] * 3, [3] * 3]
    assert folders.samples[TRAIN]
