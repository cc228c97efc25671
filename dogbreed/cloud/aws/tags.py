"""The tags by which what this project made is found again, and is told from what others made."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.errors import is_missing
from dogbreed.configuration.search import AccountConfig
from dogbreed.errors import ConfigError

PROJECT, PROJECT_TAG = "project", "dogbreed"
ENDPOINT = "endpoint"  # what a part was made for

# Source: "Tag naming limits and requirements" of AWS's guide on tagging; SageMaker, EventBridge
# Scheduler and Application Auto Scaling have the same.
MAX_TAGS, MAX_NAME, MAX_VALUE = 50, 128, 256
_RESERVED = "aws:"
_SIGNS = "_.:/=+-@"


def checked_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags as they can be sent: with their letters composed, as only those are taken.

    Raises:
        ConfigError: names launcher.tags, and the tag that AWS would refuse.
    """
    composed = {
        unicodedata.normalize("NFC", name): unicodedata.normalize("NFC", value)
        for name, value in tags.items()
    }
    for name, value in composed.items():
        _check_tag(name, value)
    most = MAX_TAGS - len({PROJECT, ENDPOINT} - composed.keys())
    if len(composed) > most:
        raise ConfigError(
            f"launcher.tags: {len(composed)} tags; {most} at most, as AWS takes {MAX_TAGS} and "
            f"{PROJECT} and {ENDPOINT} are added."
        )
    return composed


def _check_tag(name: str, value: str) -> None:
    shown = f"launcher.tags: {name!r}"
    if not name.strip():
        raise ConfigError(f"{shown}: a tag needs a name.")
    if name.lower().startswith(_RESERVED):
        raise ConfigError(f"{shown}: names that begin with {_RESERVED} are AWS's own.")
    for what, text, most in (("name", name, MAX_NAME), ("value", value, MAX_VALUE)):
        if len(text) > most:
            raise ConfigError(f"{shown}: its {what} has {len(text)} characters; {most} at most.")
        bad = sorted({c for c in text if not _may_be_in_tag(c)})
        if bad:
            raise ConfigError(
                f"{shown}: {' '.join(bad)} can't be in the {what} of a tag: "
                f"letters, digits, spaces and {' '.join(_SIGNS)} can."
            )


def _may_be_in_tag(letter: str) -> bool:
    return letter in _SIGNS or unicodedata.category(letter)[0] in "LNZ"


def all_tags(launcher: AccountConfig, **more: str) -> dict[str, str]:
    """The tags of everything that is made, and `more` of one thing; the project's is never lost."""
    ours = {PROJECT: PROJECT_TAG, **more}
    return ours | launcher.tags | ours


def tag_list(launcher: AccountConfig, **more: str) -> list[dict[str, str]]:
    """The same as most services take them."""
    return [{"Key": name, "Value": value} for name, value in all_tags(launcher, **more).items()]


def as_dict(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Tags as services tell them, by their names."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def own_tags(client: Any, arn: str) -> dict[str, str] | None:
    """The tags of something of this project's in SageMaker; None if it is somebody else's or has
    just gone. Errors are botocore's."""
    try:
        tags = as_dict(client.list_tags(ResourceArn=arn)["Tags"])
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    return tags if tags.get(PROJECT) == PROJECT_TAG else None


def is_ours(client: Any, arn: str) -> bool:
    """Whether this project made something in SageMaker; errors are botocore's."""
    return own_tags(client, arn) is not None
