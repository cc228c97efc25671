"""The wheels that a container installs: downloaded for a launch, listed for a dry run."""

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence

from packaging.requirements import Requirement

from dogbreed.cloud.wheels.cache import WheelCache
from dogbreed.cloud.wheels.closure import Container, closure
from dogbreed.cloud.wheels.wheel_files import WheelSet, requirements_of


def resolve_wheels(wanted: Iterable[str], container: Container) -> WheelSet:
    """The wheels of the requirements `wanted` and of all that they need.

    Raises:
        CloudError: a package isn't pinned or has no wheel, or the index can't be reached.
        OutputError: the cache can't be used.
    """
    cache = WheelCache(container.target, container.key)

    def look_up(versions: Mapping[str, str]) -> Mapping[str, Sequence[Requirement]]:
        return {n: requirements_of(wheel.file) for n, wheel in cache.fetch(versions).items()}

    versions = closure(wanted, container, look_up).versions
    wheels = cache.local(versions)
    return WheelSet(
        versions=versions, wheels=tuple(wheels[name] for name in sorted(versions.keys()))
    )


def list_wheels(wanted: Iterable[str], container: Container) -> WheelSet:
    """As `resolve_wheels` without a network: what a package needs is read where it is installed.

    Raises:
        CloudError: a package isn't pinned.
    """
    cache = WheelCache(container.target, container.key)

    def look_up(versions: Mapping[str, str]) -> Mapping[str, Sequence[Requirement]]:
        found = {n: requirements_of(wheel.file) for n, wheel in cache.local(versions).items()}
        others = {n: v for n, v in versions.items() if n not in found}
        return {**found, **_of_installed(others)}

    versions = closure(wanted, container, look_up).versions
    here = cache.local(versions)
    wheels = tuple(here[name] for name in sorted(versions)) if len(here) == len(versions) else None
    return WheelSet(versions=versions, wheels=wheels)


def _of_installed(versions: Mapping[str, str]) -> dict[str, list[Requirement]]:
    """The requirements of those packages that are installed here in the same version."""
    found = {}
    for name, version in versions.items():
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if package.version == version:
            found[name] = [Requirement(line) for line in package.requires or ()]
    return found
