"""Lists of instance types, warm pools and retries, as SageMaker's fields."""

import pytest

pytest.importorskip("sagemaker")

from botocore.exceptions import ClientError
from sagemaker.core.training.configs import Compute

from dogbreed.cloud.aws.account_keys import checked_keys
from dogbreed.cloud.jobs.capacity import (
    start_within_quotas,
    training_resources,
    tuning_resources,
    types_of,
    warm_pool_lines,
    with_types,
)
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import FinalConfig, LauncherConfig
from dogbreed.errors import CloudError, ConfigError

ONE = ("ml.c7i.2xlarge",)
LIST = ("ml.c7i.2xlarge", "ml.m7i.2xlarge", "ml.m5.2xlarge")
SIZES = {"instance_count": 2, "volume_size_in_gb": 40}


def launcher(*overrides: str) -> LauncherConfig:
    return compose_as(FinalConfig, "final", overrides).launcher


def compute(keys: LauncherConfig, types: tuple[str, ...]) -> Compute:
    return Compute(**training_resources(keys, types, 2, 40))


def test_one_type_is_sent_as_before() -> None:
    assert training_resources(launcher(), ONE, 2, 40) == {
        "instance_type": "ml.c7i.2xlarge",
        **SIZES,
    }
    assert tuning_resources(compute(launcher(), ONE)) is None


def test_a_list_is_left_to_the_service() -> None:
    keys = launcher("launcher.volume_kms_key=1234abcd-12ab-34cd-56ef-1234567890ab")
    key = {"volume_kms_key_id": keys.volume_kms_key}
    resources = training_resources(keys, LIST, 2, 40)
    preferences = resources.pop("instance_preferences")
    assert [each.instance_type for each in preferences] == list(LIST)
    assert resources == {**SIZES, **key}
    assert types_of(compute(keys, LIST)) == LIST
    tuning = tuning_resources(compute(keys, LIST))
    assert tuning is not None
    assert tuning.allocation_strategy == "Prioritized"
    assert [each.instance_type for each in tuning.instance_configs] == list(LIST)
    assert {each.volume_size_in_gb for each in tuning.instance_configs} == {40}
    assert tuning.volume_kms_key_id == keys.volume_kms_key


def test_other_types_have_the_same_sizes() -> None:
    other = with_types(compute(launcher(), LIST), LIST[1:])
    assert types_of(other) == LIST[1:]
    single = with_types(other, LIST[2:])
    assert (single.instance_type, single.instance_preferences) == (LIST[2], None)
    assert (single.instance_count, single.volume_size_in_gb) == (2, 40)


def test_warm_pools() -> None:
    keys = launcher("launcher.keep_alive_minutes=15")
    assert training_resources(keys, ONE, 2, 40)["keep_alive_period_in_seconds"] == 900
    lines = " ".join(warm_pool_lines(keys, "job", "eu-west-1"))
    assert "15 min" in lines
    assert "update-training-job --training-job-name job" in lines
    assert warm_pool_lines(launcher(), "job", "eu-west-1") == []


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("launcher.instance_type=[]",), "is empty: name an instance type"),
        (("launcher.instance_type=[ml.m5.large,ml.m5.large]",), r"ml\.m5\.large is given twice"),
        (("launcher.instance_type=[ml.m5.large,ml.g5.xlarge]",), "one container image"),
        (("launcher.extract_instance_type=[ml.m5.large,ml.c5.9xlarg]",), "extract_instance_type: "),
        (
            ("launcher.instance_type=[ml.m5.large,ml.c5.xlarge]", "launcher.spot=true"),
            r"set launcher\.spot=false, or name one type",
        ),
        (
            (f"launcher.instance_type=[{','.join(f'ml.m5.{n}xlarge' for n in (2, 4, 12, 24))},"
             "ml.c5.xlarge,ml.c5.2xlarge]",),
            "6 types; SageMaker takes at most 5",
        ),
        (("launcher.keep_alive_minutes=5", "launcher.spot=true"), "keeps no spot instances"),
    ],
)  # fmt: skip
def test_what_sagemaker_would_refuse_is_refused(overrides: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        checked_keys(launcher(*overrides))


def limited(*types: str) -> CloudError:
    """The error for the first type of a request that has no quota."""
    message = f"The account-level service limit '{types[0]} for training job usage' is 0 Instances"
    refusal = {"Error": {"Code": "ResourceLimitExceeded", "Message": message}}
    error = CloudError(message)
    error.__cause__ = ClientError(refusal, "CreateTrainingJob")
    return error


def test_types_without_quota_are_left_out_one_by_one() -> None:
    tried: list[tuple[str, ...]] = []

    def start(types: tuple[str, ...], allowed: tuple[str, ...]) -> None:
        tried.append(types)
        if beyond := [each for each in types if each not in allowed]:
            raise limited(*beyond)

    used = start_within_quotas(LIST, lambda types: start(types, ("ml.m5.2xlarge",)))
    assert used == ("ml.m5.2xlarge",)
    assert tried == [LIST, LIST[1:], LIST[2:]]
    tried.clear()
    with pytest.raises(CloudError, match=r"ml\.m5\.2xlarge for training"):
        start_within_quotas(LIST, lambda types: start(types, ()))
    assert len(tried) == 3


def test_other_errors_are_not_tried_again() -> None:
    tried: list[tuple[str, ...]] = []

    def start(types: tuple[str, ...]) -> None:
        tried.append(types)
        raise CloudError("AWS doesn't allow it: ml.c7i.2xlarge")

    with pytest.raises(CloudError, match="doesn't allow"):
        start_within_quotas(LIST, start)
    assert tried == [LIST]
