"""Log lines with a run's metrics, and the regular expressions that read them."""

import os
import re
from collections.abc import Iterable, Mapping

# How the names of all of these begin: values on the training, validation and test photos.
PREFIXES = ("train_", "valid_", "test_")
TEST_TOP1 = "test_top1"  # of a trained model, in a job that evaluates it
_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|nan|inf)"

_BRIEF = ("valid_top1", "valid_loss", "train_loss")  # of all metrics

# What one of `metric_regexes` would read in a line, whatever the metric's name, up to the "=".
ASSIGNMENT = re.compile(rf"\b((?:{'|'.join(PREFIXES)})\w+)=(?={_NUMBER})")


def is_read_by_sagemaker() -> bool:
    """Whether SageMaker reads this process's output: in a training job, whose name it sets."""
    return bool(os.environ.get("TRAINING_JOB_NAME"))


def metric_line(epoch: int, values: Mapping[str, float]) -> str:
    """One epoch as a line: `epoch=3 train_loss=0.512300 valid_top1=0.801000`."""
    return f"epoch={epoch} {_shown(values)}"


def brief_line(epoch: int, epochs: int, values: Mapping[str, float], best: int) -> str:
    """The same for a person, within 80 columns, with the epoch whose weights are the best so far.

    `epoch 12/20  valid_top1=0.742 valid_loss=1.210 train_loss=0.981  best: 12`.
    """
    shown = " ".join(f"{name}={values[name]:.3f}" for name in _BRIEF if name in values)
    return f"epoch {epoch}/{epochs}  {shown}  best: {best}"


def result_line(metrics: Mapping[str, tuple[float, tuple[float, float]]]) -> str:
    """The best epoch's metrics as a line, each with the ends of its 95 % interval."""
    values = {name: value for name, (value, _) in metrics.items()}
    for name, (_, (low, high)) in metrics.items():
        values |= {f"{name}_low95": low, f"{name}_high95": high}
    return f"result {_shown(values)}"


def _shown(values: Mapping[str, float]) -> str:
    named = ((name, value) for name, value in values.items() if name.startswith(PREFIXES))
    return " ".join(f"{name}={value:.6f}" for name, value in named)


def metric_regexes(objectives: Iterable[str]) -> dict[str, str]:
    """For each metric the regular expression whose first group is its value in a line.

    These are the training metrics, and each objective with the ends of its interval.
    """
    objectives = tuple(objectives)
    ends = (f"{name}_{end}95" for name in objectives for end in ("low", "high"))
    names = ("train_loss", "train_top1", *objectives, *ends)
    return {name: rf"\b{re.escape(name)}=({_NUMBER})" for name in names}
