"""Parameter importance (fANOVA): the fraction of the objective's variance that each explains."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator

from dogbreed.search.report.scales import Placed, Scale

MIN_TRIALS = 10
TREES, SUBSAMPLE_TREES = 48, 8
# The variation over subsamples of 80 % approximates that over searches with other trials.
SUBSAMPLES, SUBSAMPLE_FRACTION = 10, 0.8
PERMUTATIONS = 39  # the second highest of 39 is the 95 % quantile under the null hypothesis
DEPTH = 6  # deeper trees don't change the importance of single parameters, but take seconds


@dataclass(frozen=True, kw_only=True)
class Importance:
    """The importance of one parameter as a fraction of the variance (fANOVA).

    `low` and `high` contain eight of ten subsamples of 80 % of the trials. `chance` is the 95 %
    quantile under permutations of the objectives, where no parameter matters.
    """

    parameter: str
    fraction: float
    low: float
    high: float
    chance: float

    @property
    def significant(self) -> bool:
        """Whether it is greater than chance (p < 0.05)."""
        return self.fraction > self.chance


def importances(scales: Mapping[str, Scale], trials: Sequence[Placed]) -> list[Importance]:
    """Each parameter's importance, the greatest first; empty if all objectives are equal."""
    objectives = [trial.objective for trial in trials]
    if len(set(objectives)) < 2:
        return []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    generator = random.Random(0)
    fractions = _fractions(scales, trials, objectives, TREES)
    subsamples, permuted = [], []
    for _ in range(SUBSAMPLES):
        some = generator.sample(trials, round(SUBSAMPLE_FRACTION * len(trials)))
        values = [trial.objective for trial in some]
        subsamples.append(_fractions(scales, some, values, SUBSAMPLE_TREES))
    for _ in range(PERMUTATIONS):
        mixed = generator.sample(objectives, len(objectives))
        permuted.append(_fractions(scales, trials, mixed, SUBSAMPLE_TREES))
    found = []
    for name, fraction in fractions.items():
        ordered = sorted(subsample[name] for subsample in subsamples)
        found.append(
            Importance(
                parameter=name,
                fraction=fraction,
                low=min(fraction, ordered[1]),
                high=max(fraction, ordered[-2]),
                chance=sorted(permutation[name] for permutation in permuted)[-2],
            )
        )
    return sorted(found, key=lambda importance: -importance.fraction)


def _fractions(
    scales: Mapping[str, Scale],
    trials: Sequence[Placed],
    objectives: Sequence[float],
    trees: int,
) -> dict[str, float]:
    """Each parameter's fraction of the variance, from one random forest."""
    distributions = {name: _distribution(scale) for name, scale in scales.items()}
    study = optuna.create_study()
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=dict(trial.places), distributions=distributions, value=objective
            )
            for trial, objective in zip(trials, objectives, strict=True)
        ]
    )
    evaluator = FanovaImportanceEvaluator(n_trees=trees, max_depth=DEPTH, seed=0)
    try:
        fractions = evaluator.evaluate(study)
    except RuntimeError:  # each tree sampled only trials with equal objectives
        return dict.fromkeys(scales, 0.0)
    return {name: float(fractions[name]) for name in scales}


def _distribution(scale: Scale) -> BaseDistribution:
    """A distribution of axis positions: fANOVA would weight a logarithmic range by its top end."""
    if scale.choices:
        return CategoricalDistribution(range(len(scale.choices)))
    return FloatDistribution(scale.low, scale.high)
