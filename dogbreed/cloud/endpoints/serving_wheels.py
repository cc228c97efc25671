"""The wheels that are unpacked into a model's archive, for the Python of the server's container."""

from pathlib import Path

from dogbreed.cloud.jobs.inputs import PROJECT
from dogbreed.cloud.wheels.closure import Container
from dogbreed.cloud.wheels.pins import CONSTRAINTS, read_pins
from dogbreed.cloud.wheels.resolve import list_wheels, resolve_wheels
from dogbreed.cloud.wheels.target import Target
from dogbreed.cloud.wheels.wheel_files import WheelSet
from dogbreed.configuration.deploy import SERVERS, ServingConfig
from dogbreed.configuration.search import WHEELS


def serving_wheels(deploy: ServingConfig, requirements: Path, *, dry: bool) -> WheelSet | None:
    """The wheels of a file of inference/; None if nothing is to be unpacked (deploy.install).

    A dry run lists them without a network, and without files.

    Raises:
        CloudError: a package has no wheel for the container, or can't be downloaded.
    """
    if deploy.install != WHEELS:
        return None
    server, needed = SERVERS[deploy.server], read_pins(requirements)
    constraints = PROJECT / CONSTRAINTS  # not in an installed package, whose models need no more
    container = Container(
        target=Target(python=server.python, glibc_minor=server.glibc_minor),
        pins={**(read_pins(constraints) if constraints.is_file() else {}), **needed},
        carried=server.carries,
        key="deploy.install",
    )
    wanted = [str(pin) for pins in needed.values() for pin in pins]
    found = list_wheels(wanted, container) if dry else resolve_wheels(wanted, container)
    return found if found.names else None
