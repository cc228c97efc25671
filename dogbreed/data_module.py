"""BreedDataModule: folders of photos as Lightning's loaders, live or from cached features."""

from collections.abc import Mapping
from pathlib import Path

from pytorch_lightning import LightningDataModule

from dogbreed.backbone.architecture import ALL, Backbone, as_backbone
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import AUTO, argument, brief
from dogbreed.data.batches import (
    BatchLoader,
    CachedPhotos,
    EvalBatches,
    LivePhotos,
    PlainBatches,
    TrainBatches,
)
from dogbreed.data.check import Checked, check
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import Preprocessing, view_names
from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.splits import SPLITS, TEST, TRAIN, VALID
from dogbreed.data.roots import local_root
from dogbreed.errors import ConfigError
from dogbreed.features.splits import cached_splits
from dogbreed.utils.machine import worker_count

# The keys of arguments with another name, or in another group.
_KEYS = {"batch_size": "data.batch_size", "views": "features.views"}


def _numbers(workers: int | str, **given: int) -> dict[str, int]:
    """Arguments as integers, each within the bounds of its key."""
    checked = {
        name: argument(Config, _KEYS.get(name, name), value, kind=int)
        for name, value in given.items()
    }
    return checked | {"workers": worker_count(argument(Config, "data.workers", workers))}


def _backbone(
    backbone: str | Backbone | None, preprocessing: Preprocessing | None, *, features: bool
) -> Backbone | None:
    """The backbone that is given, built.

    Raises:
        ConfigError: it doesn't fit the other arguments.
    """
    if backbone is None:
        if features:
            raise ConfigError("features=True: give the backbone that computes them, backbone=NAME.")
        return None
    if preprocessing is not None:
        raise ConfigError("backbone and preprocessing: give one of them; a backbone has its own.")
    built = as_backbone(backbone)
    if features and built.trainable == ALL:
        raise ConfigError(
            f"features=True: of {built.name} all is trained, and its features change: build it "
            "with trainable='head' or 'last_stage'."
        )
    return built


