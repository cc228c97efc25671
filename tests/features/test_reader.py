"""Damaged, replaced and deleted feature caches: a row is right, or missing, or refused."""

import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from helpers.made_features import RECIPE, append, digests_of, rows_of

from dogbreed.errors import StoreError
from dogbreed.features import reader as feature_reader
from dogbreed.features.cache import FeatureCache
from dogbreed.features.files import FeatureFiles
from dogbreed.features.records import RECORD

FILES = ("features.bin", "digests.bin", "recipe.json")
PHOTOS = 100  # 19 kB of features, 6 kB of index: blocks of 4 kB hit a part of each
DIGESTS = digests_of(range(PHOTOS))
ADDED = digests_of(range(PHOTOS, 3 * PHOTOS))  # by processes that go on
ROWS = dict(zip([*DIGESTS, *ADDED], rows_of([*DIGESTS, *ADDED]), strict=True))
# At random places: a few in every run of the suite, many in `make test-slow`.
EVERY_TRIALS = pytest.mark.parametrize("trials", [15, pytest.param(100, marks=pytest.mark.slow)])

Random = np.random.Generator
Damage = Callable[[bytes, Random], bytes]


def flip_a_bit(content: bytes, random: Random) -> bytes:
    damaged = bytearray(content)
    damaged[random.integers(len(content))] ^= 1 << int(random.integers(8))
    return bytes(damaged)


