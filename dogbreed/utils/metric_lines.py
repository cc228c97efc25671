"""Log lines with a run's metrics, and the regular expressions that read them."""

import re
from collections.abc import Mapping

# Metrics that the model logs in each epoch.
METRICS = ("train_loss", "train_top1", "valid_loss", "valid_top1")
# Objectives of a search; logged again at a run's end, for the weights of its best epoch.
OBJECTIVES = ("valid_loss", "valid_top1")
_ENDS = tuple(f"{name}_{end}95" for name in OBJECTIVES for end in ("low", "high"))
_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|nan|inf)"

# What one of those expressions would match in a line, up to the "=".
ASSIGNMENT = re.compile(rf"\b({'|'.join((*METRICS, *_ENDS))})=(?={_NUMBER})")


def metric_line(epoch: int, values: Mapping[str, float]) -> str:
    """One epoch as a line: `epoch=3 train_loss=0.512300 valid_top1=0.801000`."""
    return f"epoch={epoch} {_shown(METRICS, values)}"


def result_line(objectives: Mapping[str, tuple[float, tuple[float, float]]]) -> str:
    """The best epoch's objectives as a line, each with the ends of its 95 % interval."""
    values: dict[str, float] = {}
    for name, (value, (low, high)) in objectives.items():
        values |= {name: value, f"{name}_low95": low, f"{name}_high95": high}
    return f"result {_shown((*OBJECTIVES, *_ENDS), values)}"


def _shown(names: tuple[str, ...], values: Mapping[str, float]) -> str:
    return " ".join(f"{name}={values[name]:.6f}" for name in names if name in values)


def metric_regexes() -> dict[str, str]:
    """For each metric the regular expression whose first group is its value in a line."""
    return {name: rf"\b{re.escape(name)}=({_NUMBER})" for name in (*METRICS, *_ENDS)}
