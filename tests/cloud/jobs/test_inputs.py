"""What a job is sent: the extras that its settings need."""

import tomllib
from datetime import date
from typing import Any

import pytest

pytest.importorskip("boto3")

from conftest import PROJECT

from dogbreed.cloud.aws.images import training_image
from dogbreed.cloud.jobs import packages
from dogbreed.errors import ConfigError

TODAY = date(2026, 11, 30)


@pytest.mark.parametrize(
    ("settings", "extras"),
    [
        ({}, []),
        ({"model.backbone": "efficientnet_lite2"}, []),
        ({"model.backbone": "efficientnet_lite0"}, ["lite"]),
        ({"model.backbone": "timm/resnet18"}, ["timm"]),
        ({"model.backbone": "timm/resnet18", "debug.tensorboard": True}, ["tensorboard", "timm"]),
        ({"logger": ["csv", "wandb"]}, ["wandb"]),
        ({"logger": ["mlflow"], "tracking.uri": "http://mlflow:5000"}, ["mlflow"]),
        (
            {"logger": ["mlflow"], "tracking.uri": "arn:aws:sagemaker:eu-west-1:1:mlflow-app/x"},
            ["mlflow", "sagemaker-mlflow"],
        ),
    ],
)
def test_a_job_installs_what_its_settings_need(
    settings: dict[str, Any], extras: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[list[str]] = []

    def requirements(*arguments: Any) -> tuple[str, ...]:
        requested.append(arguments[2])
        return ()

    monkeypatch.setattr(packages, "job_requirements", requirements)
    image = training_image("eu-west-1", "ml.c7i.large", None, TODAY)
    packages.plan_packages(PROJECT, {"ml.c7i.large": image}, settings, "index", dry=False)
    assert requested == [extras]
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(extras) <= project["optional-dependencies"].keys()


def test_smdebug_comes_from_an_index_only() -> None:
    image = training_image("eu-west-1", "ml.c7i.large", None, TODAY)
    settings = {"debug.smdebug": True}
    with pytest.raises(ConfigError, match=r"older protobuf.*launcher\.install=index"):
        packages.plan_packages(PROJECT, {"ml.c7i.large": image}, settings, "wheels", dry=True)
