"""The feature pass: every photo once through the frozen part, decoding beside computing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dogbreed.backbone.architecture import Backbone
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import Pixels, Preprocessing
from dogbreed.errors import ConfigError, DataError, PhotoError, Stopped, StoreError
from dogbreed.features.cache import FeatureCache, Recipe
from dogbreed.runtime.engine import BATCH_SIZE, EngineChoice, FrozenRunner, build_runner
from dogbreed.runtime.prefetch import prefetch
from dogbreed.runtime.runner import Floats
from dogbreed.runtime.views import decode_views
from dogbreed.utils.clock import Clock
from dogbreed.utils.progress import progress

# What a killed run can lose: each append costs a sync to the disk, what waits costs memory.
PHOTOS_PER_APPEND = 512
BYTES_PER_APPEND = 64 * 1024 * 1024
# Over the photos: a second one follows where another process deletes or damages what was written.
MAX_PASSES = 3


@dataclass(frozen=True, kw_only=True)
class Request:
    """A photo and the views that are wanted of it."""

    path: Path
    digest: bytes
    views: tuple[str, ...]


@dataclass(frozen=True)
class FrozenPart:
    """What computes features: a backbone's frozen part, and the engine that runs it."""

    backbone: Backbone
    choice: EngineChoice


def split_point_shape(backbone: Backbone) -> tuple[int, ...]:
    """The shape of one photo's activations at the split point.

    Raises:
        ConfigError: the network doesn't take photos of this size.
    """
    import torch

    size_px = backbone.preprocessing.size_px
    example = torch.zeros(1, 3, size_px, size_px, dtype=torch.uint8)
    try:
        return tuple(backbone.frozen(example).shape[1:])
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"data.size_px={size_px}: {backbone.name} doesn't take photos of this size "
            f"({error}). Leave it at auto: its own size."
        ) from error


def open_caches(
    root: Path, frozen: FrozenPart, views: Sequence[str], dtype: str = "float16"
) -> dict[str, FeatureCache]:
    """One feature cache per view."""
    backbone, choice = frozen.backbone, frozen.choice
    shape = split_point_shape(backbone)
    weights = backbone.digest()
    return {
        view: FeatureCache(
            root,
            Recipe(
                backbone=backbone.name,
                weights=weights,
                boundary=backbone.trainable,
                preprocessing=backbone.preprocessing.describe(),
                view=view,
                engine=choice.name,
                precision=choice.precision,
                versions=choice.versions,
                dtype=dtype,
                shape=shape,
            ),
        )
        for view in views
    }


def fill_caches(
    caches: Mapping[str, FeatureCache],
    requests: Sequence[Request],
    frozen: FrozenPart,
    *,
    workers: int,
    max_pixels: int = photos.MAX_PIXELS,
    clock: Clock | None = None,
) -> int:
    """Compute what the caches lack of `requests`; how many views of photos were computed.

    Rows that are there are read and verified first; damaged ones are computed again. `clock`
    records the phases read, build, wait (for decoded photos), compute and write, and beside them
    the decoding.

    Raises:
        DataError: a photo changed or went away since it was checked.
        StoreError: the disk is full (what was computed before is saved), or the caches lose rows.
    """
    clock = clock or Clock()
    backbone, choice = frozen.backbone, frozen.choice
    preprocessing = backbone.preprocessing

    def load(batch: list[Request]) -> Pixels:
        with clock.background_work("decode"):
            return np.concatenate([_pixels(r, preprocessing, max_pixels) for r in batch])

    computed = 0
    for _ in range(MAX_PASSES):
        todo = _missing(caches, requests, clock)
        if not todo:
            return computed
        for view in {view for request in todo for view in request.views}:
            caches[view].prepare()
        with clock.phase("build"):
            runner = build_runner(choice, backbone.trunk, preprocessing.size_px)
        work = _Pass(caches, load, runner, BATCH_SIZE[choice.name], workers, clock)
        computed += work.run(_missing(caches, requests, clock))
    if lost := _missing(caches, requests, clock):
        cache = caches[lost[0].views[0]]
        raise StoreError(
            f"The feature cache {cache.folder} lost the features of {len(lost)} photos as often as "
            "they were computed: its disk is damaged, or another program changes its files. Set "
            "features.root to another disk."
        )
    return computed


