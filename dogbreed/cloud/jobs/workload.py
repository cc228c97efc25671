"""What the jobs of a launch read, compute and write, for their disks, costs and durations."""

from dataclasses import dataclass

from dogbreed.configuration.schema import AUTO
from dogbreed.configuration.search import FEATURES, MANY, LaunchConfig, TuneConfig
from dogbreed.search.runner_limits import ALL

# Upper bounds of a photo's values at the split point, one view: the networks of torchvision pool
# into at most 7,392 values; at 224 px the stages before the last give 200,704 (ResNet-50) to
# 569,184 (RegNet-Y 128GF).
MAX_POOLED_VALUES, MAX_MAP_VALUES, MAP_SIZE_PX = 8_192, 600_000, 224
VALUE_BYTES = {"float16": 2, "float32": 4}  # features.dtype
# A ResNet-50 with all that is exported of it: docs/benchmarks.md, "Model folder".
MODEL_BYTES = 191_000_000
TYPICAL_EPOCHS = 20  # trainer.epochs=auto, but for few photos


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The size of a launch, summed over all photos.

    `photos` are those that are used, `photo_bytes` those of all that are uploaded. `views` are the
    photos' views together, `feature_bytes` an upper bound of their features (0: none are stored).
    `trials` is 0 for a single training, `models` the number of jobs that write a model.
    `on_features`: an own job extracts the features, and the trials read them.
    """

    photos: int
    photo_bytes: int
    weights_bytes: int
    views: int
    feature_bytes: int
    epochs: int
    trials: int
    models: int
    on_features: bool

    @property
    def written_bytes(self) -> int:
        """An upper bound of what all jobs together write to S3: features and models."""
        return self.models * MODEL_BYTES + (self.feature_bytes if self.on_features else 0)


def workload_of(
    config: LaunchConfig, *, photos: int, photo_bytes: int, weights_bytes: int = 0
) -> Workload:
    """The workload of a launch with so many photos."""
    search = config.search if isinstance(config, TuneConfig) else None
    used = round(photos * config.data.fraction)
    views = used * config.features.views
    stored = config.features.store and config.model.trainable != ALL
    many = search is not None and search.jobs == MANY
    epochs = config.trainer.epochs
    return Workload(
        photos=used,
        photo_bytes=photo_bytes,
        weights_bytes=weights_bytes,
        views=views,
        feature_bytes=views * _row_bytes(config) if stored else 0,
        epochs=TYPICAL_EPOCHS if epochs == AUTO else int(epochs),
        trials=0 if search is None else search.trials,
        models=1 if search is None else 0,
        on_features=many and search is not None and search.input == FEATURES,
    )


def _row_bytes(config: LaunchConfig) -> int:
    """An upper bound of the bytes of one photo's features in one view."""
    value_bytes = VALUE_BYTES[config.features.dtype]
    if config.model.trainable == "head":
        return MAX_POOLED_VALUES * value_bytes
    size_px = MAP_SIZE_PX if config.data.size_px == AUTO else int(config.data.size_px)
    return round(MAX_MAP_VALUES * max(1.0, (size_px / MAP_SIZE_PX) ** 2)) * value_bytes