def block(content: bytes, random: Random) -> slice:
    size = min(4096, len(content) // 2)
    start = int(random.integers(len(content) - size))
    return slice(start, start + size)


def zero_a_block(content: bytes, random: Random) -> bytes:
    damaged, where = bytearray(content), block(content, random)
    damaged[where] = bytes(where.stop - where.start)
    return bytes(damaged)


def copy_a_block(content: bytes, random: Random) -> bytes:
    damaged = bytearray(content)
    damaged[block(content, random)] = content[block(content, random)]
    return bytes(damaged)


def copy_a_row_or_record(content: bytes, random: Random) -> bytes:
    """Aligned, so that what is copied is itself well-formed."""
    size = len(content) // PHOTOS
    source, target = random.integers(PHOTOS, size=2) * size
    return content[:target] + content[source : source + size] + content[target + size :]


def cut_off(content: bytes, random: Random) -> bytes:
    return content[: random.integers(len(content))]


def cut_off_and_extend(content: bytes, random: Random) -> bytes:
    return cut_off(content, random).ljust(len(content), b"\0")


def insert(content: bytes, random: Random) -> bytes:
    at = int(random.integers(len(content)))
    return content[:at] + random.bytes(int(random.integers(1, 500))) + content[at:]


DAMAGES = (
    flip_a_bit,
    zero_a_block,
    copy_a_block,
    copy_a_row_or_record,
    cut_off,
    cut_off_and_extend,
    insert,
)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
def nothing_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are read from the disk, however small the cache is."""
    monkeypatch.setattr(feature_reader, "MAX_IN_MEMORY_BYTES", 0)


@pytest.fixture
def pristine(tmp_path: Path) -> Path:
    """The folder of a complete cache."""
    store = FeatureCache(tmp_path / "pristine", RECIPE)
    append(store, range(PHOTOS))
    return store.folder


def restore(pristine: Path, root: Path) -> Path:
    """A copy of the cache, with these files whatever lies there now."""
    folder = root / pristine.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).write_bytes((pristine / name).read_bytes())
    return folder


def right(digests: list[bytes]) -> npt.NDArray[Any]:
    return np.stack([ROWS[digest] for digest in digests])


def right_or_refused(store: FeatureCache, digests: Iterable[bytes] = DIGESTS) -> None:
    """What the store gives for photos, as a training reads it, is right."""
    for known in (list(digests), [digest for digest in digests if digest in store]):
        try:
            found = store.reader()[store.rows(known)]
        except StoreError:
            continue
        assert not known or np.array_equal(found, right(known))


def complete(store: FeatureCache, digests: list[bytes] = DIGESTS) -> int:
    """Append what isn't there or is damaged, as the feature pass does; how many rows."""
    appended = 0
    for _ in range(3):
        store.refresh()
        store.verify(digests)
        missing = [digest for digest in digests if digest not in store]
        if not missing:
            break
        store.prepare()
        store.append(missing, right(missing))
        appended += len(missing)
    found = store.reader()[store.rows(digests)]
    assert np.array_equal(found, right(digests))
    return appended


@EVERY_TRIALS
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_never_read_as_features(
    damage: Damage, name: str, trials: int, pristine: Path, tmp_path: Path
) -> None:
    """The next run reads no wrong row, and completes the cache."""
    random = np.random.default_rng([DAMAGES.index(damage), FILES.index(name)])
    lost = 0
    for _ in range(trials):
        folder = restore(pristine, tmp_path)
        (folder / name).write_bytes(damage((pristine / name).read_bytes(), random))
        right_or_refused(FeatureCache(tmp_path, RECIPE))
        lost += complete(FeatureCache(tmp_path, RECIPE))
        assert complete(FeatureCache(tmp_path, RECIPE)) == 0  # it was mended
    if name == "recipe.json":
        assert lost == 0
    elif damage is flip_a_bit:
        assert lost == trials  # one row each, and every time
    else:
        assert lost > 0


@pytest.mark.usefixtures("nothing_in_memory")
@EVERY_TRIALS
@pytest.mark.parametrize("name", FILES[:2])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_during_use_is_never_read_as_features(
    damage: Damage, name: str, trials: int, pristine: Path, tmp_path: Path
) -> None:
    """The file is changed under a process that has it open, which then reads and writes on."""
    random = np.random.default_rng([DAMAGES.index(damage), FILES.index(name), 1])
    added = ADDED[:20]
    refusals: list[str] = []
    for _ in range(trials):
        folder = restore(pristine, tmp_path)
        store = FeatureCache(tmp_path, RECIPE)
        reader, numbers = store.reader(), store.rows(DIGESTS)
        (folder / name).write_bytes(damage((pristine / name).read_bytes(), random))
        try:
            assert np.array_equal(reader[numbers], right(DIGESTS))
        except StoreError as error:
            refusals.append(str(error))
        store.append(added, right(added))
        right_or_refused(store, [*DIGESTS, *added])
        complete(FeatureCache(tmp_path, RECIPE), [*DIGESTS, *added])
        complete(store, [*DIGESTS, *added])
        shutil.rmtree(folder)
    if name == "digests.bin":
        assert not refusals  # the records were read before
    else:
        assert len(refusals) > trials / 2
    assert all(f"{folder / name} was damaged" in refusal for refusal in refusals)
    assert all("Run the command again" in refusal for refusal in refusals)


def delete_the_folder(folder: Path, other: Path) -> None:
    shutil.rmtree(folder)


def delete_the_features(folder: Path, other: Path) -> None:
    (folder / "features.bin").unlink()


def delete_the_index(folder: Path, other: Path) -> None:
    (folder / "digests.bin").unlink()


def replace_the_folder(folder: Path, other: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(other, folder)


def replace_the_features(folder: Path, other: Path) -> None:
    shutil.copy(other / "features.bin", folder / "new")
    (folder / "new").rename(folder / "features.bin")


def replace_the_index(folder: Path, other: Path) -> None:
    shutil.copy(other / "digests.bin", folder / "new")
    (folder / "new").rename(folder / "digests.bin")


def overwrite_both(folder: Path, other: Path) -> None:
    for name in FILES:
        (folder / name).write_bytes((other / name).read_bytes())


REPLACEMENTS = (
    delete_the_folder,
    delete_the_features,
    delete_the_index,
    replace_the_folder,
    replace_the_features,
    replace_the_index,
    overwrite_both,
)


@EVERY_TRIALS
@pytest.mark.parametrize("recipe", [RECIPE, replace(RECIPE, view="mirror")], ids=["own", "other"])
@pytest.mark.parametrize("change", REPLACEMENTS)
def test_replaced_and_deleted_files_are_noticed(
    change: Callable[[Path, Path], None],
    recipe: object,
    trials: int,
    pristine: Path,
    tmp_path: Path,
) -> None:
    """By those of a shorter cache with other photos, of this recipe and of another one.

    The other recipe's rows of the same photos are other rows: taking them would be wrong.
    """
    random = np.random.default_rng(REPLACEMENTS.index(change))
    for trial in range(trials // 4):
        folder = restore(pristine, tmp_path)
        count = int(random.integers(1, PHOTOS))
        other = FeatureCache(tmp_path / f"other{trial}", recipe)  # type: ignore[arg-type]
        photos = digests_of(range(PHOTOS // 2, PHOTOS // 2 + count))
        other.append(photos, rows_of(photos) + (0 if recipe == RECIPE else 1))
        stores = [FeatureCache(tmp_path, RECIPE) for _ in range(2)]
        reader, numbers = stores[0].reader(), stores[0].rows(DIGESTS)
        change(folder, other.folder)
        try:
            assert np.array_equal(reader[numbers], right(DIGESTS))
        except StoreError:
            assert change is overwrite_both
        for store in (*stores, FeatureCache(tmp_path, RECIPE)):
            part = ADDED[trial : trial + 30]
            store.append(part, right(part))
            right_or_refused(store, part)
            right_or_refused(store)
        for store in (*stores, FeatureCache(tmp_path, RECIPE)):
            complete(store)
        right_or_refused(FeatureCache(tmp_path, RECIPE), ADDED)
        assert complete(FeatureCache(tmp_path, RECIPE)) == 0
        shutil.rmtree(folder)


def test_damage_is_reported_once_by_its_path(
    pristine: Path, tmp_path: Path, logged: Callable[[], str]
) -> None:
    folder = restore(pristine, tmp_path)
    for name, size in (("features.bin", 192), ("digests.bin", RECORD.itemsize)):
        damaged = bytearray((folder / name).read_bytes())
        for number in (3, 70):
            damaged[number * size + 5] ^= 1
        (folder / name).write_bytes(damaged)
    assert complete(FeatureCache(tmp_path, RECIPE)) == 2  # the same two photos
    assert f"warning: {folder / 'digests.bin'} is damaged: 2 of 100 records" in logged()
    (folder / "digests.bin").write_bytes((pristine / "digests.bin").read_bytes())
    complete(FeatureCache(tmp_path, RECIPE))
    assert f"warning: {folder / 'features.bin'} is damaged: 2 of 100 rows" in logged()
    complete(FeatureCache(tmp_path, RECIPE))
    assert logged() == ""


@pytest.mark.parametrize("name", FILES[:2])
def test_sectors_that_the_disk_cannot_read_cost_only_what_is_in_them(
    name: str, pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, real = restore(pristine, tmp_path), os.preadv
    bad = (folder / name).stat()

    def preadv(file: int, buffers: list[memoryview], offset: int) -> int:
        size = sum(len(buffer) for buffer in buffers)
        if os.path.samestat(os.fstat(file), bad) and offset < 8192 and offset + size > 4096:
            raise OSError(5, "Input/output error")
        return real(file, buffers, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    store = FeatureCache(tmp_path, RECIPE)
    store.verify(DIGESTS)
    size = 192 if name == "features.bin" else RECORD.itemsize
    lost = range(4096 // size, min(PHOTOS, -(-8192 // size)))
    assert [digest in store for digest in DIGESTS] == [n not in lost for n in range(PHOTOS)]
    right_or_refused(store)


def test_a_row_in_the_place_of_another_is_refused(pristine: Path, tmp_path: Path) -> None:
    """Two rows, and two records, that changed their places: the records tell where rows are."""
    folder = restore(pristine, tmp_path)
    for name, size in (("digests.bin", RECORD.itemsize), ("features.bin", 192)):
        content = bytearray((folder / name).read_bytes())
        content[:size], content[size : 2 * size] = content[size : 2 * size], content[:size]
        (folder / name).write_bytes(content)
        store = FeatureCache(tmp_path, RECIPE)
        store.verify(DIGESTS)
        assert len(store) == (PHOTOS if name == "digests.bin" else PHOTOS - 2)
        right_or_refused(store)


WRITE = """
import sys
from pathlib import Path
from helpers.made_features import RECIPE, digests_of, rows_of
from dogbreed.features.cache import FeatureCache
store = FeatureCache(Path(sys.argv[1]), RECIPE)
while not Path(sys.argv[1], "stop").exists():
    for first in range(int(sys.argv[2]), 100, 10):
        part = digests_of(range(first, min(100, first + 10)))
        store.append(part, rows_of(part))
        store.verify(part)  # of features.bin alone being deleted the index doesn't know
        known = [digest for digest in part if digest in store]
        assert (store.reader()[store.rows(known)] == rows_of(known)).all()
    store.refresh()
print("right")
"""


def test_folders_deleted_under_two_writers_leave_only_right_rows(tmp_path: Path) -> None:
    """Each writer always reads back what it wrote, and the cache can be completed at the end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, str(tmp_path), first],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for first in ("0", "45")
    ]
    folder = FeatureCache(tmp_path, RECIPE).folder
    try:
        for trial in range(30):
            time.sleep(0.01)
            while not (folder / "digests.bin").exists():
                assert all(writer.poll() is None for writer in writers)
            if trial % 3:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                (folder / FILES[trial % 2]).unlink(missing_ok=True)
    finally:
        (tmp_path / "stop").touch()
        outputs = [writer.communicate(timeout=60)[0] for writer in writers]
    assert outputs == ["right\n", "right\n"]
    store = FeatureCache(tmp_path, RECIPE)
    right_or_refused(store)
    complete(store)
    right_or_refused(FeatureCache(tmp_path, RECIPE))


def test_a_writer_that_waited_for_files_that_went_writes_to_those_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = FeatureCache(tmp_path, RECIPE), FeatureCache(tmp_path, RECIPE)
    append(first, range(10))
    waits, flock = threading.Event(), fcntl.flock

    def waiting(file: int, operation: int) -> None:
        if threading.current_thread() is writer:
            waits.set()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", waiting)
    writer = threading.Thread(target=append, args=(second, range(10, 20)))
    with FeatureFiles.locked(first.folder):
        writer.start()
        assert waits.wait(30)  # it has opened the files, and waits for their locks
        shutil.rmtree(first.folder)
    writer.join(30)
    reader = FeatureCache(tmp_path, RECIPE)
    assert [digest in reader for digest in DIGESTS[10:20]] == [True] * 10
    np.testing.assert_array_equal(
        reader.reader()[reader.rows(DIGESTS[10:20])], np.stack([ROWS[d] for d in DIGESTS[10:20]])
    )