@dataclass(frozen=True)
class _Pass:
    """One pass over photos: decoding on `workers` threads, beside it computing and writing."""

    caches: Mapping[str, FeatureCache]
    load: Callable[[list[Request]], Pixels]
    runner: FrozenRunner
    batch_size: int
    workers: int
    clock: Clock

    def run(self, todo: Sequence[Request]) -> int:
        """Compute and append all of `todo`; how many views of photos that were."""
        if not todo:
            return 0
        computed = 0
        with (
            self.caches[todo[0].views[0]].building() as first,
            progress("features", len(todo), keep=True) as advance,
        ):
            # A second process starts from the other end: the two meet in the middle.
            ordered = todo if first else todo[::-1]
            batches = _batches(ordered, self.caches, self.batch_size)
            pending = _Pending(self.caches, self.clock)
            depth = self.workers + 1
            try:
                with closing(
                    prefetch(batches, self.load, workers=self.workers, depth=depth)
                ) as loaded:
                    while True:
                        with self.clock.phase("wait"):
                            taken = next(loaded, None)
                        if taken is None:
                            break
                        batch, pixels = taken
                        with self.clock.phase("compute"):
                            rows = self.runner(pixels)
                        pending.add(batch, rows)
                        computed += len(pixels)
                        advance(len(batch))
            except (DataError, Stopped):
                pending.write()  # what was computed is saved
                raise
            pending.write()
        return computed


class _Pending:
    """Computed rows on their way to the caches."""

    def __init__(self, caches: Mapping[str, FeatureCache], clock: Clock) -> None:
        self._caches, self._clock = caches, clock
        self._rows: dict[str, list[tuple[bytes, Floats]]] = {view: [] for view in caches}
        self._bytes = 0

    def add(self, batch: Sequence[Request], rows: Floats) -> None:
        """Take the rows of a batch, a photo's views one after the other."""
        row = iter(rows)
        for request in batch:
            for view in request.views:
                self._rows[view].append((request.digest, next(row)))
        self._bytes += rows.nbytes
        photos_waiting = max(len(waiting) for waiting in self._rows.values())
        if photos_waiting >= PHOTOS_PER_APPEND or self._bytes >= BYTES_PER_APPEND:
            self.write()

    def write(self) -> None:
        """Append all that is there."""
        with self._clock.phase("write"):
            for view, waiting in self._rows.items():
                if waiting:
                    digests, rows = zip(*waiting, strict=True)
                    self._caches[view].append(digests, np.stack(rows))
                    waiting.clear()
        self._bytes = 0


def _missing(
    caches: Mapping[str, FeatureCache], requests: Sequence[Request], clock: Clock
) -> list[Request]:
    """What isn't in the caches, or is damaged there, each content once."""
    with clock.phase("read"):
        for view, cache in caches.items():
            cache.refresh()
            cache.verify(request.digest for request in requests if view in request.views)
    wanted: dict[bytes, Request] = {}
    for request in requests:
        views = tuple(view for view in request.views if request.digest not in caches[view])
        if not views:
            continue
        before = wanted.get(request.digest)
        merged = tuple(dict.fromkeys((*(before.views if before else ()), *views)))
        wanted[request.digest] = Request(path=request.path, digest=request.digest, views=merged)
    return list(wanted.values())


def _batches(
    todo: Sequence[Request], caches: Mapping[str, FeatureCache], size: int
) -> Iterator[list[Request]]:
    """Requests whose views make up about `size` images, less what another process just stored."""
    batch: list[Request] = []
    images = 0
    for request in todo:
        views = tuple(view for view in request.views if request.digest not in caches[view])
        if not views:
            continue
        if images + len(views) > size and batch:
            yield batch
            batch, images = [], 0
        batch.append(Request(path=request.path, digest=request.digest, views=views))
        images += len(views)
    if batch:
        yield batch


def _pixels(request: Request, preprocessing: Preprocessing, max_pixels: int) -> Pixels:
    """A photo's views: [views, size, size, 3]."""
    try:
        data = photos.read_bytes(request.path)
        if photos.digest(data) != request.digest:
            raise PhotoError("changed", "its content changed since the check")
        return decode_views(
            data, preprocessing, request.views, request.digest, max_pixels=max_pixels
        )
    except PhotoError as error:
        raise DataError(
            f"{request.path}: {error}. Run the command again: it checks the photos again."
        ) from error
