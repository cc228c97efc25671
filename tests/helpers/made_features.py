"""Features made here: a photo's number makes its digest, and its digest makes its row.

So any row that a cache gives can be verified.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from dogbreed.features.cache import FeatureCache, Recipe

RECIPE = Recipe(
    backbone="resnet18",
    weights="0123",
    boundary="head",
    preprocessing={"size_px": 64, "crop_share": 1.0},
    view="centre",
    engine="torch",
    precision="f32",
    versions={"torch": "2.10.0"},
    dtype="float16",
    shape=(96,),
)


def digests_of(numbers: Iterable[int]) -> list[bytes]:
    return [hashlib.sha256(str(number).encode()).digest() for number in numbers]


def rows_of(digests: list[bytes], shape: tuple[int, ...] = RECIPE.shape) -> npt.NDArray[Any]:
    count = int(np.prod(shape))
    rows = [np.resize(np.frombuffer(digest, np.uint8), count) for digest in digests]
    return np.array(rows).astype(np.float16).reshape(len(digests), *shape)


def append(store: FeatureCache, numbers: Iterable[int]) -> None:
    digests = digests_of(numbers)
    store.append(digests, rows_of(digests, store.shape))
