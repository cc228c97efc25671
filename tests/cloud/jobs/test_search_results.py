"""The end of a search on SageMaker: when nothing completed, and what waits for torch."""

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sagemaker")

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.jobs import search_results
from dogbreed.cloud.jobs.search_results import finish_many
from dogbreed.cloud.jobs.status import Tuning
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import TuneConfig
from dogbreed.errors import CloudError
from dogbreed.search.trials import Trial

REPORT = "dogbreed.search.report.outcome"


def finish(
    tuning: Tuning, folder: Path, monkeypatch: pytest.MonkeyPatch, imported: list[bool]
) -> None:
    """Finish a search whose tuning job has ended so; note whether the report was imported first."""

    def ended(*given: Any) -> Tuning:
        imported.append(REPORT in sys.modules)
        return tuning

    monkeypatch.delitem(sys.modules, REPORT, raising=False)
    monkeypatch.setattr(search_results, "wait_for_tuning", ended)
    account = Account(
        session=None, region="us-east-1", id="123456789012", owner="jane", role_arn="arn:role",
        bucket="photos", dry=False,
    )  # fmt: skip
    finish_many(account, compose_as(TuneConfig, "tune", []), "breeds", folder, {})


def test_a_search_without_a_completed_trial_has_the_hint_of_its_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "ClientError: Data download failed:AccessDenied (403): Access Denied"
    trial = Trial(name="breeds-001", status="Failed", parameters={}, reason=reason)
    tuning = Tuning(status="Failed", reason="No training job succeeded", trials=[trial])
    imported: list[bool] = []
    with pytest.raises(CloudError, match=r"none of its 1 trials completed.*grant it s3:GetObject"):
        finish(tuning, tmp_path, monkeypatch, imported)
    # Ctrl-C while torch is imported would name no job: it is imported when none runs.
    assert imported == [False]
