"""The feature pass: each photo once, by one process or two, whatever stops it on the way."""

import copy
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import draw_photo, only_reading

from dogbreed.backbone.architecture import (
    HEAD,
    LAST_STAGE,
    Backbone,
    build_backbone,
    empty_backbone,
)
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import ConfigError, DataError, StoreError
from dogbreed.features import extraction
from dogbreed.features.cache import FeatureCache
from dogbreed.features.extraction import (
    FrozenPart,
    Request,
    fill_caches,
    open_caches,
    split_point_shape,
)
from dogbreed.runtime.engine import BATCH_SIZE, EngineChoice, choose_engine
from dogbreed.runtime.runner import BF16, F32, OPENVINO, TORCH, Floats

VIEWS = ("centre", "mirror", "crop1")
PREPROCESSING = Preprocessing(size_px=64)
CHOICE = EngineChoice(TORCH, F32, "test")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks gain nothing from more, and processes side by side lose much."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights in a file: random ones differ in the last bits with the number of threads."""
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    network = build_backbone("resnet18", "none").trunk.get_submodule("layers")
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def backbone(weights: Path) -> Backbone:
    return build_backbone("resnet18", str(weights), preprocessing=PREPROCESSING)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Ten photos of different contents and sizes."""
    found = [tmp_path / "photos" / f"{number:02}.jpg" for number in range(10)]
    for number, path in enumerate(found):
        draw_photo(path, 20 * number, number, size=(70 + 5 * number, 64 + 7 * (number % 3)))
    return found


def request(path: Path, views: Sequence[str] = VIEWS) -> Request:
    """What the check would have made of the photo as it is now."""
    return Request(path=path, digest=photos.digest(path.read_bytes()), views=tuple(views))


def opened(root: Path, backbone: Backbone, views: Sequence[str] = VIEWS) -> dict[str, FeatureCache]:
    return open_caches(root, FrozenPart(backbone, CHOICE), views)


def fill(stores: dict[str, FeatureCache], requests: Sequence[Request], backbone: Backbone) -> int:
    return fill_caches(stores, requests, FrozenPart(backbone, CHOICE), workers=2)


def stored(store: FeatureCache, requests: Sequence[Request]) -> Floats:
    rows: Floats = store.reader()[store.rows([r.digest for r in requests])]
    return rows.astype(np.float32)


def computed_alone(backbone: Backbone, request: Request, view: str) -> Floats:
    """One view of one photo through the plain trunk."""
    photo = photos.decode(request.path.read_bytes(), wanted_px=PREPROCESSING.size_px)
    pixels = PREPROCESSING.view(photo, view, request.digest)
    images = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None]
    row: Floats = backbone.frozen(images)[0].numpy()
    return row


def assert_right(
    stores: dict[str, FeatureCache], requests: Sequence[Request], backbone: Backbone
) -> None:
    """Every view that a request wants is in its store, with the right numbers."""
    for view, store in stores.items():
        wanted = [request for request in requests if view in request.views]
        if wanted:
            expected = np.stack([computed_alone(backbone, request, view) for request in wanted])
            # Half precision keeps 11 bits.
            np.testing.assert_allclose(stored(store, wanted), expected, rtol=2e-3, atol=2e-3)


def refuse_to_build(*_: object) -> None:
    pytest.fail("a runner was built where there was nothing to compute")


def test_features_are_those_of_each_view_computed_alone(
    backbone: Backbone, paths: list[Path], tmp_path: Path
) -> None:
    requests = [request(path) for path in paths]
    stores = opened(tmp_path, backbone)
    assert fill(stores, requests, backbone) == 30
    assert [len(store) for store in stores.values()] == [10, 10, 10]
    assert_right(stores, requests, backbone)
    rows = [stored(store, requests) for store in stores.values()]
    spread = rows[0].std(axis=0).mean()
    for one, other in ((0, 1), (0, 2), (1, 2)):  # the views differ, each in its own store
        assert np.abs(rows[one] - rows[other]).mean() > 0.05 * spread
    assert len({store.folder for store in stores.values()}) == 3


@pytest.mark.parametrize("size", [1, 7])
def test_batches_may_end_anywhere(
    size: int,
    backbone: Backbone,
    paths: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(BATCH_SIZE, TORCH, size)
    monkeypatch.setattr(extraction, "PHOTOS_PER_APPEND", 4)
    wanted = [VIEWS, VIEWS[:1], VIEWS[1:], VIEWS[2:]]
    requests = [request(path, wanted[n % 4]) for n, path in enumerate(paths)]
    stores = opened(tmp_path, backbone)
    assert fill(stores, requests, backbone) == sum(len(r.views) for r in requests)
    assert_right(stores, requests, backbone)


def test_boundary_maps_are_stored_as_they_are(paths: list[Path], tmp_path: Path) -> None:
    backbone = build_backbone("resnet18", "none", LAST_STAGE, PREPROCESSING)
    requests = [request(path, ["centre"]) for path in paths[:3]]
    stores = opened(tmp_path, backbone, ["centre"])
    assert stores["centre"].shape == (256, 4, 4)
    fill(stores, requests, backbone)
    assert_right(stores, requests, backbone)


def test_openvino_fills_the_store_with_the_same_numbers(
    backbone: Backbone, paths: list[Path], tmp_path: Path
) -> None:
    choice = choose_engine(OPENVINO)
    requests = [request(path, ["centre"]) for path in paths]
    stores = open_caches(tmp_path, FrozenPart(backbone, choice), ["centre"])
    assert fill_caches(stores, requests, FrozenPart(backbone, choice), workers=1) == 10
    expected = np.stack([computed_alone(backbone, request, "centre") for request in requests])
    found = stored(stores["centre"], requests)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((found * expected).sum(1) / lengths).min() > 0.999


def test_nothing_is_computed_twice(
    backbone: Backbone, paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [request(path) for path in paths]
    fill(opened(tmp_path, backbone), requests, backbone)
    monkeypatch.setattr(extraction, "build_runner", refuse_to_build)
    monkeypatch.setattr(photos, "read_bytes", refuse_to_build)
    stores = opened(tmp_path, backbone)
    assert fill(stores, requests, backbone) == 0
    assert (
        fill(opened(tmp_path, backbone, VIEWS[:1]), [request(paths[0], VIEWS[:1])], backbone) == 0
    )
    assert fill(stores, [], backbone) == 0


def test_only_a_changed_photo_is_computed_anew(
    backbone: Backbone, paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [request(path) for path in paths]
    fill(opened(tmp_path, backbone), before, backbone)
    draw_photo(paths[4], 200, 99)
    paths[7].rename(paths[7].with_name("renamed.jpg"))  # another name, the same photo
    paths[7] = paths[7].with_name("renamed.jpg")
    requests = [request(path) for path in paths]
    read: list[Path] = []
    real = photos.read_bytes

    def read_bytes(path: Path) -> bytes:
        read.append(path)
        return real(path)

    monkeypatch.setattr(photos, "read_bytes", read_bytes)
    stores = opened(tmp_path, backbone)
    assert fill(stores, requests, backbone) == 3
    assert read == [paths[4]]
    assert_right(stores, requests, backbone)
    assert before[4].digest in stores["centre"]  # should the photo be put back


def test_a_content_in_two_places_is_computed_once(
    backbone: Backbone, paths: list[Path], tmp_path: Path
) -> None:
    copy = tmp_path / "photos" / "copy.jpg"
    copy.write_bytes(paths[0].read_bytes())
    requests = [
        request(paths[0], ["centre"]),
        request(paths[1], ["centre"]),
        request(copy, ["mirror"]),
        request(copy, ["centre"]),
    ]
    stores = opened(tmp_path, backbone)
    assert fill(stores, requests, backbone) == 3  # two views of the one, one of the other
    assert [len(store) for store in stores.values()] == [2, 1, 0]
    assert_right(stores, requests, backbone)


def test_views_that_are_asked_for_later_are_added(
    backbone: Backbone, paths: list[Path], tmp_path: Path
) -> None:
    """Validation photos have one view until features.average asks for all."""
    first = [request(path, VIEWS[:1] if n < 4 else VIEWS) for n, path in enumerate(paths)]
    assert fill(opened(tmp_path, backbone), first, backbone) == 4 + 18
    stores = opened(tmp_path, backbone)
    assert [len(store) for store in stores.values()] == [10, 6, 6]
    later = [request(path) for path in paths]
    assert fill(stores, later, backbone) == 8
    assert_right(stores, later, backbone)


def rewrite(path: Path) -> None:
    draw_photo(path, 5, 5)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


@pytest.mark.parametrize("change", [rewrite, cut_short, Path.unlink])
def test_a_photo_that_changed_since_the_check_is_named(
    change: Callable[[Path], None], backbone: Backbone, paths: list[Path], tmp_path: Path
) -> None:
    requests = [request(path) for path in paths]
    stores = opened(tmp_path, backbone)
    fill(stores, requests[:3], backbone)
    change(paths[6])
    with pytest.raises(DataError, match=rf"{paths[6]}: .*checks the photos again"):
        fill(stores, requests, backbone)
    stores = opened(tmp_path, backbone)
    assert_right(stores, requests[:3], backbone)
    fill(stores, [r for r in requests if r.path != paths[6]], backbone)
    assert requests[6].digest not in stores["centre"]


def test_a_photo_beyond_the_limit_is_named(
    backbone: Backbone, paths: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=f"{paths[0]}: .*the limit is 100"):
        fill_caches(
            opened(tmp_path, backbone),
            [request(paths[0])],
            FrozenPart(backbone, CHOICE),
            workers=1,
            max_pixels=100,
        )


def test_a_disk_that_fills_up_keeps_what_was_computed(
    backbone: Backbone, paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "PHOTOS_PER_APPEND", 2)
    monkeypatch.setitem(BATCH_SIZE, TORCH, 2)
    real = FeatureCache.append

    def append(store: FeatureCache, digests: Sequence[bytes], rows: Floats) -> None:
        if len(store) >= 4:
            raise StoreError("The disk is full")
        real(store, digests, rows)

    monkeypatch.setattr(FeatureCache, "append", append)
    requests = [request(path, ["centre"]) for path in paths]
    with pytest.raises(StoreError, match="The disk is full"):
        fill(opened(tmp_path, backbone, ["centre"]), requests, backbone)
    monkeypatch.setattr(FeatureCache, "append", real)
    stores = opened(tmp_path, backbone, ["centre"])
    assert fill(stores, requests, backbone) == 6
    assert_right(stores, requests, backbone)


@pytest.mark.parametrize("name", ["features.bin", "digests.bin"])
@pytest.mark.parametrize("damage", ["a bit", "zeros", "cut off", "gone"])
def test_what_is_damaged_is_computed_again_in_the_same_run(
    name: str,
    damage: str,
    backbone: Backbone,
    paths: list[Path],
    tmp_path: Path,
    logged: Callable[[], str],
) -> None:
    requests = [request(path) for path in paths]
    fill(opened(tmp_path, backbone), requests, backbone)
    path = opened(tmp_path, backbone)["mirror"].folder / name
    content = path.read_bytes()
    middle = len(content) // 2
    if damage == "a bit":
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :])
    elif damage == "zeros":
        path.write_bytes(bytes(middle) + content[middle:])
    elif damage == "cut off":
        path.write_bytes(content[:middle])
    else:
        path.unlink()
    stores = opened(tmp_path, backbone)
    expected = {"a bit": 1, "zeros": 5, "cut off": 5, "gone": 10}
    assert fill(stores, requests, backbone) == expected[damage]
    assert_right(stores, requests, backbone)
    told = logged()
    if damage in ("a bit", "zeros"):
        assert f"warning: {path} is damaged: {expected[damage]} of 10" in told
    stores = opened(tmp_path, backbone)
    assert fill(stores, requests, backbone) == 0
    assert_right(stores, requests, backbone)
    assert not logged()


def test_a_cache_that_is_deleted_during_the_pass_is_completed(
    backbone: Backbone, paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "PHOTOS_PER_APPEND", 2)
    monkeypatch.setitem(BATCH_SIZE, TORCH, 2)
    requests = [request(path, ["centre"]) for path in paths]
    stores, real = opened(tmp_path, backbone, ["centre"]), FeatureCache.append
    fill(stores, requests[:3], backbone)
    appended = 0

    def append(store: FeatureCache, digests: Sequence[bytes], rows: Floats) -> None:
        nonlocal appended
        appended += 1
        if appended == 3:  # and another run begins with other photos
            shutil.rmtree(store.folder)
            other = opened(tmp_path, backbone, ["centre"])
            fill(other, requests[8:], backbone)
        real(store, digests, rows)

    monkeypatch.setattr(FeatureCache, "append", append)
    fill(stores, requests, backbone)
    assert_right(stores, requests, backbone)
    monkeypatch.undo()
    stores = opened(tmp_path, backbone, ["centre"])
    assert fill(stores, requests, backbone) == 0
    assert_right(stores, requests, backbone)


def test_a_cache_that_loses_what_is_written_is_refused(
    backbone: Backbone, paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FeatureCache, "append", lambda store, digests, rows: None)
    stores = opened(tmp_path, backbone)
    with pytest.raises(StoreError, match=r"lost the features of 10 photos.*features\.root"):
        fill(stores, [request(path) for path in paths], backbone)


def test_a_complete_cache_of_another_user_is_used_as_it_is(
    backbone: Backbone, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [request(path) for path in paths]
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # where any user may look
        root = Path(name)
        fill(opened(root, backbone), requests[:8], backbone)
        before = sorted(root.rglob("*"))
        with only_reading(root):
            monkeypatch.setattr(extraction, "build_runner", refuse_to_build)
            stores = opened(root, backbone)
            assert fill(stores, requests[:8], backbone) == 0
            assert stored(stores["mirror"], requests[:8]).shape == (8, 512)
            assert sorted(root.rglob("*")) == before
            with pytest.raises(StoreError, match=r"Permission denied.*features\.root") as refusal:
                fill(stores, requests, backbone)  # before anything is computed
            assert "lacks features" in str(refusal.value)


def test_a_network_that_gives_no_numbers_is_blamed_itself(
    backbone: Backbone, paths: list[Path], tmp_path: Path
) -> None:
    broken = copy.deepcopy(backbone)
    with torch.no_grad():
        broken.trunk.get_submodule("layers.layer4.1.bn2").get_parameter("bias")[0] = float("nan")
    with pytest.raises(StoreError, match="network gives features that aren't finite"):
        fill(opened(tmp_path, broken), [request(path) for path in paths], broken)


def test_each_recipe_has_a_store_of_its_own(backbone: Backbone, tmp_path: Path) -> None:
    def folder(
        network: Backbone = backbone,
        preprocessing: Preprocessing = PREPROCESSING,
        choice: EngineChoice = CHOICE,
        dtype: str = "float16",
    ) -> Path:
        seen = copy.copy(network)
        seen.preprocessing = preprocessing
        caches = open_caches(tmp_path, FrozenPart(seen, choice), ["centre"], dtype)
        return caches["centre"].folder

    cut = empty_backbone("resnet18", LAST_STAGE)
    other = copy.deepcopy(backbone)
    with torch.no_grad():
        other.trunk.get_submodule("layers.layer4.1.conv2").get_parameter("weight").mul_(1.001)
    folders = [
        folder(),
        folder(network=cut),
        folder(network=other),
        folder(network=empty_backbone("squeezenet1_1", HEAD)),
        folder(preprocessing=replace(PREPROCESSING, size_px=96)),
        folder(preprocessing=replace(PREPROCESSING, crop_share=0.9)),
        folder(preprocessing=replace(PREPROCESSING, fit="pad")),
        folder(preprocessing=replace(PREPROCESSING, fit="stretch")),
        folder(preprocessing=replace(PREPROCESSING, resample="bilinear")),
        folder(preprocessing=replace(PREPROCESSING, mean=(127, 127, 127))),
        folder(preprocessing=replace(PREPROCESSING, std=(127, 127, 127))),
        folder(choice=EngineChoice(OPENVINO, F32, "test")),
        folder(choice=EngineChoice(TORCH, BF16, "test")),
        folder(choice=replace(CHOICE, versions={"torch": "0"})),
        folder(dtype="float32"),
    ]
    assert len(set(folders)) == len(folders)
    assert folder() == folders[0]
    assert folder(choice=replace(CHOICE, reason="another")) == folders[0]


@pytest.mark.parametrize(("name", "size_px"), [("vit_b_16", 64), ("inception_v3", 64)])
def test_a_size_that_the_network_does_not_take_is_refused(name: str, size_px: int) -> None:
    backbone = empty_backbone(name, HEAD, replace(PREPROCESSING, size_px=size_px))
    with pytest.raises(ConfigError, match=f"data.size_px={size_px}: {name} .*Leave it at auto"):
        split_point_shape(backbone)


# A slow pass in small steps over all photos of a folder, to be joined or killed on its way.
PASS = """
import sys, time
from pathlib import Path
from dogbreed.features import extraction
from dogbreed.backbone.architecture import build_backbone
from dogbreed.runtime.engine import EngineChoice
from dogbreed.runtime.runner import F32, TORCH
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import Preprocessing

