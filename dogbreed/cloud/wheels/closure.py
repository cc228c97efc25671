"""All packages that requirements need, directly and through each other, in their pinned versions.

No resolver is needed: constraints.txt has one version of each package, and all fit each other. So
nothing that the container has, such as torch, is downloaded to find out what it needs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dogbreed.cloud.wheels.pins import Pins, exact_version, pinned_version
from dogbreed.cloud.wheels.target import Target
from dogbreed.errors import CloudError

# The requirements of packages, given as versions by name; a package may be missing in the result.
LookUp = Callable[[Mapping[str, str]], Mapping[str, Sequence[Requirement]]]


@dataclass(frozen=True, kw_only=True)
class Container:
    """What is known about a container: its Python, the tested versions, the packages it carries.

    `key` is the configuration's key that messages name.
    """

    target: Target
    pins: Pins
    carried: frozenset[str]
    key: str


@dataclass(frozen=True, kw_only=True)
class Closure:
    """Versions by name; `unknown` are packages whose own requirements aren't known."""

    versions: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)


def closure(wanted: Iterable[str], container: Container, look_up: LookUp) -> Closure:
    """Every package to install for the requirements `wanted`.

    Raises:
        CloudError: a package isn't pinned, or needs another version of one that the container has.
    """
    target = container.target
    found, extras = Closure(), dict[str, frozenset[str]]()
    requires: dict[str, Sequence[Requirement]] = {}
    pending = [(each, "") for each in map(Requirement, wanted) if target.needs(each)]
    while pending:
        changed = dict.fromkeys(_add(found, extras, container, pending))
        new = {name: found.versions[name] for name in changed if name not in requires}
        known = look_up(new) if new else {}
        found.unknown.update(new.keys() - known.keys())
        requires |= known
        pending = [
            (each, name)
            for name in changed
            for each in requires.get(name, ())
            if target.needs(each, extras[name])
        ]
    return found


def _add(
    found: Closure,
    extras: dict[str, frozenset[str]],
    container: Container,
    pending: Iterable[tuple[Requirement, str]],
) -> Iterable[str]:
    """Add the packages of requirements; yields those that are new, or have further extras."""
    for requirement, by in pending:
        name = canonicalize_name(requirement.name)
        version = _version(requirement, by, container)
        if name in container.carried:
            continue
        assert version is not None
        found.versions[name] = version
        before = extras.get(name)
        extras[name] = (before or frozenset()) | requirement.extras
        if extras[name] != before:
            yield name


def _version(requirement: Requirement, by: str, container: Container) -> str | None:
    """The version to install; None for a package that the container carries, if it isn't pinned."""
    name = canonicalize_name(requirement.name)
    version = pinned_version(container.pins, name, container.target)
    needed = f"{by} needs {requirement.name}{requirement.specifier}" if by else str(requirement)
    if version is None and name not in container.carried:
        # smdebug is pinned in pyproject.toml: it isn't compatible with current packages.
        version = exact_version(requirement)
        if version is None:
            raise CloudError(
                f"{container.key}=wheels: constraints.txt doesn't pin {requirement.name} "
                f"({needed}): run make constraints, or set {container.key}=index."
            )
    if version is not None and not requirement.specifier.contains(version, prereleases=True):
        has = "the container has another" if name in container.carried else f"{version} is pinned"
        raise CloudError(
            f"{container.key}=wheels: {needed}, and {has} version: set {container.key}=index, "
            "which lets pip replace it, or leave out the key that needs it."
        )
    return version
