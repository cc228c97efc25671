"""Names of classes: what people read of them, and spellings of one class that are refused."""

import shlex
import subprocess
from pathlib import Path

import pytest

from dogbreed.data.layouts.class_names import display_names, spelling_key
from dogbreed.data.layouts.folders import read_folders
from dogbreed.errors import DataError

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def photos(root: Path, **counts: int) -> Path:
    """`root`/<name>/<n>.jpg for each name, empty files of different names."""
    for place, (name, count) in enumerate(counts.items()):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (folder / f"{place}-{number}.jpg").touch()
    return root


def error_of(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_folders(root)
    return str(caught.value)


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        # An index in front of every class, then a name.
        (("001.Affenpinscher", "133.Yorkshire_terrier"), ("Affenpinscher", "Yorkshire terrier")),
        (("0_cat", "1_dog", "10_horse"), ("cat", "dog", "horse")),
        (("12-Collie", "3. Beagle"), ("Collie", "Beagle")),
        (
            ("n02085620-Chihuahua", "n02089078-black-and-tan_coonhound"),
            ("Chihuahua", "black-and-tan coonhound"),
        ),
        (("001.秋田犬", "002.Ελληνικός"), ("秋田犬", "Ελληνικός")),
        # No index: part of the name, or of some names only.
        (("0-2", "4-6", "8-13"), ("0-2", "4-6", "8-13")),
        (("0-2_years", "4-6_years"), ("0-2 years", "4-6 years")),
        (("1.5_carat", "2.5_carat"), ("1.5 carat", "2.5 carat")),
        (("1.5_carat", "2.7_carat"), ("1.5 carat", "2.7 carat")),
        (("1_euro", "2_euro", "50_cent"), ("1 euro", "2 euro", "50 cent")),
        (("001.Akita", "Beagle"), ("001.Akita", "Beagle")),
        (("01_cat", "01_dog"), ("01 cat", "01 dog")),
        (("007", "008"), ("007", "008")),
        (("12.", "13."), ("12.", "13.")),
        (("1_", "2_x"), ("1", "2 x")),
        (("1-!", "2-?"), ("1-!", "2-?")),
        (("2nd class", "1st class"), ("2nd class", "1st class")),
        (("n0208562-short", "n0208563-short"), ("n0208562-short", "n0208563-short")),
        # Never two of one name.
        (("001.Akita", "002.Akita", "003.Beagle"), ("001.Akita", "002.Akita", "003.Beagle")),
        (("001.Akita", "002.akita"), ("001.Akita", "002.akita")),
        (("a b", "a_b", "c_d"), ("a b", "a_b", "c d")),
        (("a_b_", "a b", "a_b"), ("a_b_", "a b", "a_b")),
        # Others stay as they are.
        (("great_pyrenees", "Shih-Tzu"), ("great pyrenees", "Shih-Tzu")),
        (("01_shoes/01_boots", "01_shoes/02_clogs"), ("01 shoes/01 boots", "01 shoes/02 clogs")),
        (("_", "<b>x", "🐕"), ("_", "<b>x", "🐕")),
        ((), ()),
    ],
)
def test_display_names(classes: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert display_names(classes) == names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (COMPOSED, DECOMPOSED),
        ("가", "\u1100\u1161"),
        ("Akita", "akita"),
        ("STRASSE", "Straße"),
        ("Akita", "Akita "),
        ("Akita", "\u00a0Akita"),
        ("Akita", "Aki\u200bta"),
        ("soft\u00adhyphen", "softhyphen"),
        ("Shih Tzu", "Shih_Tzu"),
        ("Shih Tzu", "shih-tzu"),
        ("Shih  Tzu", "Shih Tzu"),
        ("ﬁsh", "fish"),
        ("Ａｋｉｔａ", "Akita"),
    ],
)
@pytest.mark.parametrize(("first", "second"), [("", ""), ("train/", "train/"), ("train/", "test/")])
def test_spellings_of_one_class_are_refused(
    tmp_path: Path, one: str, other: str, first: str, second: str
) -> None:
    split = bool(first)
    photos(
        tmp_path,
        **{f"{first}{one}": 3, f"{second}{other}": 2, f"{first}Beagle": 3},
        **({"test/Beagle": 1} if split else {}),
    )
    message = error_of(tmp_path)
    assert "1 class is spelled in several ways" in message
    assert message.isascii() or not tmp_path.as_posix().isascii()
    assert f"{(first + one)!a} (3 photos)" in message
    assert f"{(second + other)!a} (2 photos)" in message


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "-1"), ("A", "A-"), ("C", "C++"), ("a -1", "a 1"), ("1.5", "15"), ("x", "xx"),
     ("1-1", "11"), ("Akita", "Akita 2"), ("e", "é")],
)  # fmt: skip
def test_other_names_are_other_classes(tmp_path: Path, one: str, other: str) -> None:
    assert spelling_key(one) != spelling_key(other)
    assert set(read_folders(photos(tmp_path, **{one: 3, other: 3})).classes) == {one, other}


@pytest.mark.parametrize(
    ("folders", "classes"),
    [
        ({f"train/{COMPOSED}": 4, f"test/{DECOMPOSED}": 2}, COMPOSED),
        ({f"train/{DECOMPOSED}": 4, f"test/{COMPOSED}": 2}, COMPOSED),
        ({"train/Akita": 4, "train/akita": 2, "test/akita": 1}, "Akita"),
        ({"train/It's": 4, "train/it's": 2, "test/It's": 1}, "It's"),
        ({"train/a b": 4, "train/A_b": 2, "test/a-B": 1, "test/a b ": 3}, "a b"),
        ({"train/🐕 dog": 4, "test/🐕 Dog": 2}, "🐕 dog"),
    ],
)
def test_the_commands_in_the_message_join_the_folders(
    tmp_path: Path, folders: dict[str, int], classes: str
) -> None:
    root = photos(tmp_path / "a root $HOME", **folders, **{"train/Beagle": 3, "test/Beagle": 1})
    commands = [line for line in error_of(root).splitlines() if line.startswith("    ")]
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, env={"LC_ALL": "C.UTF-8"}
        )
        assert done.returncode == 0, (command, done.stderr)
    read = read_folders(root)
    assert set(read.classes) == {"Beagle", classes}
    assert len(read.all_samples()) == 4 + sum(folders.values())
    assert read.findings == ()


def test_many_spellings_are_not_all_shown(tmp_path: Path) -> None:
    photos(tmp_path, **{name: 1 for n in range(300) for name in (f"Class {n}", f"class {n}")})
    message = error_of(tmp_path)
    assert "300 classes are spelled in several ways" in message
    assert "and 297 more" in message
    assert len(message.splitlines()) < 15
    assert shlex.quote(str(tmp_path / "class 0")) in message


def test_an_empty_folder_of_another_spelling_is_no_class(tmp_path: Path) -> None:
    photos(tmp_path, Akita=3, Beagle=3, akita=0)
    assert read_folders(tmp_path).classes == ("Akita", "Beagle")


def test_the_commands_overwrite_no_photo(tmp_path: Path) -> None:
    photos(tmp_path, Akita=3, akita=1, Beagle=3)
    taken = next((tmp_path / "Akita").iterdir())
    (tmp_path / "akita" / taken.name).write_bytes(b"another")
    (command,) = [line for line in error_of(tmp_path).splitlines() if line.startswith("    ")]
    subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert (tmp_path / "akita" / taken.name).read_bytes() == b"another"
    assert taken.read_bytes() == b""
