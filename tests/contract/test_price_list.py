"""Prices from AWS's Price List API: queried once a day, bounded, and never in the way."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import PROJECT, draw_folders
from contract.price_list import USD_PER_VCPU
from contract.small_job import create, definition, hyperparameters, tuning_config
from helpers.in_process import run_in_process

from dogbreed.cloud.aws.account import sign_in
from dogbreed.cloud.aws.dry_account import dry_run_account
from dogbreed.cloud.aws.regions import nearest_region
from dogbreed.cloud.jobs import price_list
from dogbreed.cloud.jobs.price_list import listed_prices, price_reader
from dogbreed.cloud.jobs.status import with_description
from dogbreed.cloud.jobs.wait import wait_for_training, wait_for_tuning
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import FinalConfig, LauncherConfig

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

pytest_plugins = ("contract.fixtures",)
pytestmark = pytest.mark.launch

TYPES = ("ml.c7i.2xlarge", "ml.m5.large")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOGBREED_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prices"


def launcher(account: "SageMakerAccount") -> LauncherConfig:
    return compose_as(FinalConfig, "final", [f"launcher.role={account.role_arn}"]).launcher


def queries(account: "SageMakerAccount") -> int:
    return account.calls.count(("pricing", "GetProducts"))


def test_the_price_of_training_is_taken_and_cached_for_a_day(
    account: "SageMakerAccount", cache: Path
) -> None:
    signed_in = sign_in(launcher(account))
    found = listed_prices(signed_in, [*TYPES, "ml.g5.96xlarge"])
    assert found.note is None
    assert set(found.prices) == set(TYPES)
    best = found.prices["ml.c7i.2xlarge"]
    assert best.usd_per_hour == pytest.approx(8 * USD_PER_VCPU)  # of six uses, that of training
    assert (best.vcpus, best.region, best.date) == (8, "us-east-1", "2026-11-01")
    before = queries(account)
    assert listed_prices(signed_in, TYPES).prices == {each: found.prices[each] for each in TYPES}
    assert queries(account) == before
    # Of another day, damaged, or of somebody who may write anything there: queried again.
    (file,) = cache.iterdir()
    saved = json.loads(file.read_text("utf-8"))
    for text in (json.dumps({**saved, "day": "2026-01-01"}), "{", "[]", '{"day": 1}'):
        file.write_text(text, "utf-8")
        before = queries(account)
        assert set(listed_prices(signed_in, TYPES).prices) == set(TYPES)
        assert queries(account) > before


def test_all_types_of_a_list_are_queried(account: "SageMakerAccount", tmp_path: Path) -> None:
    photos = draw_folders(tmp_path / "photos", {"train": 2, "valid": 1, "test": 1})
    # The second type isn't in the table, and cheaper.
    done = run_in_process(
        PROJECT / "launch" / "train.py",
        *(f"launcher.role={account.role_arn}", f"data.root={photos}", "best=null", "wait=false"),
        *("launcher.instance_type=[ml.m5.2xlarge,ml.m6i.large]", "launcher.install=none"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert f"on ml.m5.2xlarge at ${8 * USD_PER_VCPU:.4f} an hour" in done.stdout


def listed_usd(seconds: float | None) -> float:
    """What ml.c7i.xlarge costs."""
    assert seconds is not None
    return 4 * USD_PER_VCPU * seconds / 3600


def test_costs_of_jobs_are_at_the_prices_of_the_launch(account: "SageMakerAccount") -> None:
    signed_in = sign_in(launcher(account))
    create(account, "short")
    trial = wait_for_training(signed_in, "short", "valid_loss", lambda trials: None)
    assert trial.cost_usd == pytest.approx(listed_usd(trial.seconds))
    assert queries(account) == 2  # pages of one query, however often the job was polled
    # Trials that fail, as the small script knows no such parameter.
    bounds = {"Name": "optim.lr", "MinValue": "0.01", "MaxValue": "1", "ScalingType": "Linear"}
    ranges = {"ContinuousParameterRanges": [bounds]}
    account.client("sagemaker").create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="search",
        HyperParameterTuningJobConfig=tuning_config(1, ParameterRanges=ranges),
        TrainingJobDefinition={
            "StaticHyperParameters": hyperparameters(account),
            **definition(account),
        },
        Tags=[{"Key": "project", "Value": "dogbreed"}],
    )
    (trial,) = wait_for_tuning(signed_in, "search", "valid_loss", lambda trials: None).trials
    assert trial.cost_usd == pytest.approx(listed_usd(trial.seconds))
    # The same again from the trial's own description.
    listed = replace(trial, status="Stopped", cost_usd=None)
    described = with_description(signed_in, listed, "valid_loss", price_reader(signed_in))
    billed_s = account.training_jobs[trial.name].facts["BillableTimeInSeconds"]
    assert described.cost_usd == pytest.approx(listed_usd(billed_s))
    assert queries(account) == 2


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_without_an_answer_the_table_is_used_and_noted(
    account: "SageMakerAccount", code: str
) -> None:
    account.fail_next("GetProducts", code, "no", times=2)
    found = listed_prices(sign_in(launcher(account)), TYPES)
    assert found.prices == {}
    assert found.note is not None
    assert code in found.note
    assert "project's table" in found.note
    assert queries(account) == 1  # no retry


def test_a_slow_answer_is_not_waited_for(
    account: "SageMakerAccount", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_list, "MAX_SECONDS", 0.0)
    began = time.monotonic()
    found = listed_prices(sign_in(launcher(account)), TYPES)
    assert found.prices == {}
    assert "TimeoutError" in str(found.note)
    assert time.monotonic() - began < 5


def test_a_dry_run_queries_nothing(account: "SageMakerAccount") -> None:
    assert listed_prices(dry_run_account(launcher(account)), TYPES).prices == {}
    assert account.calls == []


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("us-west-2", "us-east-1"),
        ("sa-east-1", "us-east-1"),
        ("eu-west-1", "eu-central-1"),
        ("eu-central-1", "eu-central-1"),
        ("ap-northeast-1", "ap-south-1"),
        ("cn-north-1", "cn-northwest-1"),
        ("us-gov-west-1", None),
    ],
)
def test_the_nearest_region_that_has_the_service(region: str, expected: str | None) -> None:
    assert nearest_region("pricing", region) == expected


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"unit": "Hrs"', '"unit": "Quantity"'),
        ('"USD"', '"CNY"'),
        ('"vCpu"', '"cpus"'),
        ('"regionCode": "us-east-1"', '"regionCode": "us-west-2"'),
        ('"OnDemand"', '"Reserved"'),
        ("USE1-Train:", "USE1-Host:"),
    ],
)
def test_other_products_have_no_price(old: str, new: str) -> None:
    from contract.price_list import get_products

    wanted = {"regionCode": "us-east-1", "instanceName": "ml.m5.large"}
    filters = [{"Field": name, "Value": value} for name, value in wanted.items()]
    texts = get_products({"ServiceCode": "AmazonSageMaker", "Filters": filters})["PriceList"]
    (text,) = (each for each in texts if "USE1-Train:" in each)
    assert price_list._price(json.loads(text), "ml.m5.large", "us-east-1") is not None
    broken = json.loads(changed(text, old, new))
    assert price_list._price(broken, "ml.m5.large", "us-east-1") is None
    assert price_list._price([text], "ml.m5.large", "us-east-1") is None
