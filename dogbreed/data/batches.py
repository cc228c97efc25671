"""Batches of photos or of cached features, in an order that depends on seed and epoch alone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import Pixels, Preprocessing
from dogbreed.data.layouts.splits import Sample
from dogbreed.errors import ConfigError, DataError, PhotoError
from dogbreed.utils.signals import starting_helpers

Indices = npt.NDArray[np.int64]


class PhotoBatch(NamedTuple):
    """images [n, views, 3, height, width] in uint8, targets [n]; `weight` as in BatchIndices."""

    images: Tensor
    targets: Tensor
    weight: float = 1.0


class FeatureBatch(NamedTuple):
    """features [n, views, *split point] of the frozen part, targets [n], `weight`."""

    features: Tensor
    targets: Tensor
    weight: float = 1.0


# What data sets call them in dictionaries; pixel_values and labels are Hugging Face's.
IMAGE_KEYS = ("images", "image", "pixel_values", "x")
TARGET_KEYS = ("targets", "target", "labels", "label", "y")


def images_of(batch: Any) -> Tensor:
    """The images [n, views, 3, height, width] of a batch.

    Other batches than a PhotoBatch have one view: `(images, targets)`, a dictionary, or the images
    alone, [n, 3, height, width].

    Raises:
        ConfigError: no such images.
    """
    if isinstance(batch, PhotoBatch):
        return batch.images
    images = batch
    if isinstance(batch, Mapping):
        images = _member(batch, IMAGE_KEYS)
    elif not isinstance(batch, Tensor):
        images = batch[0]
    if images.ndim != 4:
        raise ConfigError(
            f"A batch has images of shape {list(images.shape)}: it must be [n, 3, height, width]."
        )
    one_view: Tensor = images[:, None]
    return one_view


def targets_of(batch: Any) -> Tensor:
    """The targets [n] of a batch, the indices of its classes.

    Raises:
        ConfigError: it has none.
    """
    if isinstance(batch, Tensor):
        raise ConfigError("A batch is images alone: training needs (images, targets).")
    targets: Tensor = _member(batch, TARGET_KEYS) if isinstance(batch, Mapping) else batch[1]
    return targets


def _member(batch: Mapping[str, Tensor], names: Sequence[str]) -> Tensor:
    for name in names:
        if name in batch:
            return batch[name]
    raise ConfigError(
        f"A batch is a dictionary of {', '.join(map(str, batch))}: it needs one of "
        f"{', '.join(names)}."
    )


class BatchIndices(NamedTuple):
    """The photos of a batch. `views` [n] is the sampled view of each for training; None: all views.

    `weight` is that of this process's mean in the mean over all processes: 1 where each process has
    the same number of photos of the batch.
    """

    indices: Indices
    views: Indices | None
    epoch: int
    weight: float = 1.0


class Rows(Protocol):
    """Cached features: rows by number, as an array."""

    def __getitem__(self, rows: Indices) -> npt.NDArray[Any]:
        """[len(rows), *split point]."""
        ...


class TrainBatches(Sampler[BatchIndices]):
    """Shuffled batches, each photo in one sampled view.

    Order and views follow from (seed, epoch), so a resumed run samples what an uninterrupted one
    would have. Several processes split each batch between them. A process without a photo of the
    last batch takes the batch's first photo at weight 0, as each step needs all processes.
    """

    def __init__(
        self, count: int, views: int, batch_size: int, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        self.count, self.views, self.batch_size = count, views, batch_size
        self.seed, self.rank, self.world = seed, rank, world
        self.epoch = 0
        self.first_batch = 0  # where an interrupted epoch continues; the next epoch starts at 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[BatchIndices]:
        first, self.first_batch = self.first_batch, 0
        random = np.random.default_rng([self.seed, self.epoch])
        order = random.permutation(self.count)
        views = random.integers(self.views, size=self.count)
        for number in range(first, len(self)):
            part = slice(number * self.batch_size, (number + 1) * self.batch_size)
            indices, sampled = order[part], views[part]
            mine = slice(self.rank, None, self.world)
            weight = len(indices[mine]) * self.world / len(indices)
            if not weight:
                mine = slice(1)
            yield BatchIndices(indices[mine], sampled[mine], self.epoch, weight)


class EvalBatches(Sampler[BatchIndices]):
    """All photos in their order, each once over all processes, in all their views."""

    def __init__(self, count: int, batch_size: int, rank: int = 0, world: int = 1) -> None:
        self.indices: Indices = np.arange(rank, count, world)
        self.batch_size = batch_size

    def set_epoch(self, epoch: int) -> None:
        """Every epoch is the same."""

    def __len__(self) -> int:
        return -(-len(self.indices) // self.batch_size)

    def __iter__(self) -> Iterator[BatchIndices]:
        for start in range(0, len(self.indices), self.batch_size):
            yield BatchIndices(self.indices[start : start + self.batch_size], None, 0)


class CachedPhotos(Dataset[FeatureBatch]):
    """A split's cached features: one `Rows` and one row number per view."""

    def __init__(
        self, rows: Sequence[Rows], numbers: Sequence[Indices], labels: Sequence[int]
    ) -> None:
        self._rows, self._numbers = rows, numbers
        self._labels = torch.tensor(labels, dtype=torch.long)

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def views(self) -> int:
        """How many views of each photo are cached."""
        return len(self._rows)

    def __getitem__(self, batch: BatchIndices) -> FeatureBatch:
        """A complete batch."""
        if batch.views is None:
            features = self.features(batch.indices)
        else:
            features = self._sampled(batch.indices, batch.views)[:, None]
        targets = self._labels[torch.from_numpy(batch.indices)]
        return FeatureBatch(torch.from_numpy(features).float(), targets, batch.weight)

    def features(self, indices: Indices, views: int | None = None) -> npt.NDArray[np.float32]:
        """Cached features [n, views, *split point] of some photos, in the first `views` views."""
        taken = [
            rows[numbers[indices]]
            for rows, numbers in zip(self._rows[:views], self._numbers[:views], strict=True)
        ]
        # By torch: numpy takes twenty times as long to convert float16.
        widened: npt.NDArray[np.float32] = torch.from_numpy(np.stack(taken, axis=1)).float().numpy()
        return widened

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The class index [n] of each photo."""
        labels: npt.NDArray[np.int64] = self._labels.numpy()
        return labels

    def joined(self, other: "CachedPhotos") -> "CachedPhotos":
        """These photos, then those of another split in the same caches, in the views of both."""
        views = min(self.views, other.views)
        numbers = [
            np.concatenate(pair)
            for pair in zip(self._numbers[:views], other._numbers[:views], strict=True)
        ]
        return CachedPhotos(self._rows[:views], numbers, [*self.labels, *other.labels])

    def subset(self, indices: Indices) -> "CachedPhotos":
        """Some of the photos."""
        numbers = [of_view[indices] for of_view in self._numbers]
        return CachedPhotos(self._rows, numbers, self.labels[indices].tolist())

    def _sampled(self, indices: Indices, views: Indices) -> npt.NDArray[Any]:
        """One view of each photo: [n, *split point]."""
        taken: npt.NDArray[Any] | None = None
        for view, (rows, numbers) in enumerate(zip(self._rows, self._numbers, strict=True)):
            where = np.flatnonzero(views == view)
            part = rows[numbers[indices[where]]]
            if taken is None:
                taken = np.empty((len(indices), *part.shape[1:]), part.dtype)
            taken[where] = part
        assert taken is not None, "there is at least one view"
        return taken


class LivePhotos(Dataset[PhotoBatch]):
    """A split's photos, decoded for each batch; in training as a new random crop in each epoch."""

    def __init__(
        self,
        samples: Sequence[Sample],
        preprocessing: Preprocessing,
        views: Sequence[str],
        seed: int,
        max_pixels: int,
        within: str | None = None,
    ) -> None:
        self._samples, self._preprocessing = samples, preprocessing
        self._views, self._seed, self._max_pixels = views, seed, max_pixels
        self._within = within

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def views(self) -> int:
        """How many views of each photo are evaluated."""
        return len(self._views)

    def __getitem__(self, batch: BatchIndices) -> PhotoBatch:
        """A complete batch."""
        chosen = [self._samples[index] for index in batch.indices]
        pixels = np.stack(
            [
                self._pixels(sample, None if batch.views is None else [batch.epoch, int(index)])
                for sample, index in zip(chosen, batch.indices, strict=True)
            ]
        )
        images = torch.from_numpy(pixels).permute(0, 1, 4, 2, 3)
        return PhotoBatch(images, torch.tensor([s.label for s in chosen]), batch.weight)

    def _pixels(self, sample: Sample, crop: list[int] | None) -> Pixels:
        """[views, height, width, 3]: one random crop, seeded by `crop`; None: all views."""
        try:
            data = photos.read_bytes(sample.path, self._within)
            photo = photos.decode(
                data,
                wanted_px=self._preprocessing.size_px,
                max_pixels=self._max_pixels,
                to_srgb=self._preprocessing.to_srgb,
            )
        except PhotoError as error:
            raise DataError(f"{sample.path}: {error}. Run the command again.") from error
        if crop is not None:
            random = np.random.default_rng([self._seed, *crop])
            return self._preprocessing.random_crop(photo, random)[None]
        identity = photos.digest(data)
        return np.stack([self._preprocessing.view(photo, v, identity) for v in self._views])


