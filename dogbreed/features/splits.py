"""The features of checked photos by split, from one cache per view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dogbreed.backbone.architecture import Backbone
from dogbreed.data.batches import CachedPhotos
from dogbreed.data.check import Checked, check, known_digest
from dogbreed.data.decoding.preprocessing import view_names
from dogbreed.data.layouts.splits import SPLITS, TRAIN, PhotoFolders
from dogbreed.features.cache import FeatureCache
from dogbreed.features.engines import converts_to_openvino, frozen_engine
from dogbreed.features.extraction import FrozenPart, Request, fill_caches, open_caches
from dogbreed.utils.user_paths import cache_dir

SplitViews = Mapping[str, Sequence[str]]


def split_views(views: int, eval_views: int) -> SplitViews:
    """The views of each split's photos that are cached: training samples from all of them."""
    names = view_names(views)
    return {split: names if split == TRAIN else names[:eval_views] for split in SPLITS}


def feature_requests(checked: Checked, views: SplitViews) -> list[Request]:
    """The features that all photos need."""
    return [
        Request(path=s.path, digest=checked.digests[s.path], views=tuple(views[s.split]))
        for s in checked.folders.all_samples()
    ]


def read_splits(
    checked: Checked, caches: Mapping[str, FeatureCache], views: SplitViews
) -> dict[str, CachedPhotos]:
    """Each split's features, which the caches have.

    Raises:
        StoreError: they lack some.
    """
    return {
        split: _read(checked, split, [caches[view] for view in views[split]]) for split in SPLITS
    }


def _read(checked: Checked, split: str, caches: list[FeatureCache]) -> CachedPhotos:
    samples = checked.folders.samples[split]
    digests = [checked.digests[sample.path] for sample in samples]
    return CachedPhotos(
        [cache.reader() for cache in caches],
        [cache.rows(digests) for cache in caches],
        [sample.label for sample in samples],
    )


@dataclass(frozen=True)
class CachedBefore:
    """What `check` needn't decode: photos whose features are in all caches have been decoded."""

    caches: Sequence[FeatureCache]

    def __contains__(self, known: object) -> bool:
        """`known` is a result of `data.check.known_as`."""
        digest = known_digest(str(known))
        return all(digest in cache for cache in self.caches)


def cached_splits(
    folders: PhotoFolders, backbone: Backbone, *, views: int, workers: int
) -> tuple[Checked, dict[str, CachedPhotos]]:
    """Check photos, and compute what the cache lacks of their features, with all defaults.

    Raises:
        DataError: too many photos are bad.
        EngineError, StoreError: the features can't be computed or stored.
    """
    choice = frozen_engine(backbone, converts=converts_to_openvino(backbone))
    frozen, of_split = FrozenPart(backbone, choice), split_views(views, views)
    root = cache_dir() / "features"
    caches = open_caches(root, frozen, view_names(views))
    checked = check(folders, workers=workers, known=CachedBefore(tuple(caches.values())))
    requests = feature_requests(checked, of_split)
    fill_caches(caches, requests, frozen, workers=max(1, workers))
    return checked, read_splits(checked, caches, of_split)
