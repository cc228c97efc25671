"""Under which role a model is served, what its container can reach, and its environment."""

import logging
from collections.abc import Callable

import pytest

pytest.importorskip("boto3")

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.endpoints.deploy import _account, _checked
from dogbreed.cloud.endpoints.endpoint_requests import ServedModel, model_request, transform_request
from dogbreed.cloud.endpoints.expiry import schedule_expiry
from dogbreed.cloud.jobs.channels import Channel
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.errors import CloudError, ConfigError

ROLE = "arn:aws:iam::111122223333:role/"
IT = ServedModel(name="dogs-1", model_uri="s3://b/model.tar.gz", image_uri="i")
KINDS = ("realtime", "serverless", "batch")


def composed(*overrides: str) -> DeployConfig:
    return compose_as(
        DeployConfig, "deploy", ["dry_run=true", "launcher.region=us-east-1", *overrides]
    )


def account_of(*overrides: str) -> Account:
    return _account(_checked(composed(*overrides)))


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGEMAKER_ROLE", raising=False)


@pytest.mark.parametrize(
    ("overrides", "role"),
    [
        (("deploy.role=Serving", "launcher.role=Training"), "Serving"),
        ((f"deploy.role={ROLE}Serving", "launcher.role=Training"), "Serving"),
        (("deploy.role=Serving",), "Serving"),
        (("launcher.role=Both",), "Both"),
    ],
)
def test_a_model_is_served_under_the_role_for_that(
    overrides: tuple[str, ...],
    role: str,
    logged: Callable[[], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "dogbreed")
    account, config = account_of(*overrides), composed(*overrides)
    assert model_request(account, config, IT)["ExecutionRoleArn"] == ROLE + role
    assert ("launch/iam/serving.json" in logged()) is ("deploy.role" not in overrides[0])


@pytest.mark.parametrize(
    ("overrides", "role"),
    [
        (("deploy.role=Serving", f"deploy.ttl_role={ROLE}Timer"), "Timer"),
        (("deploy.role=Serving",), "Serving"),
        (("launcher.role=All",), "All"),
    ],
)
def test_an_endpoint_is_deleted_under_the_role_for_that(
    overrides: tuple[str, ...], role: str
) -> None:
    account, config = account_of(*overrides), composed(*overrides, "deploy.ttl_hours=1")
    schedule_expiry(account, config, "dogs-1")
    request = dict(account.requests)["CreateSchedule"]
    assert request["Target"]["RoleArn"] == ROLE + role


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("deploy.role=path/Role",), r"^deploy\.role=path/Role: a role's name has no path"),
        (("deploy.role=arn:aws:iam::1:user/x",), r"^deploy\.role=arn:aws:iam::1:user/x: it is the"),
        (("deploy.role=",), r"^deploy\.role= is empty"),
        (
            (f"deploy.role={ROLE}x", "launcher.region=cn-north-1"),
            r"^deploy\.role=.*in the partition aws",
        ),
        (
            (f"launcher.role={ROLE}x", "launcher.region=cn-north-1"),
            r"^launcher\.role=.*in the partition aws",
        ),
    ],
)
def test_what_can_be_no_role_is_named_by_its_key(overrides: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        account_of(*overrides)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("server", ["ray", "pytorch"])
@pytest.mark.parametrize("install", ["wheels", "index", "none"])
def test_a_container_that_needs_no_index_is_cut_off_where_it_can_be(
    kind: str, server: str, install: str
) -> None:
    overrides = (
        *(f"deploy={kind}", f"deploy.server={server}", f"deploy.install={install}"),
        "deploy.role=Serving",
    )
    config = composed(*overrides, *(("deploy.photos=x",) if kind == "batch" else ()))
    request = model_request(_account(config), config, IT)
    # A serverless endpoint can't be isolated, and what installs needs the package index.
    isolated = install != "index" and kind != "serverless"
    assert request.get("EnableNetworkIsolation", False) is isolated


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("image", ["null", "1.dkr.ecr.us-east-1.amazonaws.com/mine:1"])
def test_ray_reports_nothing_from_any_endpoint_or_job(kind: str, image: str) -> None:
    config = composed(
        *(f"deploy={kind}", f"deploy.image_uri={image}", "deploy.role=Serving"),
        *(("deploy.photos=s3://b/p/",) if kind == "batch" else ()),
    )
    account = _account(config)
    container = model_request(account, config, IT)["PrimaryContainer"]
    assert container["Environment"]["RAY_USAGE_STATS_ENABLED"] == "0"
    if kind == "batch":  # a job serves the model, under its environment
        job = transform_request(account, config, IT, Channel("s3://b/p/"))
        assert job["ModelName"] == IT.name
        assert "Environment" not in job


def test_ray_reports_nothing_from_a_model_of_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    from dogbreed.cloud.endpoints import registry

    config = composed("deploy.register=dogs", "deploy.role=Serving")
    account = _account(config)

    class Packed:
        uri, metrics, label, classes = "s3://b/models/d/1/model.tar.gz", {"top1": 0.5}, "x", 3

    registry.register(account, config, Packed(), IT)  # type: ignore[arg-type]
    request = dict(account.requests)["CreateModelPackage"]
    (container,) = request["InferenceSpecification"]["Containers"]
    assert container["Environment"]["RAY_USAGE_STATS_ENABLED"] == "0"


def test_a_role_that_can_not_read_the_model_is_reported() -> None:
    message = (
        "Could not access model data at s3://b/model.tar.gz. Please ensure that the role exists "
        'and that its trust relationship policy allows the action "sts:AssumeRole"'
    )
    error = ClientError(
        {"Error": {"Code": "ValidationException", "Message": message}}, "CreateModel"
    )
    with (
        pytest.raises(CloudError, match=r"launch/iam/serving\.json, or name .* as deploy\.role"),
        translate_errors("model dogs-1"),
    ):
        raise error


@pytest.mark.parametrize(("former", "meant"), [("true", "index"), ("false", "none")])
def test_values_of_former_versions_are_named(former: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"former versions: write deploy\.install={meant}\."):
        composed(f"deploy.install={former}")
