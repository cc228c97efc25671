"""AWS Deep Learning Containers for PyTorch training: image URI, packages, supported instances."""

import difflib
import importlib.util
import json
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import botocore

from dogbreed.cloud.aws.regions import domain_of
from dogbreed.cloud.aws.service_model import choices_of
from dogbreed.errors import CloudError, ConfigError

# Until when AWS patches each version, newest first; all have Python 3.12. A job takes the newest
# version in its region: 2.14 is missing in China and in the GovCloud regions.
# Source: aws/deep-learning-containers, docs/src/data/pytorch/*-sagemaker.yml, in November 2026.
END_OF_PATCH = {
    "2.14": date(2027, 9, 28),
    "2.13": date(2027, 7, 20),
    "2.12": date(2027, 7, 2),
    "2.11": date(2027, 4, 30),
}

# Dependencies of this package that all versions have installed, new enough. Source:
# docker/pytorch/*/*/pyproject.toml and uv.lock there. Not Plotly, which may be too old, and not
# Pillow, which has known vulnerabilities (12.3 in 2026-08). antlr4-python3-runtime is omegaconf's:
# there is no wheel of it.
CARRIED = frozenset(
    {
        "torch", "torchvision", "numpy", "scipy", "pyyaml", "scikit-learn", "jinja2", "omegaconf",
        "rich", "antlr4-python3-runtime",
    }
)  # fmt: skip
# Never upgraded: other packages in the container were built against these, and the training toolkit
# downloads the source with boto3.
ALWAYS_CARRIED = frozenset({"torch", "torchvision", "numpy", "protobuf", "boto3"})

# Instance families with and without bf16 matrix multiplication. CPUs: AMX, since Sapphire Rapids.
# GPUs: since Ampere.
_BF16 = frozenset(
    {
        "c7i", "c7i-flex", "m7i", "m7i-flex", "r7i", "c8i", "c8i-flex", "m8i", "m8i-flex", "r8i",
        "r8i-flex", "g5", "g6", "g6e", "g7", "g7e", "p4d", "p4de", "p5", "p5e", "p5en",
        "p6-b200", "p6-b300",
    }
)  # fmt: skip
_NO_BF16 = frozenset(
    {
        "c4", "c5", "c5n", "c6i", "m4", "m5", "m6i", "r5", "r5d", "r6i", "t3", "g4dn", "p2", "p3",
        "p3dn",
    }
)  # fmt: skip

# GPU families that the containers' CUDA doesn't support.
OLD_GPUS = ("p2", "p3", "p3dn")
# Blackwell, whose GPUs need a newer driver than the others.
_BLACKWELL = ("g7", "g7e", "p6-b200", "p6-b300")

# Families that AWS's containers don't support, and why.
_OLD_GPU = "its GPU is too old for CUDA 13, which the container has"
_TRAINIUM = "it has AWS Trainium chips, not GPUs"
_UNSUPPORTED = {
    **dict.fromkeys(OLD_GPUS, _OLD_GPU),
    **dict.fromkeys(("trn1", "trn1n", "trn2"), _TRAINIUM),
    "p6e-gb200": "its CPU is an Arm",
}

# Graviton (g after the number, as in c7g and m6gd), Inferentia, Trainium, Habana.
_OTHER_PROCESSORS = re.compile(r"[a-z]+\d+g[a-z]*\Z|inf\d|trn\d|dl\d|p6e-gb200")
# Families with local disks. Source: EC2's user guide, "Instance store volumes".
_D_FAMILY = re.compile(r"[a-z]+\d+[a-z]*d[a-z]*\Z")
_WITH_DISKS = frozenset(
    {
        "dl1", "g5", "g6", "g6e", "g7", "g7e", "p5", "p5e", "p5en", "p6-b200", "p6-b300",
        "p6e-gb200", "trn1", "trn1n", "trn2",
    }
)  # fmt: skip
# Shapes of SageMaker's API that list the instance types of training, endpoints and transform jobs.
TRAINING_TYPES = "TrainingInstanceType"
ENDPOINT_TYPES = "ProductionVariantInstanceType"
TRANSFORM_TYPES = "TransformInstanceType"
_TYPE = re.compile(r"ml\.([a-z][a-z0-9]*(?:-[a-z0-9]+)?)\.(?:medium|large|\d*xlarge)")
_AWS_IMAGE = re.compile(r"\d{12}\.dkr\.ecr\.[\w.-]+/pytorch:(\d+\.\d+)[.-]")


@dataclass(frozen=True, kw_only=True)
class Image:
    """A training container image.

    `carries` are the packages that needn't be installed; `end_of_patch` is None for an image that
    isn't AWS's; `warning` is a sentence for the user.
    """

    uri: str
    end_of_patch: date | None
    carries: frozenset[str]
    warning: str | None