class BreedDataModule(LightningDataModule):
    """Loaders over checked folders.

    Training batches have one view of each photo, the others all views. Batches are PhotoBatch, or
    FeatureBatch where features are cached.

    Raises:
        ConfigError: an argument outside what its key of the configuration takes.

    Args:
        checked: the folders, without unreadable photos.
        batch_size: photos per optimiser step, over all processes.
        preprocessing: from photos to pixels: `model.backbone.preprocessing` of the model that is
            trained. None: Preprocessing(), that of torchvision's networks.
        views: how many views of each photo are evaluated.
        cached: features in place of photos, by split.
        workers: processes that decode photos; "auto": one per core.
        seed: of the order and of the training crops.
        max_pixels: a photo of more pixels can't be used.

    Attributes:
        backbone: whose frozen part computed `cached`, if `from_folder` did that; the model of the
            features must be on it.
    """

    backbone: Backbone | None = None

    def __init__(
        self,
        checked: Checked,
        *,
        batch_size: int = 64,
        preprocessing: Preprocessing | None = None,
        views: int = 1,
        cached: Mapping[str, CachedPhotos] | None = None,
        workers: int | str = AUTO,
        seed: int = 0,
        max_pixels: int = photos.MAX_PIXELS,
    ) -> None:
        super().__init__()
        given = _numbers(batch_size=batch_size, views=views, workers=workers, seed=seed)
        max_pixels = argument(Config, "data.max_pixels", max_pixels)
        if preprocessing is not None and not isinstance(preprocessing, Preprocessing):
            raise ConfigError(
                f"preprocessing={brief(preprocessing)}: must be a Preprocessing, such as "
                "Preprocessing(size_px=224)."
            )
        folders = checked.folders
        self.checked = checked
        self.classes, self.display_names = folders.classes, folders.display_names
        self.batch_size, self.seed = given["batch_size"], given["seed"]
        prepared = preprocessing or Preprocessing()
        # None for features: their extraction has prepared the photos.
        self.preprocessing = None if cached else prepared
        # Cached features are read in less time than a worker process needs to send them.
        self._workers = 0 if cached else given["workers"]
        self._train_loader: BatchLoader | None = None
        self._resumed: dict[str, int] | None = None
        self.cached = cached or {}
        self._datasets: Mapping[str, CachedPhotos | LivePhotos] = cached or {
            split: LivePhotos(
                folders.samples[split],
                prepared,
                view_names(given["views"]),
                self.seed,
                max_pixels,
                folders.within,
            )
            for split in SPLITS
        }

    @classmethod
    def from_folder(
        cls,
        root: str | Path,
        *,
        fraction: float = 1.0,
        batch_size: int = 64,
        preprocessing: Preprocessing | None = None,
        views: int = 1,
        workers: int | str = AUTO,
        seed: int = 0,
        nested_classes: bool | None = None,
        links: bool = False,
        features: bool = False,
        backbone: str | Backbone | None = None,
    ) -> "BreedDataModule":
        """Read and check the photos below `root`; batches are live photos, or their features.

        `root` is a folder, a zip or tar archive of one, or s3://BUCKET/PREFIX, as `data.root`.
        The arguments are those of the class, and the keys fraction, nested_classes and links of
        the configuration's section data. `backbone`, one that is built or a network's name,
        replaces `preprocessing` by its own. With `features` its frozen part runs once per photo and
        view, into the cache that training uses too, and epochs read features alone.

            module = BreedDataModule.from_folder("PHOTOS", features=True, backbone="resnet50")
            model = BreedClassifier(module.classes, backbone=module.backbone)

        Raises:
            ConfigError: an argument outside what its key of the configuration takes.
            DataError: the folders aren't classes of photos, or too many photos are bad.
            WeightsError, EngineError, StoreError: the features can't be computed.
        """
        # Before the photos are read, which can take long.
        given = _numbers(batch_size=batch_size, views=views, workers=workers, seed=seed)
        fraction = argument(Config, "data.fraction", fraction)
        built = _backbone(backbone, preprocessing, features=features)
        folders = read_folders(local_root(root), nested_classes=nested_classes, links=links)
        folders = folders.take(fraction)
        cached = None
        if built is not None and features:
            checked, cached = cached_splits(
                folders, built, views=given["views"], workers=given["workers"]
            )
        else:
            checked = check(folders, workers=given["workers"])
        module = cls(
            checked,
            batch_size=given["batch_size"],
            preprocessing=preprocessing if built is None else built.preprocessing,
            views=given["views"],
            cached=cached,
            workers=given["workers"],
            seed=given["seed"],
        )
        module.backbone = built
        return module

    def train_dataloader(self) -> BatchLoader:
        """Shuffled training batches, the part of this process."""
        dataset = self._datasets[TRAIN]
        rank, world = self._rank_and_world()
        batches = TrainBatches(len(dataset), dataset.views, self.batch_size, self.seed, rank, world)
        self._train_loader = BatchLoader(dataset, batches, self._workers)
        if self._resumed is not None:
            self._train_loader.load_state_dict(self._resumed)
            self._resumed = None
        return self._train_loader

    # Lightning also saves the state of a stateful loader, but doesn't restore it (2.6) where
    # `configure_optimizers` needs the number of steps: the loader is then created too early.

    def state_dict(self) -> dict[str, int]:
        """The position in the running epoch, for a checkpoint within it."""
        return self._train_loader.state_dict() if self._train_loader is not None else {}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Let the next training loader continue at that position."""
        self._resumed = state_dict or None

    def val_dataloader(self) -> BatchLoader:
        """Validation batches, the part of this process."""
        return self.eval_dataloader(VALID, *self._rank_and_world())

    def test_dataloader(self) -> BatchLoader:
        """Test batches, the part of this process."""
        return self.eval_dataloader(TEST, *self._rank_and_world())

    def predict_dataloader(self) -> PlainBatches:
        """Test batches: `Trainer.predict` gives the probabilities in the order of the photos."""
        return PlainBatches(self.test_dataloader())

    def eval_dataloader(self, split: str, rank: int = 0, world: int = 1) -> BatchLoader:
        """A split in a fixed order, in all views."""
        dataset = self._datasets[split]
        batch_size = max(1, self.batch_size // world)
        return BatchLoader(
            dataset, EvalBatches(len(dataset), batch_size, rank, world), self._workers
        )

    def _rank_and_world(self) -> tuple[int, int]:
        """The rank of this process, and the number of processes."""
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size
