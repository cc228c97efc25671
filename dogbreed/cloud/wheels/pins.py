"""The tested version of each package, from constraints.txt."""

from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from dogbreed.cloud.wheels.target import Target
from dogbreed.errors import CloudError

CONSTRAINTS = "constraints.txt"
# Lines by the package's normalized name; a package may have one for each Python version.
Pins = Mapping[str, tuple[Requirement, ...]]


def read_pins(path: Path) -> Pins:
    """The lines of a file of `name==version ; marker`.

    Raises:
        CloudError: there is no such file, or a line isn't a requirement.
    """
    if not path.is_file():
        raise CloudError(f"There is no {path}: jobs install the versions in it: restore it.")
    found: dict[str, tuple[Requirement, ...]] = {}
    for line in path.read_text("utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            pin = Requirement(text)
        except InvalidRequirement as error:
            raise CloudError(
                f"{path}: {text!r} is no requirement: run make constraints."
            ) from error
        name = canonicalize_name(pin.name)
        found[name] = (*found.get(name, ()), pin)
    return found


def exact_version(requirement: Requirement) -> str | None:
    """The version of `name==version`; None for every other requirement."""
    specifiers = list(requirement.specifier)
    if len(specifiers) == 1 and specifiers[0].operator == "==":
        version = specifiers[0].version
        return None if version.endswith("*") else version
    return None


def pinned_version(pins: Pins, name: str, target: Target) -> str | None:
    """The version of a package for a container's Python; None if it isn't pinned."""
    for pin in pins.get(name, ()):
        if target.needs(pin):
            return exact_version(pin)
    return None