def training_image(region: str, instance_type: str, image_uri: str | None, today: date) -> Image:
    """The image `image_uri`, or else AWS's newest for this region and instance type.

    Raises:
        ConfigError: no such instance type, or one that AWS's containers don't support.
        CloudError: AWS has no image in that region, or the SageMaker SDK is missing.
    """
    family = family_of(instance_type)
    if image_uri:
        found = _AWS_IMAGE.match(image_uri)
        if found is None or found[1] not in END_OF_PATCH:
            return Image(uri=image_uri, end_of_patch=None, carries=ALWAYS_CARRIED, warning=None)
        return _aws_image(image_uri, found[1], today)
    if family in _UNSUPPORTED:
        raise ConfigError(
            f"{instance_type} can't train in AWS's PyTorch container: {_UNSUPPORTED[family]}. Take "
            "another launcher.instance_type, or name a container of yours as launcher.image_uri."
        )
    table = sdk_table("pytorch-amzn2023.json")["training"]["versions"]
    version = next((v for v in END_OF_PATCH if region in table[v]["registries"]), None)
    if version is None:
        near = difflib.get_close_matches(region, table["2.13"]["registries"], n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise CloudError(
            f"AWS has no PyTorch container in region {region!r}.{hint} Set launcher.region, or "
            "name a container of yours as launcher.image_uri."
        )
    entry = table[version]
    tag = entry["container_version"]["gpu" if has_gpu(instance_type) else "cpu"]
    host = f"{entry['registries'][region]}.dkr.ecr.{region}.{domain_of(region)}"
    return _aws_image(f"{host}/{entry['repository']}:{version}-{tag}", version, today)


def _aws_image(uri: str, version: str, today: date) -> Image:
    end = END_OF_PATCH[version]
    warning = None
    if today > end:
        warning = (
            f"AWS hasn't patched its container PyTorch {version} since {end}: upgrade dogbreed, "
            "or name a newer container as launcher.image_uri."
        )
    return Image(uri=uri, end_of_patch=end, carries=CARRIED | ALWAYS_CARRIED, warning=warning)


def sdk_table(name: str) -> Any:
    """An image table of the SageMaker SDK: by version, the registry of each region and the tags.

    Read from the SDK's JSON file, as importing the SDK takes two seconds.

    Raises:
        CloudError: the SDK isn't installed, or too old.
    """
    sdk = importlib.util.find_spec("sagemaker")
    for place in (sdk and sdk.submodule_search_locations) or ():
        file = Path(place, "core", "image_uri_config", name)
        if file.is_file():
            return json.loads(file.read_text("utf-8"))
    raise CloudError(
        "The SageMaker SDK isn't installed, or too old: install dogbreed[aws], or name a container "
        "as launcher.image_uri."
    )


def family_of(instance_type: str) -> str:
    """The family of an instance type: c7i of ml.c7i.xlarge.

    Raises:
        ConfigError: it isn't a valid instance type.
    """
    found = _TYPE.fullmatch(instance_type)
    if found:
        return found[1]
    corrected = instance_type.lower().replace("_", "-")
    corrected = corrected if corrected.startswith("ml.") else f"ml.{corrected}"
    hint = f" Did you mean {corrected}?" if _TYPE.fullmatch(corrected) else ""
    raise ConfigError(
        f"{instance_type!r} is no SageMaker instance type: take one such as ml.c7i.xlarge.{hint}"
    )


def check_instance_type(key: str, instance_type: str, shape: str) -> None:
    """Check an instance type against SageMaker's API; `shape` is the API's list for that use.

    Raises:
        ConfigError: names `key` and the nearest types.
    """
    try:
        family_of(instance_type)
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from error
    known = choices_of("sagemaker", shape)
    if instance_type not in known:
        near = ", ".join(difflib.get_close_matches(instance_type, known, n=3))
        hint = f" Near it: {near}." if near else ""
        raise ConfigError(
            f"{key}={instance_type}: SageMaker has no such instance type for that use.{hint} (One "
            f"that is newer than botocore {botocore.__version__} needs a newer boto3.)"
        )


def runs_aws_images(instance_type: str) -> bool:
    """Whether AWS's containers run on its processor: x86, with or without NVIDIA GPUs."""
    return not _OTHER_PROCESSORS.match(family_of(instance_type))


def has_gpu(instance_type: str) -> bool:
    """Whether the type has GPUs (families g and p)."""
    return family_of(instance_type)[0] in "gp"


def has_local_disk(instance_type: str) -> bool:
    """Whether the type has local NVMe disks: a d after the number, or one of `_WITH_DISKS`."""
    family = family_of(instance_type)
    return _D_FAMILY.match(family) is not None or family in _WITH_DISKS


def inference_ami(instance_type: str) -> str | None:
    """The AMI with the NVIDIA driver that AWS's containers need on an endpoint's instance.

    None without GPUs. Without a choice SageMaker takes driver 470, for CUDA 11.4, on most types.
    Sources: SageMaker's developer guide, "Best practices to minimize interruptions during GPU
    driver upgrades"; the Ray Serve container (CUDA 12.9), its guide's section on SageMaker.
    """
    if not has_gpu(instance_type):
        return None
    if family_of(instance_type) in _BLACKWELL:
        return "al2023-ami-sagemaker-inference-gpu-4-1"
    return "al2-ami-sagemaker-inference-gpu-3-1"


def transform_ami(instance_type: str) -> str | None:
    """The AMI of a transform job's instance, as `inference_ami`.

    Source: botocore's model, TransformAmiVersion.
    """
    return "al2-ami-sagemaker-batch-gpu-535" if has_gpu(instance_type) else None


def multiplies_bf16(instance_type: str) -> bool | None:
    """Whether its GPUs, or else its cores, multiply in bf16; None if unknown."""
    family = family_of(instance_type)
    return family in _BF16 if family in _BF16 | _NO_BF16 else None
