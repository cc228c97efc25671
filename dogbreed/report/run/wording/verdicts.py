"""What rules and triggers have found, as a sentence and as the rows of a table."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from dogbreed.debug.rules.verdicts import FINE, FIRED, NOT_APPLICABLE, OFF, Point, Verdict
from dogbreed.report.formatting import NOTHING, agreement, counted, shown

CAPITALS = {"cpu": "CPU", "gpu": "GPU", "io": "I/O"}
NAMED = 3  # so many that fired stand in the headline
# The sentence for a verdict without a message.
SILENT = {FINE: "nothing", OFF: "it was switched off"}
ORDER = (FIRED, FINE, NOT_APPLICABLE, OFF)

# Writes a point's `step`: of a rule a step, of a trigger a second.
When = Callable[[int], str]


def words(name: str) -> str:
    """The name of a rule, a layer or a value as words."""
    return " ".join(CAPITALS.get(word, word) for word in shown(name).replace("_", " ").split(" "))


def fired(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those that fired, the earliest first; those that are about no moment last."""
    found = [verdict for verdict in verdicts if verdict.state == FIRED]
    return sorted(
        found, key=lambda verdict: math.inf if verdict.first_step is None else verdict.first_step
    )


def headline(verdicts: Sequence[Verdict], noun: str, when: When) -> str:
    """12 of 13 rules found nothing; overfit fired at step 640 (epoch 10)."""
    if not verdicts:
        return f"No {noun} was watching."
    states = [verdict.state for verdict in verdicts]
    fine, lacking, off = (states.count(state) for state in (FINE, NOT_APPLICABLE, OFF))
    all_of_them = counted(len(states), noun)
    if fine == len(states):
        return f"None of {all_of_them} found anything."
    parts = [f"{fine} of {all_of_them} found nothing"] if fine else []
    parts += _fired(fired(verdicts), when)
    if lacking:
        parts.append(f"{lacking} {'does' if lacking == 1 else 'do'} not apply")
    if off:
        parts.append(f"{off} {'is' if off == 1 else 'are'} off")
    return ("" if fine else f"Of {all_of_them} ") + "; ".join(parts) + "."


def _fired(found: Sequence[Verdict], when: When) -> list[str]:
    """Each that fired and when; of more than `NAMED` the first alone."""
    at = [
        "" if verdict.first_step is None else f" at {when(verdict.first_step)}" for verdict in found
    ]
    if len(found) > NAMED:
        return [f"{len(found)} fired, the first: {words(found[0].name)}{at[0]}"]
    return [
        f"{words(verdict.name)} fired{moment}" for verdict, moment in zip(found, at, strict=True)
    ]


def rows(verdicts: Sequence[Verdict], when: When, brief: When) -> list[dict[str, Any]]:
    """What the table of verdicts shows of each, those that fired first.

    `when` writes the moments of data points, `brief` those from which to which it fired.
    """
    in_order = fired(verdicts) + sorted(
        (verdict for verdict in verdicts if verdict.state != FIRED),
        key=lambda verdict: ORDER.index(verdict.state),
    )
    return [_row(verdict, when, brief) for verdict in in_order]


def _row(verdict: Verdict, when: When, brief: When) -> dict[str, Any]:
    has_fired = verdict.state == FIRED
    return {
        "rule": _capital(words(verdict.name)),
        "state": verdict.state,
        "kind": verdict.state.replace(" ", "-"),
        "seen": _sentence(verdict.message or SILENT.get(verdict.state, "")),
        "times": f"{verdict.times:,}" if has_fired else NOTHING,
        "span": _span(verdict, brief),
        "advice": verdict.recommendation if has_fired else "",
        "limits": [value_of(*pair) for pair in verdict.parameters.items()] if has_fired else [],
        "points": [_shown_point(verdict, point, when) for point in verdict.points]
        if has_fired
        else [],
    }


def _span(verdict: Verdict, brief: When) -> str:
    ends = (verdict.first_step, verdict.last_step)
    known = [brief(step) for step in dict.fromkeys(ends) if step is not None]
    return " to ".join(known) or NOTHING


def _shown_point(verdict: Verdict, point: Point, when: When) -> str:
    values = ", ".join(" ".join(value_of(*pair)) for pair in point.values.items())
    # A point without a step consists of its values.
    parts = [_capital(when(point.step))] if verdict.first_step is not None else []
    return ": ".join([*parts, values] if values else parts)


def value_of(key: str, value: Any) -> tuple[str, str]:
    """A value (its name and its text), in the unit that ends its key or is all of it."""
    if isinstance(value, float) and not math.isfinite(value):
        return words(key), str(value)
    name, text = agreement(f"_{key}", value)
    bare = words(name).strip()
    if isinstance(value, int) and not isinstance(value, bool) and bare == words(key):
        text = f"{value:,}"  # a number of something: no digit of it is left out
    return words(key) if key.endswith("share") or not bare else bare, text


def _sentence(text: str) -> str:
    return _capital(text) + ("" if text.endswith((".", "!", "?")) or not text else ".")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
