"""The container that a job runs in: as the SDK would choose, patched, and fit for the instance."""

import importlib.util
import json
import subprocess
import sys
import tomllib
from datetime import date
from itertools import cycle
from pathlib import Path

import pytest
from conftest import PROJECT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dogbreed.cloud.aws.images import (
    CARRIED,
    END_OF_PATCH,
    has_gpu,
    multiplies_bf16,
    training_image,
)
from dogbreed.errors import CloudError, ConfigError

TODAY = date(2026, 11, 21)
HOST = "763104351884.dkr.ecr.eu-west-1.amazonaws.com"


REGIONS = (
    "us-east-1", "eu-central-2", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-1",
    "us-isob-east-1", "us-isof-south-1", "eu-isoe-west-1",
)  # fmt: skip


def test_it_is_the_image_that_the_sdk_would_give() -> None:
    from sagemaker.core import image_uris

    for region, instance_type in zip(REGIONS, cycle(["ml.c7i.large", "ml.g5.xlarge"])):
        expected = image_uris.retrieve(
            framework="pytorch-amzn2023",
            region=region,
            version="2.14" if region in REGIONS[:2] else "2.13",
            instance_type=instance_type,
            image_scope="training",
        )
        assert training_image(region, instance_type, None, TODAY).uri == expected


@pytest.mark.slow
def test_every_region_of_the_sdk_has_an_image() -> None:
    sdk = importlib.util.find_spec("sagemaker")
    assert sdk is not None
    assert sdk.submodule_search_locations is not None
    place = Path(next(iter(sdk.submodule_search_locations)), "core", "image_uri_config")
    table = json.loads((place / "pytorch-amzn2023.json").read_text("utf-8"))["training"]["versions"]
    assert table.keys() == END_OF_PATCH.keys()
    regions = set().union(*(table[version]["registries"] for version in table))
    assert len(regions) > 40
    for region in regions:
        assert training_image(region, "ml.c7i.large", None, TODAY).end_of_patch


def test_the_newest_version_is_taken_and_known() -> None:
    image = training_image("eu-west-1", "ml.c7i.2xlarge", None, TODAY)
    assert image.uri == f"{HOST}/pytorch:2.14-cpu-amzn2023-sagemaker"
    assert image.end_of_patch == date(2027, 9, 28)
    assert image.warning is None
    assert {"torch", "numpy", "protobuf"} <= image.carries
    assert "pillow" not in image.carries, "theirs has known holes"
    gpu = training_image("eu-west-1", "ml.g4dn.xlarge", None, TODAY)
    assert gpu.uri == f"{HOST}/pytorch:2.14-cu133-amzn2023-sagemaker"


def test_the_sdk_is_not_imported_to_find_it() -> None:
    code = (
        "import sys, datetime; from dogbreed.cloud.aws.images import training_image; "
        "training_image('eu-west-1', 'ml.c7i.xlarge', None, datetime.date(2026, 11, 21)); "
        "print({'sagemaker', 'boto3', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_container_that_is_patched_no_more_is_warned_of() -> None:
    last = END_OF_PATCH["2.14"]
    assert training_image("eu-west-1", "ml.c7i.xlarge", None, last).warning is None
    image = training_image("eu-west-1", "ml.c7i.xlarge", None, date(2027, 9, 29))
    assert image.warning is not None
    assert "2.14 since 2027-09-28" in image.warning
    assert "launcher.image_uri" in image.warning


def test_a_container_of_ones_own_gets_everything_but_torch() -> None:
    image = training_image("nowhere-1", "ml.p3.2xlarge", "me/torch:1", TODAY)
    assert image.uri == "me/torch:1"
    assert image.carries == {"torch", "torchvision", "numpy", "protobuf", "boto3"}
    assert (image.end_of_patch, image.warning) == (None, None)


@pytest.mark.parametrize("tag", ["2.12-cpu-amzn2023-sagemaker", "2.12.1-cpu-amzn2023-sagemaker"])
def test_a_container_of_aws_is_known_by_its_address(tag: str) -> None:
    image = training_image("eu-west-1", "ml.c7i.xlarge", f"{HOST}/pytorch:{tag}", TODAY)
    assert image.end_of_patch == date(2027, 7, 2)
    assert image.carries >= CARRIED


def test_what_is_carried_is_needed_by_the_project() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    direct = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    assert direct >= CARRIED - {"antlr4-python3-runtime"}  # omegaconf's


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(CloudError, match=r"'eu-wst-1'.* mean eu-west-1\?.* launcher\.image_uri"):
        training_image("eu-wst-1", "ml.c7i.xlarge", None, TODAY)


def test_without_the_sdk_the_message_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CloudError, match=r"install dogbreed\[aws\]"):
        training_image("eu-west-1", "ml.c7i.xlarge", None, TODAY)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("c7i.xlarge", "ml.c7i.xlarge"),
        ("ML.C7I.XLARGE", "ml.c7i.xlarge"),
        ("ml.m7i_flex.large", "ml.m7i-flex.large"),
    ],
)
def test_a_type_that_is_nearly_right_is_put_right(written: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"Did you mean {meant}\?"):
        training_image("eu-west-1", written, None, TODAY)


@pytest.mark.parametrize("written", ["", "large", "ml.c7i", "ml.c7i.huge", "ml.c7i.xlarge\n"])
def test_a_type_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(ConfigError, match="is no SageMaker instance type") as caught:
        training_image("eu-west-1", written, None, TODAY)
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("instance_type", "reason"),
    [
        ("ml.p3.2xlarge", "too old for CUDA 13"),
        ("ml.trn1.2xlarge", "AWS Trainium chips"),
        ("ml.p6e-gb200.36xlarge", "Arm"),
    ],
)
def test_machines_that_the_container_can_not_use_are_refused(
    instance_type: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=rf"{reason}.*launcher\.image_uri"):
        training_image("eu-west-1", instance_type, None, TODAY)


def test_what_a_type_can_do_is_known_by_its_family() -> None:
    assert [has_gpu(f"ml.{name}") for name in ("g5.xlarge", "p5.48xlarge", "c7i.large")] == [
        True,
        True,
        False,
    ]
    assert multiplies_bf16("ml.c7i.2xlarge") is True
    assert multiplies_bf16("ml.m7i-flex.large") is True
    assert multiplies_bf16("ml.m5.xlarge") is False
    assert multiplies_bf16("ml.g4dn.xlarge") is False
    assert multiplies_bf16("ml.z9.large") is None
