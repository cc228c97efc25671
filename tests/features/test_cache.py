"""The feature cache: what counts is right, whoever writes, dies, or runs out of disk beside it."""

import errno
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import only_reading
from helpers import made_features
from helpers.made_features import RECIPE, append, digests_of, rows_of

from dogbreed.errors import StoreError
from dogbreed.features.cache import FeatureCache
from dogbreed.features.reader import FeatureReader
from dogbreed.features.records import RECORD


def stored_digests(store: FeatureCache) -> list[bytes]:
    """The digests of the complete records in the index, in their order."""
    content = (store.folder / "digests.bin").read_bytes()
    records = np.frombuffer(content[: len(content) // RECORD.itemsize * RECORD.itemsize], RECORD)
    return [bytes(digest) for digest in records["digest"]]


def assert_all_right(store: FeatureCache, numbers: Iterable[int] | None = None) -> None:
    """Every row that counts belongs to its digest; all of `numbers` count, nothing twice."""
    digests = stored_digests(store)[: len(store)]
    assert len(set(digests)) == len(digests) == len(store)
    assert store.rows(digests).tolist() == list(range(len(store)))
    if digests:
        found = store.reader()[store.rows(digests)]
        assert np.array_equal(found, rows_of(digests, store.shape))
    if numbers is not None:
        assert set(digests) == set(digests_of(numbers))


PRELUDE = """
import signal, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from dogbreed.features.cache import FeatureCache
from dogbreed.errors import StoreError
from helpers.made_features import RECIPE, append, digests_of, rows_of
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Run `script` after PRELUDE in a process of its own."""
    paths = os.pathsep.join([str(Path(made_features.__file__).parents[1]), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What the process printed; it must have ended well."""
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return output.strip()


@pytest.mark.parametrize(
    "change",
    [
        {"backbone": "resnet34"},
        {"weights": "0124"},
        {"boundary": "last_stage"},
        {"preprocessing": {"size_px": 96, "crop_share": 1.0}},
        {"preprocessing": {"size_px": 64, "crop_share": 0.9}},
        {"view": "mirror"},
        {"engine": "openvino"},
        {"precision": "bf16"},
        {"versions": {"torch": "2.10.1"}},
        {"dtype": "float32"},
        {"shape": (48, 2)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_key_is_made_of_every_part_of_the_recipe(change: dict[str, Any]) -> None:
    assert replace(RECIPE, **change).key() != RECIPE.key()


def test_the_same_recipe_has_the_same_key_and_can_be_read(tmp_path: Path) -> None:
    turned = replace(RECIPE, preprocessing={"crop_share": 1.0, "size_px": 64})
    assert turned.key() == RECIPE.key()
    store = FeatureCache(tmp_path, RECIPE)
    assert store.folder == tmp_path / RECIPE.key()
    assert not store.folder.exists()  # nothing is written before there is something to keep
    append(store, [0])
    told = json.loads((store.folder / "recipe.json").read_text())
    assert told == {**vars(RECIPE), "shape": [96], "format": 2}


@pytest.mark.parametrize("shape", [(96,), (4, 3, 3)])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_rows_come_back(shape: tuple[int, ...], dtype: str, tmp_path: Path) -> None:
    store = FeatureCache(tmp_path, replace(RECIPE, shape=shape, dtype=dtype))
    digests = digests_of(range(7))
    store.append(digests[:5], rows_of(digests[:5], shape))
    store.append(digests[5:], rows_of(digests[5:], shape))
    assert len(store) == 7
    assert all(digest in store for digest in digests)
    wanted = [digests[3], digests[6], digests[3], digests[0]]
    found = store.reader()[store.rows(wanted)]
    assert found.dtype == dtype
    assert np.array_equal(found, rows_of(wanted, shape))


def test_a_photo_that_is_there_keeps_its_row(tmp_path: Path) -> None:
    store = FeatureCache(tmp_path, RECIPE)
    append(store, range(4))
    digests = digests_of([2, 9, 9, 3, 10])
    rows = rows_of(digests)
    rows[[0, 3]] = -1  # of photos 2 and 3, which are there already
    store.append(digests, rows)
    assert_all_right(store, [0, 1, 2, 3, 9, 10])
    append(store, [0, 1])
    assert_all_right(FeatureCache(tmp_path, RECIPE), [0, 1, 2, 3, 9, 10])


def test_an_empty_store_has_no_rows(tmp_path: Path) -> None:
    store = FeatureCache(tmp_path, RECIPE)
    store.append([], np.zeros((0, 96)))
    assert len(store) == 0
    assert digests_of([1])[0] not in store
    store.reader()
    with pytest.raises(StoreError, match="lacks features"):
        store.rows(digests_of([1]))


def test_what_another_instance_wrote_is_seen_after_a_refresh(tmp_path: Path) -> None:
    store, other = FeatureCache(tmp_path, RECIPE), FeatureCache(tmp_path, RECIPE)
    append(store, range(3))
    assert len(other) == 0
    other.refresh()
    assert_all_right(other, range(3))
    append(store, range(3, 6))
    append(other, range(5, 8))  # without a refresh of its own
    assert_all_right(other, range(8))
    assert_all_right(FeatureCache(tmp_path, RECIPE), range(8))


def test_a_reader_keeps_to_what_was_there(tmp_path: Path) -> None:
    store = FeatureCache(tmp_path, RECIPE)
    append(store, range(3))
    reader = store.reader()
    append(store, range(3, 6))
    assert np.array_equal(reader[np.arange(3)], rows_of(digests_of(range(3))))
    with pytest.raises(IndexError):
        reader[np.array([3])]


@pytest.mark.parametrize(
    ("rows", "records"), [(0.4, 0), (3, 0), (3, 0.9), (3, 2.5), (3, 3)], ids=str
)
def test_what_a_killed_writer_leaves_counts_as_far_as_it_is_complete(
    rows: float, records: float, tmp_path: Path
) -> None:
    """It died with so many rows and records written: complete records count, parts don't."""
    other, store = FeatureCache(tmp_path / "other", RECIPE), FeatureCache(tmp_path, RECIPE)
    append(other, range(7))
    append(store, range(4))
    for name, size, count in (
        ("features.bin", store.row_bytes, rows),
        ("digests.bin", RECORD.itemsize, records),
    ):
        written = (other.folder / name).read_bytes()[4 * size :]
        with (store.folder / name).open("ab") as file:
            file.write(written[: int(count * size)])
    again = FeatureCache(tmp_path, RECIPE)
    assert_all_right(again, range(4 + int(records)))
    append(again, range(20, 25))
    complete = [*range(4 + int(records)), *range(20, 25)]
    assert_all_right(again, complete)
    assert_all_right(FeatureCache(tmp_path, RECIPE), complete)
    assert (again.folder / "features.bin").stat().st_size == (9 + int(rows)) * again.row_bytes
    assert (again.folder / "digests.bin").stat().st_size == len(again) * RECORD.itemsize


APPEND_FOREVER = """
    store = FeatureCache(Path(sys.argv[1]), RECIPE)
    for first in range(len(store), 10**9, 40):
        append(store, range(first, first + 40))
        print(len(store), flush=True)
"""


def test_a_writer_that_is_killed_leaves_only_right_rows(tmp_path: Path) -> None:
    counted = 0
    for milliseconds in (0, 1, 3, 7):
        process = start(APPEND_FOREVER, tmp_path)
        assert process.stdout is not None
        told = int(process.stdout.readline())
        assert told >= counted + 40  # the next run continues
        time.sleep(milliseconds / 1000)
        process.kill()
        told = int(([str(told), *process.communicate()[0].split()])[-1])
        assert process.returncode == -signal.SIGKILL
        store = FeatureCache(tmp_path, RECIPE)
        assert len(store) >= told
        assert_all_right(store, range(len(store)))
        counted = len(store)
    append(store, range(counted + 5))
    assert_all_right(FeatureCache(tmp_path, RECIPE), range(counted + 5))


APPEND_RANGE = """
    store = FeatureCache(Path(sys.argv[1]), RECIPE)
    print("ready", flush=True)
    while not Path(sys.argv[1], "go").exists():
        pass
    for first in range(int(sys.argv[2]), int(sys.argv[3]), 7):
        append(store, range(first, min(first + 7, int(sys.argv[3]))))
    print(len(store))
"""


def test_two_writers_at_once_store_each_photo_once(tmp_path: Path) -> None:
    both = [start(APPEND_RANGE, tmp_path, 0, 500), start(APPEND_RANGE, tmp_path, 200, 700)]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    counts = [int(finish(process)) for process in both]
    assert max(counts) == 700
    assert min(counts) >= 500
    assert_all_right(FeatureCache(tmp_path, RECIPE), range(700))


APPEND_UNTIL_FULL = """
    import resource
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    shape, limit = (int(sys.argv[2]),), int(sys.argv[3])
    store = FeatureCache(Path(sys.argv[1]), replace(RECIPE, shape=shape))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    for attempt in range(2):
        message = ""
        while not message:
            before = len(store)
            try:
                append(store, range(before, before + 30))
            except StoreError as error:
                message = str(error)
        kept = digests_of(range(before))
        assert np.array_equal(store.reader()[store.rows(kept)], rows_of(kept, shape))
    print(message)
"""


@pytest.mark.parametrize(
    ("length", "what"), [(700, "features"), (8, "digests")], ids=["features", "digests"]
)
def test_a_file_that_may_not_grow_leaves_the_store_whole(
    length: int, what: str, tmp_path: Path
) -> None:
    limit = 100_000
    message = finish(start(APPEND_UNTIL_FULL, tmp_path, length, limit))
    assert message.startswith("The disk is full")
    assert str(tmp_path) in message
    assert "features.root" in message
    store = FeatureCache(tmp_path, replace(RECIPE, shape=(length,)))
    assert limit - 30 * 1400 < (store.folder / f"{what}.bin").stat().st_size <= limit
    assert len(store) >= (limit // (RECORD.itemsize if what == "digests" else 1400)) - 30
    assert_all_right(store, range(len(store)))
    append(store, range(len(store) + 50))  # there is room again
    assert_all_right(FeatureCache(tmp_path, replace(RECIPE, shape=(length,))), range(len(store)))


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of 1 MB at `folder`."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk can't be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # files may be open


def append_without_end(store: FeatureCache) -> None:
    for first in itertools.count(0, 100):
        append(store, range(first, first + 100))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_leaves_the_store_whole(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk):
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(300_000))
        store = FeatureCache(disk, RECIPE)
        with pytest.raises(StoreError, match="The disk is full") as failure:
            append_without_end(store)
        assert isinstance(failure.value.__cause__, OSError)
        assert failure.value.__cause__.errno == errno.ENOSPC
        whole = len(FeatureCache(disk, RECIPE))
        assert whole > 1000
        assert_all_right(FeatureCache(disk, RECIPE), range(whole))
        with pytest.raises(StoreError, match="The disk is full"):
            FeatureCache(disk, replace(RECIPE, view="mirror")).append(
                digests_of(range(100)), rows_of(digests_of(range(100)))
            )
        ballast.unlink()
        append(store, range(whole, whole + 500))
        assert_all_right(FeatureCache(disk, RECIPE), range(whole + 500))


def test_a_digest_that_another_process_noted_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails while digests are written, and another process has seen them by then."""
    store, other = FeatureCache(tmp_path, RECIPE), FeatureCache(tmp_path, RECIPE)
    append(store, range(3))
    real, syncs = os.fsync, []

    def fsync(file: int) -> None:
        real(file)
        syncs.append(file)
        if len(syncs) == 2:
            other.refresh()
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StoreError, match=f"Input/output error: {tmp_path}"):
        append(store, range(3, 6))
    append(other, range(6, 9))
    assert_all_right(other)
    assert_all_right(FeatureCache(tmp_path, RECIPE))
    append(store, range(9))
    assert_all_right(store, range(9))


@contextmanager
def as_no_one() -> Iterator[Path]:
    """A cache of three rows in /tmp, where any user may look, that may only be read."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        append(FeatureCache(Path(name), RECIPE), range(3))
        with only_reading(Path(name)):
            yield Path(name)


def test_a_cache_that_may_not_be_written_is_read() -> None:
    with as_no_one() as folder:
        store = FeatureCache(folder, RECIPE)
        store.verify(digests_of(range(3)))
        assert_all_right(store, range(3))


def test_a_folder_that_may_not_be_written_refuses_what_it_lacks() -> None:
    with as_no_one() as folder:
        for recipe in (RECIPE, replace(RECIPE, view="mirror")):
            store = FeatureCache(folder, recipe)
            for write in (store.prepare, lambda store=store: append(store, range(4))):
                with pytest.raises(StoreError, match=f"Permission denied: {folder}.*features.root"):
                    write()


def test_a_cache_that_may_not_be_read_is_refused() -> None:
    with as_no_one() as folder:
        os.seteuid(os.getuid())
        (folder / RECIPE.key() / "digests.bin").chmod(0o000)
        if os.getuid() == 0:
            os.seteuid(65534)
        with pytest.raises(StoreError, match=r"can't be read \(Permission denied: .*digests.bin"):
            FeatureCache(folder, RECIPE)


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"features\.root"):
        FeatureCache(tmp_path / "file", RECIPE)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (70_000.0, r"float16 can't hold .*features.dtype=float32"),
        (np.inf, "network gives features that aren't finite"),
        (np.nan, "network gives features that aren't finite"),
    ],
)
def test_values_that_the_type_cannot_hold_are_refused(
    value: float, told: str, tmp_path: Path
) -> None:
    store = FeatureCache(tmp_path, RECIPE)
    append(store, range(2))
    digests = digests_of(range(2, 5))
    rows = rows_of(digests).astype(np.float32)
    rows[1, 7] = value
    with pytest.raises(StoreError, match=told):
        store.append(digests, rows)
    assert_all_right(FeatureCache(tmp_path, RECIPE), range(2))
    if value == 70_000:
        FeatureCache(tmp_path, replace(RECIPE, dtype="float32")).append(digests, rows)


def test_one_process_builds_first(tmp_path: Path) -> None:
    store, other = FeatureCache(tmp_path, RECIPE), FeatureCache(tmp_path, RECIPE)
    store.prepare()
    with store.building() as first, other.building() as second:
        assert (first, second) == (True, False)
        append(other, range(3))  # the second writes all the same
    with other.building() as first:
        assert first
    assert_all_right(other, range(3))


def test_a_reader_goes_to_worker_processes(tmp_path: Path) -> None:
    store = FeatureCache(tmp_path, RECIPE)
    append(store, range(50))
    sent = pickle.dumps(store.reader())
    assert len(sent) < 50 * 100  # the way to the rows and what vouches for them, not the rows
    reader = pickle.loads(sent)  # noqa: S301  our own bytes
    assert isinstance(reader, FeatureReader)
    assert np.array_equal(reader[np.arange(50)], rows_of(digests_of(range(50))))


READ_ALL = """
    def memory_mb():
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    store = FeatureCache(Path(sys.argv[1]), replace(RECIPE, shape=(4096,)))
    reader, peak = store.reader(), 0.0
    reader[np.arange(64)]
    before = memory_mb()
    for _ in range(2):
        for first in range(0, len(store), 64):
            rows = reader[np.arange(first, first + 64)]
            assert (rows[:, 0] == first % 1000).all()
            peak = max(peak, memory_mb())
    print(len(store), peak - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_rows_that_were_read_do_not_stay_in_memory(tmp_path: Path) -> None:
    count = 25_600  # 8 KB each: 200 MB
    store = FeatureCache(tmp_path, replace(RECIPE, shape=(4096,)))
    for first in range(0, count, 64):
        rows = np.full((64, 4096), first % 1000, np.float16)
        store.append(digests_of(range(first, first + 64)), rows)
    read, grown_mb = finish(start(READ_ALL, tmp_path)).split()
    assert int(read) == count
    assert float(grown_mb) < 60
