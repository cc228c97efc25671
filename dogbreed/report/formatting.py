"""How numbers and names are written for people, the same in the report and in the model card."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dogbreed.evaluation.metrics.intervals import Interval
from dogbreed.evaluation.metrics.registry import SHARE, Metric
from dogbreed.utils.nouns import counted as counted
from dogbreed.utils.printable import printable

NOTHING = "–"


shown = printable  # a name, as pages, charts and the model card have it


def percent(share: float | None, ci95: Interval | None = None, digits: int = 1) -> str:
    """77.1 % [74.6, 79.4]; a dash where there is nothing to take a share of."""
    if share is None or not math.isfinite(share):
        return NOTHING
    between = f" [{100 * ci95[0]:.{digits}f}, {100 * ci95[1]:.{digits}f}]" if ci95 else ""
    return f"{100 * share:.{digits}f} %{between}"


def decimal(value: float | None, ci95: Interval | None = None, digits: int = 3) -> str:
    """1.147 [1.068, 1.225]."""
    if value is None:
        return NOTHING
    between = f" [{ci95[0]:.{digits}f}, {ci95[1]:.{digits}f}]" if ci95 else ""
    return f"{value:.{digits}f}{between}"


def metric_value(metric: Metric, value: float, ci95: Interval | None = None) -> str:
    """A metric's value in its own unit, with its interval."""
    write = percent if metric.unit == SHARE else decimal
    return write(value, ci95)


def points(value: float, ci95: Interval | None = None) -> str:
    """+1.2 points [-0.3, +2.8]: a difference of two shares."""
    between = f" [{ci95[0]:+.1f}, {ci95[1]:+.1f}]" if ci95 else ""
    return f"{value:+.1f} points{between}"


def seconds(value: float) -> str:
    """0.12 s, 17.3 s, 2 min 7 s."""
    if value < 60:
        return f"{value:.{2 if value < 1 else 1}f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def below(root: Path, path: Path) -> str:
    """A file's place in the folder of the photos; its name alone where it is elsewhere.

    What is published says nothing of this machine's folders.
    """
    return shown(path.relative_to(root) if path.is_relative_to(root) else path.name)


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as (dotted key, value), as they are typed on the command line."""
    lines: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += flat(value, f"{prefix}{key}.")
        else:
            lines.append((shown(f"{prefix}{key}"), setting(value)))
    return lines


def setting(value: Any) -> str:
    """A setting's value in the spelling of its YAML file."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(setting(entry) for entry in value)}]"
    return shown(value)


_UNITS: dict[str, Callable[[float], str]] = {
    "_share": lambda value: percent(value, digits=2),
    "_points": lambda value: f"{value:.2f} points",
    "_seconds": seconds,
    "_ms": lambda value: f"{value:.1f} ms",
    "_s": seconds,
    "_bytes": lambda value: f"{value / 1e6:.1f} MB",
}


def agreement(key: str, value: Any) -> tuple[str, str]:
    """A measured value (its name and its text), written in the unit that ends its key."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return shown(key).replace("_", " "), setting(value)
    for unit, write in _UNITS.items():
        if key.endswith(unit):
            return shown(key.removesuffix(unit)).replace("_", " "), write(value)
    return shown(key).replace("_", " "), f"{value:.4g}"
