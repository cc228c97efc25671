"""Batches follow from seed and epoch: over processes, over workers, and after an interruption."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ORIGINAL_PHOTOS, draw_folders, needs
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from dogbreed.data.batches import (
    BatchIndices,
    BatchLoader,
    CachedPhotos,
    EvalBatches,
    FeatureBatch,
    LivePhotos,
    PhotoBatch,
    TrainBatches,
)
from dogbreed.data.check import check
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import Preprocessing, view_names
from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.splits import SPLITS, TEST, TRAIN, VALID
from dogbreed.data_module import BreedDataModule
from dogbreed.errors import DataError

SMALL = Preprocessing(size_px=32)


def train_batches(
    count: int = 53,
    batch_size: int = 8,
    *,
    views: int = 4,
    seed: int = 3,
    epoch: int = 0,
    rank: int = 0,
    world: int = 1,
) -> TrainBatches:
    batches = TrainBatches(count, views, batch_size, seed, rank, world)
    batches.set_epoch(epoch)
    return batches


def plain(listed: Sequence[BatchIndices]) -> list[tuple[list[int], list[int], int, float]]:
    """Batch indices as values that can be compared."""
    found = []
    for part in listed:
        assert part.views is not None
        found.append((part.indices.tolist(), part.views.tolist(), part.epoch, part.weight))
    return found


def indices_of(batches: TrainBatches | EvalBatches) -> list[int]:
    return [int(index) for part in batches for index in part.indices]


# --- which photos ----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 7, 8, 9, 53, 64])
def test_each_photo_once_in_each_epoch(count: int) -> None:
    for epoch in range(3):
        batches = train_batches(count, epoch=epoch)
        listed = list(batches)
        assert len(listed) == len(batches) == -(-count // 8)
        assert sorted(indices_of(batches)) == list(range(count))
        assert [len(part.indices) for part in listed[:-1]] == [8] * (len(listed) - 1)
        assert all(part.weight == 1 for part in listed)


def test_order_follows_from_seed_and_epoch_alone() -> None:
    first = plain(list(train_batches()))
    assert plain(list(train_batches())) == first
    batches = train_batches(epoch=5)
    list(batches)
    torch.manual_seed(9)
    batches.set_epoch(0)
    assert plain(list(batches)) == first
    assert plain(list(batches)) == first
    different = [train_batches(), train_batches(epoch=1), train_batches(seed=4)]
    assert len({str(indices_of(batches)) for batches in different}) == 3


def test_epochs_are_not_shifted_seeds() -> None:
    assert indices_of(train_batches(seed=3, epoch=1)) != indices_of(train_batches(seed=4, epoch=0))


def test_views_are_drawn_evenly_and_again() -> None:
    def views_of(epoch: int) -> dict[int, int]:
        listed = plain(list(train_batches(4000, 100, epoch=epoch)))
        return {
            i: v for indices, views, _, _ in listed for i, v in zip(indices, views, strict=True)
        }

    first, second = views_of(0), views_of(1)
    assert np.bincount(list(first.values())) == pytest.approx([1000] * 4, abs=100)
    assert sum(first[index] == second[index] for index in first) == pytest.approx(1000, abs=100)


@pytest.mark.parametrize("world", [2, 3, 4])
@pytest.mark.parametrize("count", [48, 49, 50, 51, 53, 55])
def test_processes_share_the_same_batches(world: int, count: int) -> None:
    whole = list(train_batches(count))
    parts = [list(train_batches(count, rank=rank, world=world)) for rank in range(world)]
    assert {len(part) for part in parts} == {len(whole)}
    for batch, *of_processes in zip(whole, *parts, strict=True):
        counted = [part for part in of_processes if part.weight]
        together = sorted(int(index) for part in counted for index in part.indices)
        assert together == sorted(batch.indices.tolist())
        view_of = dict(zip(batch.indices.tolist(), batch.views.tolist(), strict=True))
        for part in of_processes:
            assert len(part.indices), "a process without photos can't take part in the step"
            assert part.views.tolist() == [view_of[index] for index in part.indices.tolist()]


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("count", [48, 49, 50, 53])
def test_shares_make_the_mean_over_processes_that_over_photos(world: int, count: int) -> None:
    values = np.random.default_rng(0).normal(size=count)
    parts = [list(train_batches(count, rank=rank, world=world)) for rank in range(world)]
    for batch, *of_processes in zip(train_batches(count), *parts, strict=True):
        mean = np.mean([values[part.indices].mean() * part.weight for part in of_processes])
        assert mean == pytest.approx(values[batch.indices].mean())


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 16, 17, 53])
def test_evaluation_takes_each_photo_once(world: int, count: int) -> None:
    parts = [EvalBatches(count, 8, rank, world) for rank in range(world)]
    assert sorted(itertools.chain(*map(indices_of, parts))) == list(range(count))
    for part in parts:
        listed = list(part)
        assert len(listed) == len(part)
        assert indices_of(part) == sorted(indices_of(part))
        assert all(part.views is None and 0 < len(part.indices) <= 8 for part in listed)


# --- interrupted epochs ----------------------------------------------------------------------


class Numbers(CachedPhotos):
    """Features that name their photo and their view."""

    def __init__(self, count: int = 53, views: int = 4) -> None:
        rows = np.arange(count)
        super().__init__(
            [np.stack([rows, np.full(count, view)], axis=1) for view in range(views)],
            [rows] * views,
            list(range(count)),
        )


def loader(rank: int = 0, world: int = 1, batch_size: int = 8) -> BatchLoader:
    batches = train_batches(batch_size=batch_size, rank=rank, world=world)
    return BatchLoader(Numbers(), batches)


def given(batches: Any) -> list[list[Any]]:
    return [batch.features.flatten(1).tolist() for batch in batches]


def set_epoch(loader: BatchLoader, epoch: int) -> BatchLoader:
    assert isinstance(loader.sampler, TrainBatches)
    loader.sampler.set_epoch(epoch)
    return loader


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("done", range(8))
def test_an_interrupted_epoch_continues_with_the_rest(done: int, world: int) -> None:
    whole = given(set_epoch(loader(0, world), 2))
    first = set_epoch(loader(0, world), 2)
    taken = given(itertools.islice(first, done))
    resumed = set_epoch(loader(0, world), 2)
    resumed.load_state_dict(first.state_dict())
    rest = given(resumed)
    assert taken == whole[:done]
    # After its last batch an epoch is over and the next one complete.
    assert rest == (whole[done:] if done < len(whole) else whole)
    assert given(set_epoch(resumed, 3)) == given(set_epoch(loader(0, world), 3))


def test_an_epoch_can_be_interrupted_again() -> None:
    whole = given(loader())
    second = loader()
    second.load_state_dict({"given": 2})
    assert second.state_dict() == {"given": 2}, "interrupted before its first batch"
    assert given(itertools.islice(second, 3)) == whole[2:5]
    third = loader()
    third.load_state_dict(second.state_dict())
    assert given(third) == whole[5:]
    assert third.state_dict() == {"given": 7}


def test_leaving_a_resumed_epoch_early_leaves_the_next_one_complete() -> None:
    whole = given(loader())
    resumed = loader()
    resumed.load_state_dict({"given": 2})
    assert given(itertools.islice(resumed, 1)) == whole[2:3]
    assert given(resumed) == whole


def test_evaluation_starts_again() -> None:
    evaluation = BatchLoader(Numbers(), EvalBatches(53, 8))
    whole = given(evaluation)
    evaluation.load_state_dict({"given": 3})
    assert given(evaluation) == whole


class Recorder(LightningModule):
    """Writes down what Lightning gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[list[Any]] = []

    def training_step(self, batch: FeatureBatch, index: int) -> Tensor:
        self.seen += given([batch])
        return self.weight * batch.features.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)


