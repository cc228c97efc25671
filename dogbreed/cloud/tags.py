"""The tags by which what this project made is found again, and is told from what others made."""

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.refusals import is_missing
from dogbreed.search.config import AccountConfig

PROJECT, PROJECT_TAG = "project", "dogbreed"
ENDPOINT = "endpoint"  # what a part was made for


def all_tags(launcher: AccountConfig, **more: str) -> dict[str, str]:
    """The tags of everything that is made, and `more` of one thing; the project's is never lost."""
    ours = {PROJECT: PROJECT_TAG, **more}
    return ours | {str(name): str(value) for name, value in launcher.tags.items()} | ours


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
