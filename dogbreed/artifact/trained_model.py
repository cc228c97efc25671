"""A trained model that runs: pixels to calibrated probabilities, for serving and for export.

Neither torch, Lightning nor Hydra is imported, unless torch is what computes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dogbreed.artifact.description import Description
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import Pixels, view_names
from dogbreed.errors import ArtifactError, PhotoError
from dogbreed.runtime.prefetch import prefetch
from dogbreed.runtime.probabilities import (
    Doubles,
    calibrated,
    mean_features,
    mean_log_probabilities,
)
from dogbreed.runtime.runner import FEATURES, LOGITS, Floats, Runner
from dogbreed.runtime.views import decode_views

Item = TypeVar("Item")

# Images per call where there are many: more are no faster and cost memory.
BATCH_IMAGES = 8


@dataclass(frozen=True)
class Scored:
    """What a model computes for a photo, its views averaged.

    `probabilities` [classes] are calibrated, in the order of the classes; `features` [features].
    """

    probabilities: npt.NDArray[np.float64]
    features: Floats


class TrainedModel:
    """A model's description and the runtime of its network.

    Args:
        runner: the network, as `open_runtime` returns it: it has the outputs LOGITS and FEATURES.
    """

    def __init__(self, description: Description, runner: Runner) -> None:
        self.description = description
        self.runner = runner
        self.preprocessing = description.pixels()
        self.view_names = view_names(description.views)

    @property
    def photos_per_batch(self) -> int:
        """How many photos are computed at once."""
        return max(1, BATCH_IMAGES // len(self.view_names))

    def views(self, data: bytes) -> Pixels:
        """The views [views, size, size, 3] of a photo's bytes; any thread may call it.

        Raises:
            PhotoError: it can't be decoded.
        """
        return decode_views(data, self.preprocessing, self.view_names, photos.digest(data))

    def log_probabilities(self, pixels: Pixels) -> Doubles:
        """[n, views, size, size, 3] to logarithms [n, classes] of the views' mean probabilities.

        Uncalibrated, as BreedClassifier.log_probabilities returns them.
        """
        return self._computed(pixels)[0]

    def score(self, pixels: Pixels) -> list[Scored]:
        """Pixels [n, views, size, size, 3] to n results.

        Raises:
            ArtifactError: the network returns numbers that aren't finite.
        """
        log_probabilities, features = self._computed(pixels)
        probabilities = calibrated(log_probabilities, self.description.temperature)
        return list(map(Scored, probabilities, features))

    def score_readable(
        self, decoded: Sequence[Pixels | PhotoError]
    ) -> Iterator[Scored | PhotoError]:
        """The results for the photos that could be decoded, the errors of the others, in order."""
        readable = [pixels for pixels in decoded if not isinstance(pixels, PhotoError)]
        scored = iter(self.score(np.stack(readable)) if readable else ())
        for each in decoded:
            yield each if isinstance(each, PhotoError) else next(scored)

    def score_many(
        self, items: Iterable[Item], load: Callable[[Item], Pixels], *, workers: int
    ) -> Iterator[Scored | PhotoError]:
        """One result per item, in order: its scores, or why its photo is unreadable.

        `workers` threads call `load` (an item to its views) while others are computed; some dozens
        are in memory at a time.
        """

        def attempt(item: Item) -> Pixels | PhotoError:
            try:
                return load(item)
            except PhotoError as error:
                return error

        size = self.photos_per_batch
        waiting, readable = list[Pixels | PhotoError](), 0
        with closing(prefetch(items, attempt, workers=workers, depth=2 * size)) as loaded:
            for _, decoded in loaded:
                waiting.append(decoded)
                readable += not isinstance(decoded, PhotoError)
                if readable == size or len(waiting) == 8 * size:
                    yield from self.score_readable(waiting)
                    waiting, readable = [], 0
            yield from self.score_readable(waiting)

    def _computed(self, pixels: Pixels) -> tuple[Doubles, Floats]:
        """Uncalibrated log probabilities [n, classes] and features [n, features], view-averaged."""
        n, views = pixels.shape[:2]
        images = pixels.reshape(n * views, *pixels.shape[2:])
        parts = [
            self.runner(images[start : start + BATCH_IMAGES])
            for start in range(0, n * views, BATCH_IMAGES)
        ]
        logits, features = (
            np.concatenate([part[name] for part in parts]).reshape(n, views, -1)
            for name in (LOGITS, FEATURES)
        )
        if not np.isfinite(logits).all():
            raise ArtifactError(
                "The model gives numbers that aren't finite for a photo: train it again, or use "
                "another one."
            )
        return mean_log_probabilities(logits), mean_features(features)
