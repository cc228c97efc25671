"""Which parameter mattered: the share of the objective's variance that each explains by itself."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator

from dogbreed.search.report.scales import Placed, Scale

MIN_TRIALS = 10
TREES, TREES_OF_A_DRAW = 48, 8
# The spread over draws of four fifths is about that over searches of as many other trials.
DRAWS, SHARE_DRAWN = 10, 0.8
SHUFFLES = 39  # the second highest of 39 is what one in twenty gets by chance
DEPTH = 6  # deeper trees tell no more of single parameters, and take seconds with many trials


@dataclass(frozen=True, kw_only=True)
class Importance:
    """Of one parameter: its share (fANOVA), how sure that is, and what chance would give it.

    `low` and `high` hold eight of ten draws of four fifths of the trials. `chance` is a share that
    one parameter in twenty reaches where the objectives are shuffled among the trials, so that
    none matters.
    """

    parameter: str
    share: float
    low: float
    high: float
    chance: float

    @property
    def told(self) -> bool:
        """Whether it can be told from chance."""
        return self.share > self.chance


def importances(scales: Mapping[str, Scale], trials: Sequence[Placed]) -> list[Importance]:
    """Each parameter's importance, the greatest first; none where all objectives are the same."""
    objectives = [trial.objective for trial in trials]
    if len(set(objectives)) < 2:
        return []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    generator = random.Random(0)
    shares = _shares(scales, trials, objectives, TREES)
    drawn, shuffled = [], []
    for _ in range(DRAWS):
        some = generator.sample(trials, round(SHARE_DRAWN * len(trials)))
        drawn.append(_shares(scales, some, [own.objective for own in some], TREES_OF_A_DRAW))
    for _ in range(SHUFFLES):
        mixed = generator.sample(objectives, len(objectives))
        shuffled.append(_shares(scales, trials, mixed, TREES_OF_A_DRAW))
    found = []
    for name, share in shares.items():
        own = sorted(draw[name] for draw in drawn)
        found.append(
            Importance(
                parameter=name,
                share=share,
                low=min(share, own[1]),
                high=max(share, own[-2]),
                chance=sorted(shuffle[name] for shuffle in shuffled)[-2],
            )
        )
    return sorted(found, key=lambda importance: -importance.share)


def _shares(
    scales: Mapping[str, Scale],
    trials: Sequence[Placed],
    objectives: Sequence[float],
    trees: int,
) -> dict[str, float]:
    """Each parameter's share, by one forest."""
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
        shares = evaluator.evaluate(study)
    except RuntimeError:  # all its trees drew trials of one and the same objective
        return dict.fromkeys(scales, 0.0)
    return {name: float(shares[name]) for name in scales}


def _distribution(scale: Scale) -> BaseDistribution:
    """Of places, not of values: fANOVA would weigh a logarithmic range by its upper end alone."""
    if scale.choices:
        return CategoricalDistribution(range(len(scale.choices)))
    return FloatDistribution(scale.low, scale.high)
