"""The lines that carry a run's metrics where there is no screen, and how to read them back."""

import re
from collections.abc import Mapping

# What the model logs in each epoch.
METRICS = ("train_loss", "train_top1", "valid_loss", "valid_top1")
# What a search may be for, told once more at a run's end, of the weights that it keeps.
OBJECTIVES = ("valid_loss", "valid_top1")
_ENDS = tuple(f"{name}_{end}95" for name in OBJECTIVES for end in ("low", "high"))
_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|nan|inf)"

# What one of those expressions would read in a line, up to the "=".
ASSIGNMENT = re.compile(rf"\b({'|'.join((*METRICS, *_ENDS))})=(?={_NUMBER})")


def metric_line(epoch: int, values: Mapping[str, float]) -> str:
    """One epoch as a line: `epoch=3 train_loss=0.512300 valid_top1=0.801000`."""
    return f"epoch={epoch} {_shown(METRICS, values)}"


def kept_line(objectives: Mapping[str, tuple[float, tuple[float, float]]]) -> str:
    """The weights that are kept, as a line: each objective with the ends of its 95 % interval."""
    values: dict[str, float] = {}
    for name, (value, (low, high)) in objectives.items():
        values |= {name: value, f"{name}_low95": low, f"{name}_high95": high}
    return f"kept {_shown((*OBJECTIVES, *_ENDS), values)}"


def _shown(names: tuple[str, ...], values: Mapping[str, float]) -> str:
    return " ".join(f"{name}={values[name]:.6f}" for name in names if name in values)


def metric_regexes() -> dict[str, str]:
    """For each metric the regular expression whose first group is its value in a line."""
    return {name: rf"\b{re.escape(name)}=({_NUMBER})" for name in (*METRICS, *_ENDS)}
