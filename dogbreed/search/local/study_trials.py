"""Validate the trials of an untrusted study database.

Optuna validates little: values outside the space would be run as they are.
"""

import math
from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from dogbreed.search.space import Space, holds
from dogbreed.utils.documents import DocumentError

QUEUED = "fixed_params"  # Optuna's name for the values of a queued trial


def check_trial(
    trial: FrozenTrial,
    space: Space | None = None,
    distributions: Mapping[str, Any] | None = None,
) -> None:
    """Check that a trial has the attributes that this package writes, and values in the space.

    Raises:
        DocumentError: it doesn't.
    """
    where = f"has a trial ({trial.number}) that "
    attributes = trial.user_attrs
    if trial.state == TrialState.COMPLETE and not (
        is_number(trial.value)
        and is_number(attributes.get("objective"))
        and _is_interval(attributes.get("ci95"))
    ):
        raise DocumentError(f"{where}ended without an objective and its interval")
    if (
        not isinstance(attributes.get("reason", ""), str)
        or not is_number(attributes.get("objective", 0.0))
        or not ("ci95" not in attributes or _is_interval(attributes["ci95"]))
        or not all(isinstance(value, float) for value in trial.intermediate_values.values())
    ):
        raise DocumentError(f"{where}has other values than a search writes")
    if space is None or distributions is None:
        return
    values = {**trial.system_attrs.get(QUEUED, {}), **trial.params}
    if not all(name in space and holds(space[name], value) for name, value in values.items()):
        raise DocumentError(f"{where}is outside the space of this search")
    if not all(distributions[name] == each for name, each in trial.distributions.items()):
        raise DocumentError(f"{where}was sampled from another space")


def is_number(value: Any) -> bool:
    """Whether a value is a number other than NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _is_interval(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(is_number, value))
