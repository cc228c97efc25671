"""Jobs that ended early: the reason, and what to do about it."""

from typing import TYPE_CHECKING

import pytest
from contract.small_job import create

from dogbreed.cloud.aws.account import Account, sign_in
from dogbreed.cloud.jobs.status import with_description
from dogbreed.cloud.jobs.wait import check_completed, wait_for_training
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import FinalConfig
from dogbreed.errors import CloudError
from dogbreed.search.trials import Trial

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

pytest_plugins = ("contract.fixtures",)
pytestmark = pytest.mark.launch


def signed_in(account: "SageMakerAccount") -> Account:
    return sign_in(compose_as(FinalConfig, "final", [f"launcher.role={account.role_arn}"]).launcher)


def error_of(account: "SageMakerAccount", name: str) -> str:
    """What a command reports about a job that didn't complete."""
    trial = wait_for_training(signed_in(account), name, "valid_loss", lambda trials: None)
    with pytest.raises(CloudError) as caught:
        check_completed(trial)
    return str(caught.value)


def test_a_job_that_a_time_limit_ended_names_the_limit(account: "SageMakerAccount") -> None:
    limits = {"MaxRuntimeInSeconds": 1}
    create(account, "slow", {"steps": 999, "step_s": 0.1}, StoppingCondition=limits)
    assert error_of(account, "slow") == (
        "slow: Stopped. MaxRuntimeExceeded. The job reached its time limit: raise "
        "launcher.max_run_minutes."
    )
    # A tuning job's list of trials has no such status.
    listed = Trial(name="slow", status="Stopped", parameters={})
    assert with_description(signed_in(account), listed, "").reason == "MaxRuntimeExceeded"
    account.training_jobs["slow"].finish("Stopped", secondary="MaxWaitTimeExceeded")
    error = error_of(account, "slow")
    assert error.startswith("slow: Stopped. MaxWaitTimeExceeded. ")
    assert error.endswith("raise launcher.max_wait_minutes, or set launcher.spot=false.")
    account.training_jobs["slow"].finish("Stopped")  # by hand
    assert error_of(account, "slow") == "slow: Stopped."
