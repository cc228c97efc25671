"""Where a model errs: the classes it confuses, and the photos it finds hardest."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dogbreed.data.splits import Sample
from dogbreed.evaluation.metrics import Scores


@dataclass(frozen=True, kw_only=True)
class ConfusedPair:
    """`count` photos of class `label` that were taken for class `taken_for`.

    `back` is the same the other way round; `example` the photo of which the model was surest,
    `typical` the photo of `taken_for` that it knows best, None if there is none.
    """

    label: int
    taken_for: int
    count: int
    of: int
    back: int
    example: Sample
    typical: Sample | None


@dataclass(frozen=True, kw_only=True)
class HardPhoto:
    """A photo with a high loss: what was answered instead, as (label, probability)."""

    sample: Sample
    loss: float
    probability: float
    answers: tuple[tuple[int, float], ...]


def confusions(scores: Scores) -> Tensor:
    """Counts of photos [classes, classes]: rows are what they are, columns what was answered."""
    classes = scores.log_probabilities.shape[1]
    cells = scores.targets * classes + scores.predicted
    return torch.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def confused_pairs(
    scores: Scores, samples: Sequence[Sample], limit: int
) -> tuple[list[ConfusedPair], int]:
    """The pairs confused most often, and how many pairs there are in all."""
    counts = confusions(scores)
    photos_of = counts.sum(1)
    wrong = counts.clone().fill_diagonal_(0)
    # Of pairs confused equally often, those first of which the model was surer.
    sureness = torch.zeros(wrong.shape, dtype=torch.float64)
    sureness.index_put_(
        (scores.targets, scores.predicted), scores.confidence.double(), accumulate=True
    )
    found = wrong.nonzero().tolist()
    found.sort(key=lambda pair: (-int(wrong[*pair]), -float(sureness[*pair]), pair))
    pairs = []
    for label, taken_for in found[:limit]:
        example = _surest(scores, (scores.targets == label) & (scores.predicted == taken_for))
        typical = _surest(scores, scores.targets == taken_for, taken_for)
        assert example is not None
        pairs.append(
            ConfusedPair(
                label=label,
                taken_for=taken_for,
                count=int(wrong[label, taken_for]),
                of=int(photos_of[label]),
                back=int(wrong[taken_for, label]),
                example=samples[example],
                typical=None if typical is None else samples[typical],
            )
        )
    return pairs, len(found)


def _surest(scores: Scores, among: Tensor, label: int | None = None) -> int | None:
    """The photo of `among` with the highest probability, or that of `label`."""
    numbers = among.nonzero()[:, 0]
    if not len(numbers):
        return None
    chosen = scores.log_probabilities[numbers]
    sure = chosen.amax(1) if label is None else chosen[:, label]
    return int(numbers[sure.argmax()])


def hardest_photos(
    scores: Scores, samples: Sequence[Sample], limit: int, answers: int = 3
) -> list[HardPhoto]:
    """The photos with the highest losses, the highest first."""
    own = scores.log_probabilities.gather(1, scores.targets[:, None])[:, 0]
    order = own.argsort(stable=True)[:limit].tolist()
    classes = scores.log_probabilities.shape[1]
    hard = []
    for number in order:
        top = scores.log_probabilities[number].exp().topk(min(answers, classes))
        hard.append(
            HardPhoto(
                sample=samples[number],
                loss=-float(own[number]),
                probability=float(own[number].exp()),
                answers=tuple(zip(top.indices.tolist(), top.values.tolist(), strict=True)),
            )
        )
    return hard
