"""The scores of a model on a split: what every metric is computed from."""

from __future__ import annotations

import typing
from dataclasses import dataclass

if typing.TYPE_CHECKING:  # a configuration needs the metrics' names, and no torch for them
    from torch import Tensor


def calibrated(log_probabilities: Tensor, temperature: float) -> Tensor:
    """The logarithms [n, classes] of softmax(log_probabilities / temperature)."""
    return (log_probabilities / temperature).log_softmax(-1)


@dataclass(frozen=True)
class Scores:
    """Scores on a split: log_probabilities [n, classes] and targets [n], on the CPU."""

    log_probabilities: Tensor
    targets: Tensor

    def calibrated(self, temperature: float) -> Scores:
        """The same with softmax(log_probabilities / temperature)."""
        return Scores(calibrated(self.log_probabilities, temperature), self.targets)

    @property
    def confidence(self) -> Tensor:
        """The probability [n] of each photo's likeliest class."""
        return self.log_probabilities.amax(-1).exp()

    @property
    def predicted(self) -> Tensor:
        """Each photo's likeliest class [n]."""
        return self.log_probabilities.argmax(-1)

    @property
    def right(self) -> Tensor:
        """Whether the likeliest class is the photo's class [n]."""
        return self.predicted == self.targets

    @property
    def losses(self) -> Tensor:
        """The cross entropy [n] of each photo in nats, float64."""
        return -self.log_probabilities.gather(1, self.targets[:, None])[:, 0].double()

    @property
    def classes(self) -> int:
        """How many classes the model has."""
        return int(self.log_probabilities.shape[1])

    def __len__(self) -> int:
        return len(self.targets)