root, weights, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
extraction.PHOTOS_PER_APPEND = 3
extraction.BATCH_SIZE[TORCH] = 3
build_fast = extraction.build_runner

def build_slow(*arguments):
    fast = build_fast(*arguments)
    print("ready", flush=True)
    while not (root / "go").exists():
        time.sleep(0.005)

    def run(pixels):
        time.sleep(seconds)
        return fast(pixels)
    return run

extraction.build_runner = build_slow
preprocessing = Preprocessing(size_px=64)
backbone = build_backbone("resnet18", weights, preprocessing=preprocessing)
frozen = extraction.FrozenPart(backbone, EngineChoice(TORCH, F32, "test"))
stores = extraction.open_caches(root, frozen, ["centre"])
requests = [
    extraction.Request(path=p, digest=photos.digest(p.read_bytes()), views=("centre",))
    for p in sorted((root / "photos").iterdir())
]
computed = extraction.fill_caches(stores, requests, frozen, workers=1)
complete = all(request.digest in stores["centre"] for request in requests)
print(computed, complete)
"""


def start_pass(root: Path, weights: Path, batch_s: float = 0.05) -> subprocess.Popen[str]:
    """Run PASS over `root`/photos, three in `batch_s`, from the moment that `root`/go exists."""
    return subprocess.Popen(
        [sys.executable, "-c", PASS, str(root), str(weights), str(batch_s)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def draw_many(root: Path, count: int) -> list[Request]:
    paths = [root / "photos" / f"{number:03}.png" for number in range(count)]
    for number, path in enumerate(paths):
        draw_photo(path, number, number, size=(64, 64))
    return [request(path, ["centre"]) for path in paths]


@pytest.mark.runs
def test_two_processes_share_the_work(backbone: Backbone, weights: Path, tmp_path: Path) -> None:
    requests = draw_many(tmp_path, 72)
    both = [start_pass(tmp_path, weights) for _ in range(2)]
    for process in both:
        wait_until_ready(process)
    (tmp_path / "go").touch()
    computed = []
    for process in both:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        count, complete = output.split()
        assert complete == "True"
        computed.append(int(count))
    # How much each gets to do is the system's choice, and where they meet both compute a batch.
    assert min(computed) > 0
    assert 72 <= sum(computed) < 2 * 72
    stores = opened(tmp_path, backbone, ["centre"])
    assert len(stores["centre"]) == 72
    assert_right(stores, requests, backbone)


@pytest.mark.runs
def test_a_pass_that_was_killed_is_continued(
    backbone: Backbone, weights: Path, tmp_path: Path
) -> None:
    requests = draw_many(tmp_path, 80)
    process = start_pass(tmp_path, weights, batch_s=0.3)  # killed long before its end
    wait_until_ready(process)
    (tmp_path / "go").touch()
    store = opened(tmp_path, backbone, ["centre"])["centre"]
    while len(store) < 9:
        assert process.poll() is None
        store.refresh()
    process.kill()
    process.communicate()
    stores = opened(tmp_path, backbone, ["centre"])
    kept = len(stores["centre"])
    assert 9 <= kept < 80
    assert fill(stores, requests, backbone) == 80 - kept
    assert_right(stores, requests, backbone)
