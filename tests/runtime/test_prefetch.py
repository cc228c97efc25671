"""The prefetch queue: everything in order, a bounded number ahead, errors when their turn comes."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from dogbreed.runtime.prefetch import prefetch


def test_items_come_in_order_with_what_was_loaded() -> None:
    second_loaded = threading.Event()

    def load(number: int) -> int:
        if number == 0:
            assert second_loaded.wait(30), "the second is loaded beside the first"
        if number == 1:
            second_loaded.set()
        return number * number

    found = list(prefetch(range(20), load, workers=2, depth=3))
    assert found == [(number, number * number) for number in range(20)]
    assert list(prefetch([], load, workers=2, depth=3)) == []


def test_no_more_than_the_depth_is_taken_ahead() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    with closing(prefetch(endless(), str, workers=2, depth=3)) as loaded:
        for yielded in range(1, 10):
            assert next(loaded) == (yielded, str(yielded))
            assert taken == yielded + 3


def test_an_error_is_raised_at_its_items_turn() -> None:
    def load(number: int) -> int:
        if number == 2:
            raise KeyError(number)
        return number

    loaded = prefetch(range(5), load, workers=2, depth=4)
    assert [next(loaded), next(loaded)] == [(0, 0), (1, 1)]
    with pytest.raises(KeyError):
        next(loaded)
    assert list(loaded) == []


def test_closing_drops_what_no_thread_has_begun() -> None:
    begun: list[int] = []
    release = threading.Event()

    def load(number: int) -> int:
        begun.append(number)
        assert number == 0 or release.wait(30)
        return number

    loaded = prefetch(range(100), load, workers=1, depth=5)
    assert next(loaded) == (0, 0)
    loaded.close()  # doesn't wait for the one in progress
    release.set()
    for thread in threading.enumerate():
        if thread.name.startswith("ThreadPoolExecutor"):
            thread.join(30)
    assert set(begun) <= {0, 1}