class StopAfter(Callback):
    """Saves a checkpoint after so many steps and ends the run, as a signal does."""

    def __init__(self, steps: int, path: Path) -> None:
        self.steps, self.path = steps, path

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.steps:
            trainer.save_checkpoint(self.path)
            raise KeyboardInterrupt


def lightning(epochs: int, *callbacks: Callback) -> Trainer:
    return Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=list(callbacks),
        use_distributed_sampler=False,
    )  # fmt: skip


# Lightning's advice on workers, and its warning that a loop was left in the middle.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("steps", [3, 7, 10])
def test_lightning_continues_with_the_rest(
    tmp_path: Path, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, first, second = Recorder(), Recorder(), Recorder()
    lightning(3).fit(whole, loader())
    assert len(whole.seen) == 21
    assert whole.seen == [b for epoch in range(3) for b in given(set_epoch(loader(), epoch))]
    path = tmp_path / "interrupted.ckpt"
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        lightning(3, StopAfter(steps, path)).fit(first, loader())
    lightning(3).fit(second, loader(), ckpt_path=path)
    assert first.seen + second.seen == whole.seen


# --- cached features -------------------------------------------------------------------------


def test_cached_features_of_the_sampled_views() -> None:
    cached = Numbers(10, 3)
    batch = cached[BatchIndices(np.array([7, 2, 5, 2]), np.array([0, 2, 1, 0]), 0, 0.5)]
    assert isinstance(batch, FeatureBatch)
    assert batch.features.dtype == torch.float32
    assert batch.features.tolist() == [[[7, 0]], [[2, 2]], [[5, 1]], [[2, 0]]]
    assert batch.targets.tolist() == [7, 2, 5, 2]
    assert batch.weight == 0.5


def test_cached_features_of_all_views() -> None:
    batch = Numbers(10, 3)[BatchIndices(np.array([7, 2]), None, 0)]
    assert batch.features.tolist() == [[[7, 0], [7, 1], [7, 2]], [[2, 0], [2, 1], [2, 2]]]
    assert batch.targets.dtype == torch.int64


def test_cached_features_at_other_rows_and_half_precision() -> None:
    rows = [np.arange(20, dtype=np.float16).reshape(10, 2), -np.ones((4, 2), np.float16)]
    cached = CachedPhotos(rows, [np.array([9, 0, 3]), np.array([3, 1, 0])], [1, 0, 1])
    assert (len(cached), cached.views) == (3, 2)
    batch = cached[BatchIndices(np.array([0, 2]), np.array([0, 0]), 0)]
    assert batch.features.tolist() == [[[18, 19]], [[6, 7]]]
    assert batch.features.dtype == torch.float32
    assert batch.targets.tolist() == [1, 1]


# --- live photos -----------------------------------------------------------------------------


@pytest.fixture
def live(photos_root: Path) -> LivePhotos:
    return live_photos(photos_root)


def live_photos(root: Path, seed: int = 5) -> LivePhotos:
    samples = read_folders(root).samples[TRAIN]
    return LivePhotos(samples, SMALL, view_names(2), seed, photos.MAX_PIXELS)


def pixels(batches: Any) -> list[Tensor]:
    return [batch.images for batch in batches]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


def test_workers_change_nothing(live: LivePhotos) -> None:
    for batches in (train_batches(len(live), epoch=2), EvalBatches(len(live), 8)):
        here = list(BatchLoader(live, batches, workers=0))
        there = list(BatchLoader(live, batches, workers=1))
        assert same(pixels(here), pixels(there))
        for one, other in zip(here, there, strict=True):
            assert torch.equal(one.targets, other.targets)
            assert type(other) is PhotoBatch


def test_an_epoch_interrupted_with_workers_continues_with_the_rest(live: LivePhotos) -> None:
    whole = pixels(BatchLoader(live, train_batches(len(live), epoch=1)))
    first = BatchLoader(live, train_batches(len(live), epoch=1), workers=1)
    # The worker is ahead of what was given out.
    assert same(pixels(itertools.islice(first, 2)), whole[:2])
    assert first.state_dict() == {"given": 2}
    second = BatchLoader(live, train_batches(len(live), epoch=1))
    second.load_state_dict(first.state_dict())
    assert same(pixels(second), whole[2:])


def test_training_crops_are_drawn_again_in_each_epoch(live: LivePhotos) -> None:
    def photo(epoch: int, indices: list[int]) -> Tensor:
        return live[BatchIndices(np.array(indices), np.zeros(len(indices), int), epoch)].images

    assert torch.equal(photo(0, [3]), photo(0, [3]))
    assert not torch.equal(photo(0, [3]), photo(1, [3]))
    assert torch.equal(photo(0, [1, 3])[1:], photo(0, [3])), "its neighbours don't matter"
    assert photo(0, [1, 3]).shape == (2, 1, 3, 32, 32)


def test_training_crops_follow_from_the_seed(photos_root: Path) -> None:
    part = BatchIndices(np.array([3]), np.array([0]), 0)
    one, again, other = (live_photos(photos_root, seed)[part].images for seed in (5, 5, 6))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_processes_see_the_photos_that_one_would(live: LivePhotos) -> None:
    whole = next(iter(BatchLoader(live, train_batches(len(live)))))
    parts = [
        next(iter(BatchLoader(live, train_batches(len(live), rank=rank, world=2))))
        for rank in range(2)
    ]
    for rank, part in enumerate(parts):
        assert torch.equal(part.images, whole.images[rank::2])
        assert torch.equal(part.targets, whole.targets[rank::2])


def test_evaluation_views_are_the_ones_of_the_preprocessing(
    live: LivePhotos, photos_root: Path
) -> None:
    batch = live[BatchIndices(np.array([0, 20]), None, 0)]
    assert batch.images.shape == (2, 2, 3, 32, 32)
    assert batch.images.dtype == torch.uint8
    assert batch.targets.tolist() == [0, 1]
    data = (photos_root / "train" / "Akita" / "000.jpg").read_bytes()
    view = SMALL.view(photos.decode(data, wanted_px=32), "centre")
    assert np.array_equal(batch.images[0, 0].permute(1, 2, 0).numpy(), view)
    assert torch.equal(batch.images[:, 1], batch.images[:, 0].flip(-1))


def test_a_photo_that_vanished_after_the_check_is_named(
    live: LivePhotos, photos_root: Path
) -> None:
    path = photos_root / "train" / "Akita" / "000.jpg"
    path.unlink()
    with pytest.raises(DataError, match=r"000.jpg: can't be read.*Run the command again"):
        live[BatchIndices(np.array([0]), None, 0)]


# --- the module ------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1])
def test_a_plain_loop(photos_root: Path, workers: int) -> None:
    data = BreedDataModule.from_folder(
        photos_root, batch_size=8, preprocessing=SMALL, views=3, workers=workers
    )
    assert data.classes == data.display_names == ("Akita", "Beagle", "Collie")
    targets = []
    for images, labels, weight in data.train_dataloader():
        assert images.shape == (len(labels), 1, 3, 32, 32)
        assert (images.dtype, labels.dtype, weight) == (torch.uint8, torch.int64, 1)
        targets += labels.tolist()
    assert sorted(targets) == sorted(list(range(3)) * 12)
    assert targets != sorted(targets)
    for evaluation in (data.val_dataloader(), data.test_dataloader()):
        batches = list(evaluation)
        assert [batch.images.shape for batch in batches] == [(8, 3, 3, 32, 32), (4, 3, 3, 32, 32)]
        assert (
            torch.cat([batch.targets for batch in batches]).tolist() == [0] * 4 + [1] * 4 + [2] * 4
        )


def test_from_a_folder_given_as_text_and_split_here(tmp_path: Path) -> None:
    root = draw_folders(tmp_path / "two words", {"": 8}, ("<b>x<", "犬"))
    data = BreedDataModule.from_folder(str(root), preprocessing=SMALL, workers=0)
    loaders = (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
    assert sum(len(batch.targets) for loader in loaders for batch in loader) == 16
    assert data.classes == ("<b>x<", "犬")


def test_a_fraction_of_a_folder(photos_root: Path) -> None:
    data = BreedDataModule.from_folder(photos_root, fraction=0.25, preprocessing=SMALL, workers=0)
    counts = [data.checked.folders.counts(split) for split in SPLITS]
    assert counts == [[3] * 3, [1] * 3, [1] * 3]
    (batch,) = data.train_dataloader()
    assert sorted(batch.targets.tolist()) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_the_seed_decides(photos_root: Path) -> None:
    def epoch(seed: int) -> list[Tensor]:
        data = BreedDataModule.from_folder(
            photos_root, preprocessing=SMALL, workers=0, seed=seed, batch_size=8
        )
        return pixels(data.train_dataloader())

    assert same(epoch(0), epoch(0))
    assert not same(epoch(0), epoch(1))


def test_a_bad_folder_stops_before_any_batch(photos_root: Path) -> None:
    for path in (photos_root / "train" / "Akita").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="can't be used"):
        BreedDataModule.from_folder(photos_root, workers=0)
    with pytest.raises(DataError, match="doesn't exist"):
        BreedDataModule.from_folder(photos_root / "nowhere")


def test_cached_features_take_the_photos_place(photos_root: Path) -> None:
    checked = check(read_folders(photos_root))
    cached = {split: Numbers(len(checked.folders.samples[split])) for split in SPLITS}
    data = BreedDataModule(checked, batch_size=8, cached=cached, workers=4)
    assert data.train_dataloader().num_workers == 0
    batches = list(data.train_dataloader())
    assert all(batch.features.shape == (len(batch.targets), 1, 2) for batch in batches)
    assert sum(len(batch.targets) for batch in batches) == 36
    (first, _) = data.val_dataloader()
    assert first.features.shape == (8, 4, 2)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_evaluation_over_processes(photos_root: Path, world: int) -> None:
    data = BreedDataModule.from_folder(photos_root, batch_size=8, preprocessing=SMALL, workers=0)
    for split in (VALID, TEST):
        loaders = [data.eval_dataloader(split, rank, world) for rank in range(world)]
        assert all(len(b.targets) <= 8 // world for loader in loaders for b in loader)
        targets = [t for loader in loaders for b in loader for t in b.targets.tolist()]
        assert sorted(targets) == [0] * 4 + [1] * 4 + [2] * 4


@needs(ORIGINAL_PHOTOS)
def test_real_photos_of_original_size(tmp_path: Path) -> None:
    """One real breed, linked to, with a drawn one."""
    root = draw_folders(tmp_path, {"train": 3, "valid": 1, "test": 1}, ("Drawn",))
    for split in SPLITS:
        breed = ORIGINAL_PHOTOS / split / "002.Afghan_hound"
        (root / split / breed.name).symlink_to(breed, target_is_directory=True)
    data = BreedDataModule.from_folder(root, workers=0, views=2, links=True)
    assert data.display_names == ("002.Afghan hound", "Drawn")
    assert not any(finding.bad for finding in data.checked.findings)
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        for batch in loader:
            hounds = batch.images[batch.targets == 0].float()
            assert len(hounds)
            assert hounds.shape[2:] == (3, 224, 224)
            assert hounds.flatten(1).std(dim=1).min() > 20
