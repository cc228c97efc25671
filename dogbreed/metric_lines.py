"""The line that carries a run's metrics where there is no screen, and how to read it back."""

import re
from collections.abc import Mapping

# What the model logs in each epoch.
METRICS = ("train_loss", "train_top1", "valid_loss", "valid_top1")
_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|nan|inf)"


def metric_line(epoch: int, values: Mapping[str, float]) -> str:
    """One epoch as a line: `epoch=3 train_loss=0.512300 valid_top1=0.801000`."""
    shown = [f"{name}={values[name]:.6f}" for name in METRICS if name in values]
    return " ".join([f"epoch={epoch}", *shown])


def metric_regexes() -> dict[str, str]:
    """For each metric the regular expression whose first group is its value in a line."""
    return {name: rf"\b{re.escape(name)}=({_NUMBER})" for name in METRICS}
