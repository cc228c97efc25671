"""The tag owner: the caller, the same for each command, and valid wherever it is written."""

import pytest

from dogbreed.cloud.aws.owner import as_folder, from_folder, owner_of
from dogbreed.cloud.aws.tags import MAX_VALUE, all_tags, checked_tags
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.deploy import TeardownConfig
from dogbreed.errors import CloudError, ConfigError

ACCOUNT = "123456789012"
SSO = "AWSReservedSSO_Admin_0123456789abcdef"
CALLERS = {
    f"arn:aws:iam::{ACCOUNT}:user/jane": "jane",
    f"arn:aws-cn:iam::{ACCOUNT}:user/division_abc/subdivision/jane": "jane",
    f"arn:aws:iam::{ACCOUNT}:user/jane,deputy": "jane:deputy",
    f"arn:aws:iam::{ACCOUNT}:root": "root",
    f"arn:aws-us-gov:sts::{ACCOUNT}:federated-user/jane": "jane",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/{SSO}/jane+aws@x.org": f"{SSO}/jane+aws@x.org",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/Notebook/SageMaker": "Notebook/SageMaker",
    # Sessions that are named by the time: the next command has another.
    f"arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/botocore-session-1764549962": "Deployer",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/aws-go-sdk-1764549962123456789": "Deployer",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/aws-sdk-js-jane": "Deployer/aws-sdk-js-jane",
}


@pytest.mark.parametrize("arn", CALLERS)
def test_each_caller_has_an_owner_that_tags_and_keys_take(arn: str) -> None:
    owner = owner_of(arn)
    assert owner == CALLERS[arn]
    launcher = compose_as(TeardownConfig, "teardown", []).launcher
    tags = all_tags(launcher, owner)
    assert tags["owner"] == owner
    assert checked_tags({"who": owner}) == {"who": owner}  # AWS's rules
    folder = as_folder(owner)
    assert from_folder(folder) == owner
    assert not set(folder) & set("+@=: ")


def test_the_longest_names_fit_a_tag() -> None:
    longest = f"arn:aws:sts::{ACCOUNT}:assumed-role/{'r' * 64}/{'s' * 64}"
    assert len(owner_of(longest)) <= MAX_VALUE


@pytest.mark.parametrize("arn", ["", "arn:aws:iam::1:user/jane", f"arn:aws:iam::{ACCOUNT}:role/R"])
def test_what_is_no_caller_is_a_sentence(arn: str) -> None:
    with pytest.raises(CloudError, match="isn't the ARN of a user or a role: sign in with"):
        owner_of(arn)


def test_the_tag_can_not_be_set_by_hand() -> None:
    with pytest.raises(ConfigError, match=r"launcher\.tags: owner is set to the name of the calle"):
        checked_tags({"owner": "team"})
