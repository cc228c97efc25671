"""Near-duplicates between splits, over features made here."""

from pathlib import Path

import numpy as np
from helpers.made_views import stored

from dogbreed.data.layouts.splits import SPLITS, Sample
from dogbreed.evaluation.duplicates import find_duplicates


def test_copies_of_most_photos_are_found() -> None:
    random = np.random.default_rng(4)
    rows = {name: random.normal(size=(40, 2, 64)).astype(np.float32) for name in SPLITS}
    rows["test"][:30] = rows["train"][:30] + 0.02 * random.normal(size=(30, 2, 64))
    samples = {
        name: [Sample(Path(f"{name}/{index}.jpg"), 0, name) for index in range(40)]
        for name in SPLITS
    }
    digests = {name: [f"{name}{index}".encode() for index in range(40)] for name in SPLITS}
    found = find_duplicates(
        {name: stored(rows[name], [0] * 40) for name in SPLITS}, samples, digests
    )
    assert {pair.first.path.name for pair in found} == {f"{index}.jpg" for index in range(30)}


def test_near_duplicates_are_found_between_splits_only() -> None:
    random = np.random.default_rng(3)
    rows = {name: random.normal(size=(40, 2, 64)).astype(np.float32) for name in SPLITS}
    rows["test"][7] = rows["train"][31] + 0.05 * random.normal(size=(2, 64))
    rows["test"][9] = rows["valid"][2] * 3  # as near as can be, whatever the length
    rows["train"][5] = rows["train"][6]  # in one split: no concern
    samples = {
        name: [Sample(Path(f"{name}/{index}.jpg"), 0, name) for index in range(40)]
        for name in SPLITS
    }
    digests = {name: [f"{name}{index}".encode() for index in range(40)] for name in SPLITS}
    digests["valid"][20] = digests["train"][20]  # the same file, whatever its features
    found = find_duplicates(
        {name: stored(rows[name], [0] * 40) for name in SPLITS}, samples, digests
    )
    pairs = {(pair.first.path.as_posix(), pair.second.path.as_posix()) for pair in found}
    assert pairs == {
        ("test/7.jpg", "train/31.jpg"),
        ("test/9.jpg", "valid/2.jpg"),
        ("valid/20.jpg", "train/20.jpg"),
    }
    assert [pair.cosine for pair in found] == sorted((p.cosine for p in found), reverse=True)
