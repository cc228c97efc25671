"""Where a model errs: the classes it confuses, and the photos it finds hardest."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dogbreed.data.layouts.splits import Sample
from dogbreed.evaluation.metrics.scores import Scores


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """`count` of the `of` photos of class `label` were taken for class `taken_for`."""

    label: int
    taken_for: int
    count: int
    of: int


@dataclass(frozen=True, kw_only=True)
class ConfusedPair(Confusion):
    """A confusion with photos.

    `back` is its count the other way round; `example` the photo of which the model was surest,
    `typical` the photo of `taken_for` that it knows best, None if there is none.
    """

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


def confusions(scores: Scores) -> list[Confusion]:
    """Every pair of classes that was confused, most often first; where all are right, none.

    Of pairs confused equally often, those first of which the model was surer. Memory grows with
    the photos, not with the square of the classes.
    """
    classes = scores.log_probabilities.shape[1]
    photos_of = torch.bincount(scores.targets, minlength=classes).tolist()
    answers = scores.predicted
    wrong = answers != scores.targets
    targets, predicted = scores.targets[wrong], answers[wrong]
    cells, inverse, counts = (targets * classes + predicted).unique(
        return_inverse=True, return_counts=True
    )
    sureness = torch.zeros(len(cells), dtype=torch.float64)
    sureness.index_put_((inverse,), scores.confidence[wrong].double(), accumulate=True)
    found = zip(counts.tolist(), sureness.tolist(), cells.tolist(), strict=True)
    return [
        Confusion(
            label=cell // classes,
            taken_for=cell % classes,
            count=count,
            of=photos_of[cell // classes],
        )
        for count, _, cell in sorted(found, key=lambda each: (-each[0], -each[1], each[2]))
    ]


def most_confused(found: Sequence[Confusion], limit: int) -> list[int]:
    """The classes of the pairs confused most often, at most `limit`, each next to its partner."""
    classes: dict[int, None] = {}
    for pair in found:
        new = {pair.label, pair.taken_for} - classes.keys()
        if len(classes) + len(new) <= limit:
            classes |= dict.fromkeys((pair.label, pair.taken_for))
    return list(classes)


def confused_pairs(
    scores: Scores, samples: Sequence[Sample], found: Sequence[Confusion]
) -> list[ConfusedPair]:
    """Each of these confusions with a photo of either class."""
    targets, predicted = scores.targets, scores.predicted
    pairs = []
    for pair in found:
        label, taken_for = pair.label, pair.taken_for
        example = _surest(scores, (targets == label) & (predicted == taken_for))
        typical = _surest(scores, targets == taken_for, taken_for)
        back = (targets == taken_for) & (predicted == label)
        assert example is not None
        pairs.append(
            ConfusedPair(
                label=label,
                taken_for=taken_for,
                count=pair.count,
                of=pair.of,
                back=int(back.sum()),
                example=samples[example],
                typical=None if typical is None else samples[typical],
            )
        )
    return pairs


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
    target_log_probabilities = scores.log_probabilities.gather(1, scores.targets[:, None])[:, 0]
    order = target_log_probabilities.argsort(stable=True)[:limit].tolist()
    classes = scores.log_probabilities.shape[1]
    hard = []
    for number in order:
        top = scores.log_probabilities[number].exp().topk(min(answers, classes))
        hard.append(
            HardPhoto(
                sample=samples[number],
                loss=-float(target_log_probabilities[number]),
                probability=float(target_log_probabilities[number].exp()),
                answers=tuple(zip(top.indices.tolist(), top.values.tolist(), strict=True)),
            )
        )
    return hard
