"""Whose resources launch/teardown.py deletes, and what it says of the others."""

import pytest

from dogbreed.cloud.endpoints.inventory import Resource, _made_by
from dogbreed.cloud.endpoints.ownership import (
    holds_others,
    of_owner,
    sentence_of_others,
    serves_another,
    shown,
)

MINE = Resource(kind="endpoint", name="dogs", endpoint="dogs", owner="jane")
THEIRS = Resource(kind="endpoint", name="cats", endpoint="cats", owner="bob")
NOBODYS = Resource(kind="model", name="old-1", endpoint="old")
ALL = [MINE, THEIRS, NOBODYS]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [("me", [MINE]), ("jane", [MINE]), ("bob", [THEIRS]), ("nobody", []), ("all", ALL)],
)
def test_the_key_names_the_owner(wanted: str, chosen: list[Resource]) -> None:
    assert of_owner(ALL, wanted, "jane") == chosen


def test_others_are_named_in_the_list_and_when_they_are_left() -> None:
    assert shown(MINE, "jane") == "endpoint dogs"
    assert shown(THEIRS, "jane") == "endpoint cats, owner: bob"
    assert shown(NOBODYS, "jane").startswith("model old-1, owner: nobody (an earlier version")
    sentence = sentence_of_others([THEIRS, NOBODYS, THEIRS])
    assert "2 of bob, 1 of nobody (an earlier version" in sentence
    assert "owner=all" in sentence


def test_what_serves_the_endpoint_of_another_is_left() -> None:
    # I updated the endpoint of bob: the model that serves it is mine.
    model = Resource(kind="model", name="cats-2", endpoint="cats", owner="jane")
    config = Resource(kind="endpoint config", name="cats-2", endpoint="cats", owner="jane")
    found = [*ALL, model, config]
    owned = of_owner(found, "me", "jane")
    assert [each for each in owned if not serves_another(each, owned, found)] == [MINE]
    # Where that endpoint is gone, or is deleted too, they go.
    assert not serves_another(model, owned, [MINE, model])
    assert not serves_another(model, found, found)


@pytest.mark.parametrize("kind", ["schedule", "alarm"])
def test_what_deletes_or_wakes_the_endpoint_of_another_is_left(kind: str) -> None:
    # I updated the endpoint of bob, with a time to live.
    mine = Resource(kind=kind, name="cats-2", endpoint="cats", owner="jane")
    found = [*ALL, mine]
    assert serves_another(mine, of_owner(found, "me", "jane"), found)
    assert not serves_another(mine, found, found)


def test_a_group_with_versions_of_others_is_left() -> None:
    group = Resource(kind="model group", name="dogs", owner="jane")
    versions = [
        Resource(kind="model package", name=f"{owner}s", owner=owner, group="dogs")
        for owner in ("jane", "bob")
    ]
    found = [group, *versions]
    assert holds_others(group, found[:2], found)
    assert not holds_others(group, found, found)
    assert not holds_others(versions[0], found[:2], found)


def test_an_archive_s_place_names_endpoint_and_owner() -> None:
    assert _made_by("dogs/R-1/jane!40x.org/0123/model.tar.gz") == ("dogs", "R-1/jane@x.org")
    assert _made_by("dogs/0123/model.tar.gz") == ("dogs", None)
    assert _made_by("dogs/model.tar.gz") == ("dogs", None)
