"""launch/iam/ read as IAM reads it: actions, resources, conditions; and who may take on a role."""

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID

IAM = Path(__file__).parents[2] / "launch" / "iam"
LAUNCHER, TRAINING, SERVING, SCHEDULER, PIPELINE = (
    IAM / f"{name}.json" for name in ("launcher", "training", "serving", "scheduler", "pipeline")
)
# What the person who types the commands has: for jobs, for endpoints, for pipelines.
PERSON = (LAUNCHER, IAM / "launcher-endpoints.json", IAM / "launcher-pipeline.json")
TRUST = {
    role: role.with_name(f"{role.stem}-trust.json")
    for role in (TRAINING, SERVING, SCHEDULER, PIPELINE)
}
# Of a statement. An element that isn't evaluated, such as NotAction, is refused.
ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Condition"}
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
    """Whether a statement allows it and none denies it."""
    return decision(statements(policy), need)


def decision(policy: Iterable[Mapping[str, Any]], need: Need) -> bool:
    """IAM's decision on the statements of a policy."""
    effects = {each["Effect"] for each in policy if _applies(each, need)}
    return effects == {"Allow"}


def _applies(statement: Mapping[str, Any], need: Need) -> bool:
    """Whether a statement is about a call. Actions and condition keys have no case in IAM."""
    if unknown := statement.keys() - ELEMENTS:
        raise ValueError(f"{', '.join(unknown)}: the evaluator doesn't know it")
    action = need.action.lower()
    return (
        any(_like(pattern.lower(), action) for pattern in as_list(statement["Action"]))
        and any(_like(pattern, need.resource) for pattern in as_list(statement["Resource"]))
        and holds(statement.get("Condition", {}), need.context)
    )


def may_assume(policy: Path, service: str, context: Mapping[str, str]) -> bool:
    """Whether a trust policy lets a service take on the role."""
    return any(
        service in as_list(each["Principal"]["Service"]) and holds(each["Condition"], context)
        for each in statements(policy)
    )


def holds(condition: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """Whether all of a condition holds. A key that a request doesn't have fails it, as in IAM,
    but for a negated operator and ...IfExists."""
    present = {key.lower(): value for key, value in context.items()}
    for word, keys in condition.items():
        name = word.removesuffix("IfExists")
        if name not in OPERATORS:
            raise ValueError(f"{word}: the evaluator doesn't know it")
        negated = "Not" in name
        for key, values in keys.items():
            found = present.get(key.lower())
            if found is None:
                if negated or word.endswith("IfExists"):
                    continue
                return False
            if any(OPERATORS[name](value, found) for value in as_list(values)) is negated:
                return False
    return True


def _like(pattern: str, text: str) -> bool:
    """IAM's wildcards: * and ?, over slashes and colons too."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL) is not None


OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": operator.eq,
    "StringNotEquals": operator.eq,  # of none of the values
    "StringLike": _like,
    "StringNotLike": _like,
    "ArnEquals": _like,  # IAM's two operators on ARNs are the same
    "ArnLike": _like,
}


def denied(policies: Iterable[Path], needs: Iterable[Need]) -> list[str]:
    """What was needed and isn't allowed by all policies of somebody together, each once."""
    together = [statement for policy in policies for statement in statements(policy)]
    return sorted({str(need) for need in needs if not decision(together, need)})
