"""launch/iam/ read as IAM reads it: actions, resources, conditions; and who may take on a role."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID

IAM = Path(__file__).parents[2] / "launch" / "iam"
LAUNCHER, TRAINING, SERVING, SCHEDULER = (
    IAM / f"{name}.json" for name in ("launcher", "training", "serving", "scheduler")
)
TRUST = {role: role.with_name(f"{role.stem}-trust.json") for role in (TRAINING, SERVING, SCHEDULER)}
# The account that stands in the files until somebody puts his own there, and the emulated one.
EXAMPLE_ACCOUNT = "111122223333"


@dataclass(frozen=True)
class Need:
    """What a call needs: an action on a resource, and what IAM knows of the request."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


@cache
def text_of(policy: Path) -> str:
    """A policy of the emulated account."""
    return policy.read_text("utf-8").replace(EXAMPLE_ACCOUNT, DEFAULT_ACCOUNT_ID)


def statements(policy: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text_of(policy))["Statement"]
    return found


def as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def allowed(policy: Path) -> list[str]:
    """Every action of a policy, as often as it stands there."""
    return [action for each in statements(policy) for action in as_list(each["Action"])]


def allows(policy: Path, need: Need) -> bool:
    """Whether a statement allows it; all of ours allow, none denies."""
    return any(
        any(_like(pattern, need.action) for pattern in as_list(each["Action"]))
        and any(_like(pattern, need.resource) for pattern in as_list(each["Resource"]))
        and holds(each.get("Condition", {}), need.context)
        for each in statements(policy)
    )


def may_assume(policy: Path, service: str, context: Mapping[str, str]) -> bool:
    """Whether a trust policy lets a service take on the role."""
    return any(
        service in as_list(each["Principal"]["Service"]) and holds(each["Condition"], context)
        for each in statements(policy)
    )


def holds(condition: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """Whether all of a condition holds. A key that a request doesn't have fails it, as in IAM."""
    for operator, keys in condition.items():
        for key, values in keys.items():
            if key not in context:
                if operator.endswith("IfExists"):
                    continue
                return False
            if not any(_fits(operator, value, context[key]) for value in as_list(values)):
                return False
    return True


def _fits(operator: str, value: str, found: str) -> bool:
    if operator in ("StringEquals", "StringEqualsIfExists"):
        return value == found
    if operator in ("StringLike", "ArnLike"):
        return _like(value, found)
    raise ValueError(f"{operator}: the evaluator doesn't know it")


def _like(pattern: str, text: str) -> bool:
    """IAM's wildcards: * and ?, over slashes and colons too."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL) is not None


def denied(policy: Path, needs: Iterable[Need]) -> list[str]:
    """What was needed and isn't allowed, each once."""
    return sorted({str(need) for need in needs if not allows(policy, need)})
