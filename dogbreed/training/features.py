"""A run's features: read from the cache, computed where missing, or copied from a shard."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from dogbreed.configuration.run import Config
from dogbreed.data.batches import CachedPhotos
from dogbreed.data.decoding.preprocessing import view_names
from dogbreed.features.cache import FeatureCache
from dogbreed.features.extraction import FrozenPart, Request, fill_caches, open_caches
from dogbreed.features.splits import SplitViews, feature_requests, read_splits, split_views
from dogbreed.training.preparation import Prepared
from dogbreed.training.run_folder import log
from dogbreed.utils.clock import Clock
from dogbreed.utils.user_paths import cache_dir

FEATURES = "features"  # the phase


def cached_features(prepared: Prepared, clock: Clock) -> dict[str, CachedPhotos] | None:
    """Each split's features, computed where the cache lacks them; None to train on live photos.

    `clock` records the parts of its open phase, and how many views were computed.
    """
    config, checked = prepared.config, prepared.checked
    if not config.features.store:
        return None
    caches = _open_caches(prepared, Path(config.features.root or cache_dir() / "features"))
    requests = _requests(prepared)
    if prepared.feature_shard is not None:
        copied = prepared.feature_shard.fill(caches, requests)
        log.info("features: %d of the feature set %s", copied, prepared.feature_shard.folder)
    else:
        clock.count(FEATURES, _compute(prepared, caches, requests, clock))
    with clock.phase("read"):
        return read_splits(checked, caches, _views(config))


def extract_share(prepared: Prepared, root: Path, share: int, shares: int, clock: Clock) -> None:
    """Compute one of `shares` equal parts of the photos' features into the caches below `root`."""
    requests = sorted(_requests(prepared), key=lambda request: request.digest)
    _compute(prepared, _open_caches(prepared, root), requests[share::shares], clock)


def _views(config: Config) -> SplitViews:
    return split_views(config.features.views, config.eval_views)


def _requests(prepared: Prepared) -> list[Request]:
    return feature_requests(prepared.checked, _views(prepared.config))


def _open_caches(prepared: Prepared, root: Path) -> dict[str, FeatureCache]:
    config = prepared.config
    return open_caches(
        root,
        FrozenPart(prepared.backbone, prepared.choice),
        view_names(config.features.views),
        config.features.dtype,
    )


def _compute(
    prepared: Prepared,
    caches: Mapping[str, FeatureCache],
    requests: Sequence[Request],
    clock: Clock,
) -> int:
    """Compute what the caches lack of `requests`, and log the rate; returns how many views."""
    config = prepared.config
    started = time.monotonic()
    computed = fill_caches(
        caches,
        requests,
        FrozenPart(prepared.backbone, prepared.choice),
        workers=max(1, int(config.data.workers)),
        max_pixels=config.data.max_pixels,
        clock=clock,
    )
    seconds = time.monotonic() - started
    rate = f" at {computed / seconds:.1f} a second" if computed else ""
    total = sum(len(request.views) for request in requests)
    log.info("features: %d views of photos, %d computed now%s", total, computed, rate)
    return computed
