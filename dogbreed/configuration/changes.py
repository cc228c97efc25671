"""The keys of a training's configuration that differ from the defaults."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import leaves, without_places

# What is trained on, and where the results are: lists of runs show these by themselves.
_SHOWN_OTHERWISE = {
    *("name", "resume", "output_root"),
    *("data.source", "data.root", "data.feature_set", "data.noun"),
}


@cache  # each trial of a search needs them
def default_values() -> Mapping[str, Any]:
    """The default of each key of a training, by its dotted name."""
    return leaves(without_places(compose_as(Config, "train", [])))


def changed_keys(config: Config) -> dict[str, Any]:
    """Keys with their values where these aren't the defaults; of a path its last component."""
    defaults = default_values()
    given = leaves(without_places(config))
    return {
        name: value
        for name, value in given.items()
        if name not in _SHOWN_OTHERWISE and value != defaults.get(name)
    }
