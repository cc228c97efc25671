"""AWS tags that mark the resources of this project."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.errors import is_missing
from dogbreed.configuration.search import AccountConfig
from dogbreed.errors import ConfigError

PROJECT, PROJECT_TAG = "project", "dogbreed"
ENDPOINT = "endpoint"  # the endpoint that a resource was created for
OWNER = "owner"  # who created it: dogbreed.cloud.aws.owner

# Source: "Tag naming limits and requirements" of AWS's guide on tagging; SageMaker, EventBridge
# Scheduler and Application Auto Scaling have the same.
MAX_TAGS, MAX_NAME, MAX_VALUE = 50, 128, 256
_RESERVED = "aws:"
_SIGNS = "_.:/=+-@"


def checked_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Validate tags; return them in Unicode NFC, the only form that AWS accepts.

    Raises:
        ConfigError: names launcher.tags and the invalid tag.
    """
    composed = {
        unicodedata.normalize("NFC", name): unicodedata.normalize("NFC", value)
        for name, value in tags.items()
    }
    if OWNER in composed:
        raise ConfigError(
            f"launcher.tags: {OWNER} is set to the name of the caller, whose resources "
            "launch/teardown.py deletes: take another name."
        )
    for name, value in composed.items():
        _check_tag(name, value)
    max_tags = MAX_TAGS - len({PROJECT, ENDPOINT, OWNER} - composed.keys())
    if len(composed) > max_tags:
        raise ConfigError(
            f"launcher.tags: {len(composed)} tags; at most {max_tags}, as AWS takes {MAX_TAGS} and "
            f"{PROJECT}, {OWNER} and {ENDPOINT} are added."
        )
    return composed


def _check_tag(name: str, value: str) -> None:
    shown = f"launcher.tags: {name!r}"
    if not name.strip():
        raise ConfigError(f"{shown}: a tag needs a name.")
    if name.lower().startswith(_RESERVED):
        raise ConfigError(f"{shown}: names that begin with {_RESERVED} are reserved for AWS.")
    for what, text, max_length in (("name", name, MAX_NAME), ("value", value, MAX_VALUE)):
        if len(text) > max_length:
            raise ConfigError(
                f"{shown}: its {what} has {len(text)} characters; at most {max_length}."
            )
        bad = sorted({c for c in text if not _may_be_in_tag(c)})
        if bad:
            raise ConfigError(
                f"{shown}: {' '.join(bad)} can't be in the {what} of a tag: "
                f"letters, digits, spaces and {' '.join(_SIGNS)} can."
            )


def _may_be_in_tag(letter: str) -> bool:
    return letter in _SIGNS or unicodedata.category(letter)[0] in "LNZ"


def all_tags(launcher: AccountConfig, owner: str, **more: str) -> dict[str, str]:
    """The tags of a resource: project, owner, launcher.tags and `more`; ours take precedence.

    `owner` is the account's (`Account.owner`).
    """
    ours = {PROJECT: PROJECT_TAG, OWNER: owner, **more}
    return ours | launcher.tags | ours


def tag_list(launcher: AccountConfig, owner: str, **more: str) -> list[dict[str, str]]:
    """`all_tags` as a list of Key and Value, the format of most services."""
    tags = all_tags(launcher, owner, **more)
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def as_dict(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """A list of Key and Value as a dictionary."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def project_tags(client: Any, arn: str) -> dict[str, str] | None:
    """The tags of a SageMaker resource; None if it isn't this project's or was just deleted.

    Errors are botocore's.
    """
    try:
        tags = as_dict(client.list_tags(ResourceArn=arn)["Tags"])
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    return tags if tags.get(PROJECT) == PROJECT_TAG else None


def is_ours(client: Any, arn: str, owner: str | None = None) -> bool:
    """Whether this project created a SageMaker resource; errors are botocore's.

    With `owner`: whether that owner did.
    """
    tags = project_tags(client, arn)
    return tags is not None and owner in (None, tags.get(OWNER))