class BatchLoader(DataLoader[Any]):
    """A DataLoader over batch indices that can be saved and resumed between two batches."""

    def __init__(
        self,
        dataset: CachedPhotos | LivePhotos,
        batches: TrainBatches | EvalBatches,
        workers: int = 0,
    ) -> None:
        super().__init__(
            dataset,
            # As `sampler`, not `batch_sampler`: Lightning calls only the former's set_epoch.
            sampler=batches,
            batch_size=None,
            collate_fn=_unchanged,
            num_workers=workers,
            persistent_workers=False,
        )
        self.batches = batches
        self._returned = 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self._returned = getattr(self.batches, "first_batch", 0)
        try:
            with starting_helpers() if self.num_workers else nullcontext():
                batches = super().__iter__()
            for batch in batches:
                self._returned += 1
                yield batch
        except DataError as error:
            # A worker process sends its traceback as text, with the message at its end.
            raise DataError(str(error).rstrip().rsplit("DataError: ", 1)[-1]) from error

    def state_dict(self) -> dict[str, int]:
        """How many batches of this epoch were returned, for Lightning's checkpoints."""
        return {"given": self._returned}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue after that many batches."""
        if isinstance(self.batches, TrainBatches):
            self._returned = self.batches.first_batch = state["given"] % len(self.batches)


class PlainBatches:
    """A loader's batches as an iterable that isn't a DataLoader.

    For `Trainer.predict` Lightning (2.6) builds each DataLoader again, with a sampler of its own.
    """

    def __init__(self, loader: BatchLoader) -> None:
        self._loader = loader

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._loader)


def _unchanged(batch: Any) -> Any:
    return batch


def evenly_spaced(count: int, max_count: int) -> Indices:
    """Evenly spaced indices of `max_count` of `count` items; all, where there are fewer."""
    return np.unique(np.linspace(0, count - 1, min(count, max_count)).astype(np.int64))
