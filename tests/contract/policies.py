"""launch/iam/ read as IAM reads it, as far as actions go: what a policy allows of the calls."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

IAM = Path(__file__).parents[2] / "launch" / "iam"
LAUNCHER, ROLE, TRUST = (IAM / f"{name}.json" for name in ("launcher", "role", "role-trust"))

# Operations that IAM knows by another name, and one that everybody may call.
_PREFIXES = {"sagemaker-runtime": "sagemaker"}
_NAMES = {
    ("s3", "HeadBucket"): "s3:ListBucket",
    ("s3", "ListObjectsV2"): "s3:ListBucket",
    ("s3", "ListObjects"): "s3:ListBucket",
    ("s3", "HeadObject"): "s3:GetObject",
    ("s3", "ListMultipartUploads"): "s3:ListBucketMultipartUploads",
    ("s3", "CreateMultipartUpload"): "s3:PutObject",
    ("s3", "UploadPart"): "s3:PutObject",
    ("s3", "CompleteMultipartUpload"): "s3:PutObject",
    ("s3", "DeleteObjects"): "s3:DeleteObject",
    ("sts", "GetCallerIdentity"): None,
}


def action_of(service: str, operation: str) -> str | None:
    """The action that a call needs; None if it needs none."""
    name = f"{_PREFIXES.get(service, service)}:{operation}"
    return _NAMES.get((service, operation), name)


def statements(policy: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(policy.read_text("utf-8"))["Statement"]
    return found


def allowed(policy: Path) -> list[str]:
    """Every action of a policy, as often as it stands there."""
    found: list[str] = []
    for statement in statements(policy):
        actions = statement["Action"]
        found += [actions] if isinstance(actions, str) else actions
    return found


def refused(policy: Path, calls: Iterable[tuple[str, str]]) -> list[str]:
    """What was called and isn't allowed."""
    needed = {action_of(*call) for call in calls} - {None}
    return sorted(str(action) for action in needed - set(allowed(policy)))
