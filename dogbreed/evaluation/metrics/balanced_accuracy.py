"""Balanced accuracy: the mean over classes of recall, so that rare classes count like others.

Classes without a photo in the split don't count (Brodersen et al. 2010).
"""

from __future__ import annotations

import typing

from dogbreed.evaluation.metrics.intervals import Interval, bootstrapped
from dogbreed.evaluation.metrics.registry import MAXIMIZE, SHARE, Metric
from dogbreed.evaluation.metrics.scores import Scores

if typing.TYPE_CHECKING:  # numpy is imported when a metric is computed: --help reads the names
    import numpy as np
    import numpy.typing as npt


def _compute(scores: Scores) -> float:
    return _balanced(scores.targets.numpy(), scores.right.numpy(), scores.classes)


def _interval(scores: Scores, value: float) -> Interval:
    targets, right = scores.targets.numpy(), scores.right.numpy()
    classes = scores.classes
    return bootstrapped(
        lambda taken: _balanced(targets[taken], right[taken], classes),
        len(targets),
        value,
        (0.0, 1.0),
    )


def _balanced(targets: npt.NDArray[np.int64], right: npt.NDArray[np.bool_], classes: int) -> float:
    import numpy as np

    photos = np.bincount(targets, minlength=classes)
    hits = np.bincount(targets[right], minlength=classes)
    return float(np.mean(hits[photos > 0] / photos[photos > 0]))


BALANCED_ACCURACY = Metric(
    name="balanced_accuracy",
    title="Balanced accuracy",
    direction=MAXIMIZE,
    compute=_compute,
    unit=SHARE,
    interval=_interval,
)
