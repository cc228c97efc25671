"""Near-duplicates across splits: photos that a model may know from training and is tested with."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from dogbreed.data.batches import CachedPhotos, evenly_spaced
from dogbreed.data.layouts.splits import TEST, TRAIN, VALID, Sample
from dogbreed.evaluation.facts import Duplicate
from dogbreed.evaluation.linear_head import pooled

Floats = npt.NDArray[np.float32]

# A photo is suspected if it is this much nearer to its nearest photo of another split than half
# of the training photos do to theirs among themselves (1 - cosine). Measured on 6,000 photos of
# dogs, where that is a cosine of 0.943: all of the eight pairs that it names there are copies, and
# it finds most photos again that were cropped by 5 % or brightened, and about half of those that
# were saved at a low quality.
NEARNESS = 0.25
# Each photo is held against so many of the others at most, and so many are looked up.
MAX_PHOTOS = 10_000
AT_ONCE = 2048
# So many training photos tell how near is usual.
MAX_TYPICAL = 1_000


def find_duplicates(
    stored: Mapping[str, CachedPhotos],
    samples: Mapping[str, Sequence[Sample]],
    digests: Mapping[str, Sequence[bytes]],
) -> tuple[Duplicate, ...]:
    """Validation and test photos with a near-duplicate before them, the nearest pairs first.

    Validation is held against train, test against both. Equal files are found whatever their
    features. Of splits beyond MAX_PHOTOS an evenly spaced part is compared.
    """
    typical = _nearest(stored, samples, TRAIN, (TRAIN,), MAX_TYPICAL)
    limit = 1 - NEARNESS * (1 - float(np.median([pair.cosine for pair in typical])))
    found: dict[Sample, Duplicate] = {}
    for split, others in ((VALID, (TRAIN,)), (TEST, (TRAIN, VALID))):
        nearest = _nearest(stored, samples, split, others, MAX_PHOTOS)
        found |= {pair.first: pair for pair in nearest if pair.cosine >= limit}
    seen: dict[bytes, Sample] = {}
    for split in (TRAIN, VALID, TEST):
        for sample, digest in zip(samples[split], digests[split], strict=True):
            other = seen.setdefault(digest, sample)
            if other.split != split:
                found[sample] = Duplicate(first=sample, second=other, cosine=1.0)
    return tuple(sorted(found.values(), key=lambda pair: -pair.cosine))


def _nearest(
    stored: Mapping[str, CachedPhotos],
    samples: Mapping[str, Sequence[Sample]],
    split: str,
    others: Sequence[str],
    most: int,
) -> list[Duplicate]:
    """Up to `most` photos of `split`, each with its nearest in `others`, itself left out."""
    query_indices = evenly_spaced(len(samples[split]), most)
    candidates = [
        (other, index)
        for other in others
        for index in evenly_spaced(len(samples[other]), MAX_PHOTOS)
    ]
    best = np.full(len(query_indices), -1.0, np.float32)
    which = np.zeros(len(query_indices), np.int64)
    directions = _directions(stored[split], query_indices)
    first = 0
    for other in others:
        indices = evenly_spaced(len(samples[other]), MAX_PHOTOS)
        for start in range(0, len(indices), AT_ONCE):
            part = indices[start : start + AT_ONCE]
            cosines = directions @ _directions(stored[other], part).T
            if other == split:
                cosines[query_indices[:, None] == part] = -1
            nearest = cosines.argmax(1)
            values = cosines[np.arange(len(query_indices)), nearest]
            better = values > best
            best[better], which[better] = values[better], first + nearest[better]
            first += len(part)
    return [
        Duplicate(
            first=samples[split][index],
            second=samples[candidates[number][0]][candidates[number][1]],
            cosine=min(1.0, float(cosine)),
        )
        for index, number, cosine in zip(query_indices, which, best, strict=True)
    ]


def _directions(photos: CachedPhotos, indices: npt.NDArray[np.int64]) -> Floats:
    """Unit vectors [n, channels] of the centre views, read in parts."""
    parts = []
    for start in range(0, len(indices), AT_ONCE):
        features = pooled(photos.features(indices[start : start + AT_ONCE], views=1))[:, 0]
        norms = np.linalg.norm(features, axis=1, keepdims=True)
        parts.append(features / np.maximum(norms, np.finfo(np.float32).tiny))
    return np.concatenate(parts)
