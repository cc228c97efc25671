"""Whose resources launch/teardown.py deletes: the caller's, another owner's, or all."""

from collections import Counter
from collections.abc import Sequence

from dogbreed.cloud.endpoints.inventory import (
    ALARM_KIND,
    CONFIG_KIND,
    ENDPOINT_KIND,
    GROUP_KIND,
    MODEL_KIND,
    PACKAGE_KIND,
    SCALING_KIND,
    SCHEDULE_KIND,
    Resource,
)
from dogbreed.configuration.deploy import EVERYBODY, ME

OF_AN_ENDPOINT = (CONFIG_KIND, MODEL_KIND, SCALING_KIND, SCHEDULE_KIND, ALARM_KIND)
NOBODY = "nobody (an earlier version created them, without the tag owner)"


def of_owner(resources: Sequence[Resource], wanted: str, caller: str) -> list[Resource]:
    """The resources of the owner that the key `owner` names; `caller` is the account's owner.

    Those without an owner are nobody's: only owner=all has them.
    """
    if wanted == EVERYBODY:
        return list(resources)
    owner = caller if wanted == ME else wanted
    return [resource for resource in resources if resource.owner == owner]


def serves_another(
    resource: Resource, chosen: Sequence[Resource], found: Sequence[Resource]
) -> bool:
    """Whether an endpoint that isn't chosen may need a resource that was created for it.

    Who updates the endpoint of another owner has the model, the other has the endpoint: without
    its schedule it would never be deleted, without its alarms it may never start from zero.
    """
    endpoints = {each.name for each in found if each.kind == ENDPOINT_KIND and each not in chosen}
    return resource.kind in OF_AN_ENDPOINT and resource.endpoint in endpoints


def holds_others(resource: Resource, chosen: Sequence[Resource], found: Sequence[Resource]) -> bool:
    """Whether a model group has versions that aren't chosen: SageMaker deletes only empty ones."""
    return resource.kind == GROUP_KIND and any(
        each.kind == PACKAGE_KIND and each.group == resource.name and each not in chosen
        for each in found
    )


def shown(resource: Resource, caller: str) -> str:
    """A resource in the list, with its owner unless that is the caller."""
    if resource.owner == caller:
        return str(resource)
    return f"{resource}, owner: {resource.owner or NOBODY.replace('them', 'it')}"


def sentence_of_others(others: Sequence[Resource]) -> str:
    """What is left of other owners, and the key that deletes it."""
    counts = Counter(resource.owner or NOBODY for resource in others)
    listed = ", ".join(f"{count} of {owner}" for owner, count in sorted(counts.items()))
    return (
        f"left to their owners: {listed}. owner=NAME deletes those of an owner, owner=all those of "
        "everybody and nobody."
    )
