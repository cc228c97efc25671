"""CSV files: nothing in them is computed or obeyed, numbers are numbers, all can be read back."""

import csv
import io
import itertools
import random
from pathlib import Path

import pytest
from helpers.hostile_text import NAMES, READABLE, unsafe

from dogbreed.search.trials import FAILED, Trial, write_csv
from dogbreed.utils.csv_cells import csv_line, text_of
from dogbreed.utils.files import write_table

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"


def written(*values: object) -> list[str]:
    (row,) = csv.reader(io.StringIO(csv_line(values), newline=""))
    return row


FORMULAS = [
    f"{before}{sign}1+1"
    for sign in SIGNS
    for before in (
        "",
        " ",
        "'",
        '"',
        "\t",
        "\r",
        "\n",
        " \"'",
        "\u3000",
        "a;",
        'a";',
        "a\n",
        "x\t ",
    )
]


@pytest.mark.parametrize("text", [*FORMULAS, "\tx", "\rx", "\nx", "-", "--help", "-1-2", "@x"])
def test_a_text_that_would_be_computed_is_marked(text: str) -> None:
    (cell,) = written(text)
    assert text_of(cell) == text
    # However a program splits it: at semicolons, tabs, or line breaks in spite of the quotes.
    for part in cell.replace("\t", ";").replace("\r", ";").replace("\n", ";").split(";"):
        assert part.strip(' "`\u3000')[:1] not in tuple(SIGNS)
    assert cell[0] not in (*SIGNS, *"\t\r\n")


@pytest.mark.parametrize("text", ["\u200b=1", "\ufeff=1", "\u00a0=1", "\x00=1", "\x0b=1"])
def test_nothing_invisible_hides_a_formula(text: str) -> None:
    assert written(text)[0].startswith("\\")


@pytest.mark.parametrize(
    "value", [-0.5, 3, None, True, "-0.5", "+3", "-1e-05", ".5", "-1.", "0.25"]
)
def test_numbers_stay_numbers(value: object) -> None:
    assert written(value, "x")[0] == ("" if value is None else str(value))


@pytest.mark.parametrize(
    "text", ["it's", "a=b", "photos/-dash.jpg", "a, b", "dir\\table", *READABLE]
)
def test_other_texts_stay(text: str) -> None:
    assert written(text) == [text]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_safe_and_can_be_read_back(name: str, tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", [("path", "n"), (name, 1)])
    with (tmp_path / "t.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        text = file.read()
    assert [ord(c) for c in unsafe(text, kept="\r\n\t") if not 0xDC80 <= ord(c) <= 0xDCFF] == []
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [text_of(cell) for cell in rows[1]] == [name, "1"]


def test_every_text_can_be_read_back() -> None:
    parts = [*SIGNS, *"\t\r\n;'\"` \\xu1b.", "\x1b", "\u202e", "\udcff", "\ud800", "x1b", "u202e"]
    parts += ["U0001d173", "\U0001d173", "\u200d", "\U0001f468", "\ufe0f", "\u3000", "\xa0"]
    pick = random.Random(7)
    texts = ("".join(pick.choices(parts, k=pick.randint(0, 8))) for _ in range(20_000))
    for text in itertools.chain(texts, map("".join, itertools.product(parts, repeat=2))):
        cell, end = written(text, "end")
        assert (text_of(cell), end) == (text, "end")


def test_what_a_job_says_of_its_failure_is_no_formula(tmp_path: Path) -> None:
    reason = "=cmd|' /C calc'!A0\x1b[2J"
    failed = Trial(name="=1", status=FAILED, parameters={"optim.eps": "@x"}, reason=reason)
    write_csv(tmp_path / "trials.csv", [failed], ["optim.eps"])
    with (tmp_path / "trials.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["optim.eps"], row["TrainingJobName"]) == ("'@x", "'=1")
    assert row["Reason"] == "'=cmd|' /C calc'!A0\\x1b[2J"
