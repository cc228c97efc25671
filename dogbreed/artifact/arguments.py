"""Arguments of BreedClassifier that have no key in the configuration."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import fields
from typing import Any, SupportsInt

from dogbreed.artifact.description import Description
from dogbreed.artifact.description_schema import BOUNDED, check_names
from dogbreed.configuration.schema import argument, brief, nearest
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import ConfigError


def class_names(classes: Iterable[str]) -> tuple[str, ...]:
    """The names of two classes or more, all different.

    Raises:
        ConfigError: they aren't, or their order isn't that of the targets.
    """
    shown = f"classes={brief(classes)}"
    if isinstance(classes, str | bytes):
        raise ConfigError(f"{shown}: must be a list of names, such as [{classes!r}, 'another'].")
    if isinstance(classes, Mapping):
        raise ConfigError(
            f"{shown}: must be a list of names in the order of their targets, such as "
            "sorted(classes, key=classes.get)."
        )
    if isinstance(classes, Set):
        raise ConfigError(
            f"{shown}: must be a list, as a target is an index into it, such as sorted(classes)."
        )
    if not isinstance(classes, Iterable) or getattr(classes, "shape", None) == ():
        count = int(classes) if isinstance(classes, SupportsInt) else 2
        raise ConfigError(
            f"{shown}: must be a list of names: classes=[str(n) for n in range({max(2, count)})] "
            "names them by number."
        )
    names = tuple(classes)
    for name in names:
        if not isinstance(name, str):
            raise ConfigError(
                f"{shown}: the names must be text, and {brief(name)} is none: such as '{name}'."
            )
        if not name.strip():
            raise ConfigError(f"{shown}: {name!r} is no name of a class: each needs one.")
    for name, count in Counter(names).items():
        if count > 1:
            raise ConfigError(
                f"{shown}: {name!r} is there {count} times: each class needs its own."
            )
    if len(names) < 2:
        raise ConfigError(f"{shown}: must be the names of two classes or more.")
    try:  # now: the trained model must be readable
        return check_names("classes", tuple(map(str, names)))  # of numpy's str_ too
    except ValueError as error:
        raise ConfigError(f"{error}.") from error


def class_weights(weights: Any, classes: int) -> list[float] | None:
    """A weight in the loss for each class: finite, none below 0, not all of them 0.

    Raises:
        ConfigError: they are no such numbers.
    """
    if weights is None:
        return None
    shown = f"class_weights={brief(weights)}"
    values = weights.tolist() if hasattr(weights, "tolist") else weights
    if isinstance(values, str | Mapping | Set) or not isinstance(values, Iterable):
        raise ConfigError(
            f"{shown}: must be a list of {classes} numbers, one for each class in their order; "
            "balanced ones are photos / (classes * photos of the class)."
        )
    found = [value.item() if hasattr(value, "item") else value for value in values]
    if len(found) != classes:
        raise ConfigError(
            f"{shown}: must be {classes} numbers, one for each class, not {len(found)}."
        )
    for number, value in enumerate(found):
        known = isinstance(value, int | float) and not isinstance(value, bool)
        if not known or not math.isfinite(value) or value < 0:
            raise ConfigError(
                f"{shown}: number {number} is {brief(value)}: must be a number at least 0."
            )
    if not any(found):
        raise ConfigError(f"{shown}: must not all be 0: nothing would be learnt.")
    return [float(value) for value in found]


def description_fields(given: Mapping[str, Any], classes: int) -> dict[str, Any]:
    """Fields of Description as a caller gives them for a model of this number of classes.

    Raises:
        ConfigError: there is no such field, or one is outside its bounds.
    """
    known = {item.name for item in fields(Description)} - {"classes", "backbone", "head", "sha256"}
    checked = dict(given)
    for name, value in given.items():
        if name not in known:
            raise ConfigError(f"model.json has no {name} to be set.{nearest(name, known)}")
        if name in BOUNDED:
            checked[name] = argument(*BOUNDED[name], value, name=name)
    names = checked.get("display_names")
    if names is not None:
        if isinstance(names, str) or [str(each) for each in names] != list(names):
            raise ConfigError(f"display_names={brief(names)}: must be a list of texts.")
        if len(names) != classes:
            raise ConfigError(
                f"display_names={brief(names)}: must be {classes} texts, one for each class, "
                f"not {len(names)}."
            )
        checked["display_names"] = tuple(names)
    if isinstance(checked.get("preprocessing"), Preprocessing):
        checked["preprocessing"] = checked["preprocessing"].describe()
    return checked
