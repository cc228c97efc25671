"""The axis of a parameter: positions of values, and tick labels."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dogbreed.report.charts import labels
from dogbreed.search.report.facts import SearchFacts
from dogbreed.search.searchable import Value
from dogbreed.search.space import INT, Choice, Numbers, Range
from dogbreed.search.table import shown_value
from dogbreed.search.trials import COMPLETED, Trial

TICKS = 5  # approximate number on an axis
TICK_CHARACTERS = 14


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`; `choices` are the values at the positions 0, 1, 2, ..."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False
    choices: tuple[Value, ...] = ()

    def place(self, value: Value | None) -> float | None:
        """The position of a value; None if it has none."""
        if self.choices:
            return self.choices.index(value) if value in self.choices else None
        return _number(value, self.log)


def scales(facts: SearchFacts) -> dict[str, Scale]:
    """The axis of each parameter, which contains its range and the values of all trials."""
    return {
        name: scale(facts.space[name], [trial.parameters.get(name) for trial in facts.trials])
        for name in facts.parameters
    }


def scale(each: Range, tried: Iterable[Value | None]) -> Scale:
    """The axis of a range."""
    if isinstance(each, Choice):
        choices = tuple(dict.fromkeys([*each.values, *(v for v in tried if v is not None)]))
        texts = labels([shown_value(value) for value in choices], TICK_CHARACTERS)
        return Scale(0, len(choices) - 1, tuple(enumerate(texts)), choices=choices)
    places = [
        place
        for value in (each.low, each.high, *tried)
        if (place := _number(value, each.log)) is not None
    ]
    low, high = min(places), max(places)
    return Scale(low, high, tuple(_ticks(low, high, each)), log=each.log)


@dataclass(frozen=True)
class Placed:
    """A completed trial: the positions of its values, and its clipped objective."""

    trial: Trial
    places: Mapping[str, float]
    objective: float


def placed(
    facts: SearchFacts, scales: Mapping[str, Scale], trials: Iterable[Trial]
) -> list[Placed]:
    """The completed trials that have a value for each parameter."""
    found = []
    for trial in trials:
        if trial.status != COMPLETED:
            continue
        places = {name: each.place(trial.parameters.get(name)) for name, each in scales.items()}
        known = {name: place for name, place in places.items() if place is not None}
        if len(known) == len(scales) and trial.objective is not None:
            found.append(Placed(trial, known, facts.clipped(trial.objective)))
    return found


def linear(low: float, high: float) -> Scale:
    """An even axis of numbers."""
    return Scale(low, high, tuple(_ticks(low, high, Numbers("float", low, high, False))))


def _number(value: Value | None, log: bool) -> float | None:
    if not isinstance(value, int | float) or not math.isfinite(value) or (log and value <= 0):
        return None
    return math.log10(value) if log else float(value)


def _ticks(low: float, high: float, each: Numbers) -> Iterator[tuple[float, str]]:
    if not each.log:
        for value in _round_numbers(low, high, integers=each.type == INT):
            yield value, _short(value)
        return
    values = _round_powers(low, high)
    if len(values) < 2:
        values = list(_round_numbers(10**low, 10**high, integers=False))
    for value in values:
        yield math.log10(value), _short(value)


def _round_numbers(low: float, high: float, integers: bool) -> Iterator[float]:
    rough = (high - low) / TICKS or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    if integers:
        step = max(1, round(step))
    slack = 1e-9 * step
    for number in range(math.ceil((low - slack) / step), math.floor((high + slack) / step) + 1):
        yield number * step


def _round_powers(low: float, high: float) -> list[float]:
    """Powers of ten; with 2 and 5 times each if there are few."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    factors = (1,) if high - low >= 2 else (1, 2, 5)
    every = max(1, round(len(powers) / (2 * TICKS)))
    values = [float(f"{factor}e{power}") for power in powers[::every] for factor in factors]
    return [value for value in values if low - 1e-9 <= math.log10(value) <= high + 1e-9]


def _short(value: float) -> str:
    """0.0001, 1e-9, 5e+6."""
    return re.sub(r"e([+-])0", r"e\1", f"{value:g}")
