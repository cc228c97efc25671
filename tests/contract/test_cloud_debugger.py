"""What watches a job, ours and AWS's: what comes back of it to whoever started the job."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import PROJECT, SMALL, draw_folders
from contract.terminal import browser_in, on_a_terminal, opened

from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import FinalConfig

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

pytest_plugins = ("contract.fixtures",)
pytestmark = pytest.mark.launch


@pytest.fixture
def job_variables(job_variables: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """For jobs smdebug counts as installed: the tests' environment hasn't got it, and pip mayn't
    fetch it. Trainings say that they can't load it, and go on."""
    if importlib.util.find_spec("smdebug") is None:
        metadata = tmp_path / "installed" / "smdebug-1.0.34.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text("Metadata-Version: 2.1\nName: smdebug\nVersion: 1.0.34\n", "utf-8")
        job_variables["PYTHONPATH"] = str(tmp_path / "installed")
    return job_variables


def test_all_that_was_recorded_comes_back_and_the_report_opens(
    account: "SageMakerAccount", tmp_path: Path
) -> None:
    browser = browser_in(tmp_path)
    photos = draw_folders(tmp_path / "photos", {"train": 12, "valid": 4, "test": 4})
    role = f"launcher.role={account.role_arn}"
    shown = on_a_terminal(
        *(sys.executable, str(PROJECT / "launch" / "train.py"), role, f"data.root={photos}"),
        *("best=null", "cloud_debugger=true", "launcher.instance_type=ml.m5.large", *SMALL),
        "launcher.install=index",
        cwd=tmp_path,
        BROWSER=str(browser),
    )
    (name,) = account.training_jobs
    run = tmp_path / "outputs" / name
    assert json.loads((run / "debug" / "rules.json").read_text("utf-8"))
    for file in ("debug/recording", "profile.json", "log.txt", "model/model.safetensors"):
        assert (run / file).is_file()
    assert f"report: outputs/{name}/report.html" in shown
    assert opened(browser, 10) == [(run / "report.html").as_uri()]
    assert account.training_jobs[name].request["HyperParameters"]["debug.smdebug"] == "true"
    assert "Requirement already satisfied: smdebug==" in account.log(name)

    from dogbreed.cloud.aws.account import sign_in
    from dogbreed.cloud.jobs.debugger import rule_lines

    found = ("LossNotDecreasing", "Overfit", "Overtraining", "ProfilerReport")
    assert all(f"  {rule}: no issues found\r\n" in shown for rule in found)
    account.training_jobs[name].findings |= {"Overfit": "IssuesFound", "Overtraining": "InProgress"}
    lines = rule_lines(sign_in(compose_as(FinalConfig, "final", [role]).launcher), name)
    met = "Evaluation of the rule Overfit at step 30 resulted in the condition being met"
    assert f"  Overfit: issues found (RuleEvaluationConditionMet: {met})" in lines
    assert "  Overtraining: still evaluating" in lines
    assert lines[-1] == f"  (attach={name} shows their results later)"
