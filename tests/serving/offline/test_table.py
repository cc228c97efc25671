"""A table of predictions as it grows: what of it is on the disk, and when."""

from pathlib import Path

import pytest

from dogbreed.errors import PhotoError
from dogbreed.serving.offline.table import open_table, row_of

BAD = PhotoError("empty", "is empty")


@pytest.mark.parametrize(("name", "header"), [("p.csv", 1), ("p.jsonl", 0)])
def test_each_row_is_in_the_file_before_the_next_is_computed(
    tmp_path: Path, name: str, header: int
) -> None:
    path = tmp_path / name
    with open_table(path, {"model": "m"}, 1, ["a.jpg", "b.jpg"]) as table:
        for number, photo in enumerate(("a.jpg", "b.jpg"), 1):
            table.add(row_of(photo, BAD))
            assert path.read_bytes().count(b"\n") == header + number
    # As a killed run would, the next one finds both.
    with open_table(path, {"model": "m"}, 1, ["a.jpg", "b.jpg", "c.jpg"]) as table:
        assert table.done == {"a.jpg": "is empty", "b.jpg": "is empty"}
