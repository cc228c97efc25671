"""The emulated account itself: jobs that run, end and come back, and errors on demand."""

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from contract.small_job import (
    METRICS,
    code_of,
    create,
    definition,
    describe,
    read_archive,
    read_log,
    spot,
    tune,
)

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

pytest_plugins = ("contract.fixtures",)
pytestmark = pytest.mark.launch
botocore_errors = pytest.importorskip("botocore.exceptions")


def test_job_runs_on_two_hosts(account: "SageMakerAccount") -> None:
    s3 = account.client("s3")
    for name in "abc":
        s3.put_object(Bucket=account.bucket, Key=f"dogbreed/photos/{name}.txt", Body=b"x")
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{account.bucket}/dogbreed/photos/",
        "S3DataDistributionType": "ShardedByS3Key",
    }
    resources = {"InstanceType": "ml.c7i.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 30}
    channel = {"ChannelName": "photos", "DataSource": {"S3DataSource": source}}
    create(account, "two", {"steps": 2}, InputDataConfig=[channel], ResourceConfig=resources)
    assert account.wait("two") == "Completed", account.log("two")

    description = describe(account, "two")
    assert description["AlgorithmSpecification"]["MetricDefinitions"] == METRICS
    assert description["Environment"] == {"NOTE": "as it was sent"}
    assert [entry["Status"] for entry in description["SecondaryStatusTransitions"]] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    assert description["BillableTimeInSeconds"] == description["TrainingTimeInSeconds"] > 0
    [metric] = description["FinalMetricDataList"]
    assert metric["Value"] == pytest.approx(0.8)
    place = description["ModelArtifacts"]["S3ModelArtifacts"]
    assert place == f"s3://{account.bucket}/dogbreed/jobs/two/output/model.tar.gz"
    model = read_archive(account, "dogbreed/jobs/two/output/model.tar.gz")
    assert model == {"algo-1.txt": b"a.txt c.txt", "algo-2.txt": b"b.txt"}
    data = read_archive(account, "dogbreed/jobs/two/output/output.tar.gz")
    assert data == dict.fromkeys(("algo-1.txt", "algo-2.txt"), b"as it was sent")

    for host in ("algo-1", "algo-2"):
        assert "step 2 valid:top1=0.8000;" in read_log(account, "two", host)


def test_failure_reason_is_the_message_of_the_script(account: "SageMakerAccount") -> None:
    create(account, "bad", {"fail": "no photos here", "requirements": "pip\n"})
    assert account.wait("bad") == "Failed"
    description = describe(account, "bad")
    assert description["FailureReason"].startswith("AlgorithmError: ")
    # In pieces: the toolkit takes every write of the script for a line.
    assert re.search(r"ValueError\W+no photos here", description["FailureReason"])
    assert description["FailureReason"].endswith(", exit code: 1")
    assert "ModelArtifacts" not in description


def test_a_requirement_that_is_not_here_is_not_fetched(account: "SageMakerAccount") -> None:
    create(account, "bad", {"requirements": "no-such-package-anywhere\n"})
    assert account.wait("bad") == "Failed"
    assert "InstallRequirementsError" in describe(account, "bad")["FailureReason"]


def test_stop_keeps_the_checkpoints(account: "SageMakerAccount") -> None:
    create(account, "long", {"steps": 999, "step_s": 0.1}, **spot(account))
    account.wait_for_line("long", "step 3 ")
    client = account.client("sagemaker")
    client.stop_training_job(TrainingJobName="long")
    assert account.wait("long") == "Stopped"
    description = describe(account, "long")
    statuses = [entry["Status"] for entry in description["SecondaryStatusTransitions"]]
    assert statuses[2:] == ["Training", "Stopping", "Uploading", "Stopped"]
    assert 0 < description["BillableTimeInSeconds"] <= description["TrainingTimeInSeconds"]
    stored = account.client("s3").get_object(Bucket=account.bucket, Key="dogbreed/checkpoints/step")
    assert int(stored["Body"].read()) >= 3
    with pytest.raises(botocore_errors.ClientError, match="is in status Stopped") as error:
        client.stop_training_job(TrainingJobName="long")
    assert code_of(error) == "ValidationException"


def test_too_long_a_job_is_ended(account: "SageMakerAccount") -> None:
    limits = {"MaxRuntimeInSeconds": 2}
    create(account, "slow", {"steps": 999, "step_s": 0.1}, StoppingCondition=limits)
    assert account.wait("slow") == "Stopped"
    assert describe(account, "slow")["SecondaryStatus"] == "MaxRuntimeExceeded"


def test_interrupted_job_resumes_from_its_checkpoint(account: "SageMakerAccount") -> None:
    create(account, "spot", {"steps": 20, "step_s": 0.1}, **spot(account))
    account.wait_for_line("spot", "step 4 ")
    account.interrupt("spot")
    assert account.wait("spot") == "Completed", account.log("spot")
    starts = [line for line in account.log("spot").splitlines() if "starts after" in line]
    assert len(starts) == 2
    assert int(starts[1].split()[-1]) >= 4
    statuses = [
        entry["Status"] for entry in describe(account, "spot")["SecondaryStatusTransitions"]
    ]
    assert statuses[2:5] == ["Training", "Interrupted", "Starting"]


HOOK = """
import json, os, pathlib
config = json.loads(pathlib.Path(os.environ["SMDEBUG_CONFIG_FILE_PATH"]).read_text())
tensors = pathlib.Path(config["LocalPath"], "events")
tensors.mkdir(parents=True)
(tensors / "0.tfevents").write_text(config["CollectionConfigurations"][0]["CollectionName"])
"""


def test_debugger_has_its_files_and_its_statuses(account: "SageMakerAccount") -> None:
    rule = {"RuleConfigurationName": "Overfit", "RuleEvaluatorImage": "rules"}
    debugger = {
        "DebugHookConfig": {
            "S3OutputPath": f"s3://{account.bucket}/dogbreed/jobs",
            "CollectionConfigurations": [{"CollectionName": "losses"}],
        },
        "DebugRuleConfigurations": [rule],
    }
    create(account, "watched", {"script": HOOK}, **debugger)
    [status] = describe(account, "watched")["DebugRuleEvaluationStatuses"]
    assert status["RuleEvaluationStatus"] == "InProgress"
    assert account.wait("watched") == "Completed", account.log("watched")
    description = describe(account, "watched")
    assert {name: description[name] for name in debugger} == debugger
    assert description["DebugRuleEvaluationStatuses"][0]["RuleEvaluationStatus"] == "NoIssuesFound"
    stored = account.client("s3").get_object(
        Bucket=account.bucket, Key="dogbreed/jobs/watched/debug-output/events/0.tfevents"
    )
    assert stored["Body"].read() == b"losses"
    with pytest.raises(botocore_errors.ClientError, match="must be unique"):
        create(account, "twice", DebugRuleConfigurations=[rule, rule])
    account.close_debugger()
    with pytest.raises(botocore_errors.ClientError, match="no longer open to new") as error:
        create(account, "refused", **debugger)
    assert code_of(error) == "ValidationException"
    create(account, "without")
    assert account.wait("without") == "Completed"


def test_tuning_job_finds_its_best_trial(account: "SageMakerAccount") -> None:
    tune(account, "search", 3)
    assert account.wait("search") == "Completed"
    client = account.client("sagemaker")
    description = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="search")
    assert description["TrainingJobStatusCounters"]["Completed"] == 3
    assert description["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 0, "Failed": 0}

    pages: list[list[dict[str, Any]]] = []
    more: dict[str, str] = {}
    while not pages or more:
        page = client.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="search",
            MaxResults=2,
            SortBy="FinalObjectiveMetricValue",
            SortOrder="Descending",
            **more,
        )
        pages.append(page["TrainingJobSummaries"])
        more = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
    assert [len(page) for page in pages] == [2, 1]
    trials = [trial for page in pages for trial in page]
    best = description["BestTrainingJob"]
    assert best["TrainingJobName"] == trials[0]["TrainingJobName"]
    for trial in trials:
        rate = float(trial["TunedHyperParameters"]["lr"])
        value = trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        assert value == pytest.approx(1 - abs(rate - 0.3), abs=1e-4)
    child = describe(account, best["TrainingJobName"])
    assert child["HyperParameters"]["_tuning_objective_metric"] == "valid:top1"
    tags = client.list_tags(ResourceArn=child["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "project", "Value": "dogbreed"}]
    assert len(client.list_training_jobs(NameContains="search-00")["TrainingJobSummaries"]) == 3
    [listed] = client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    assert listed["HyperParameterTuningJobStatus"] == "Completed"


def test_tuning_job_without_a_success_fails(account: "SageMakerAccount") -> None:
    tune(account, "search", 2, fail="no photos here")
    assert account.wait("search") == "Failed"
    client = account.client("sagemaker")
    description = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="search")
    assert description["FailureReason"].startswith("No training job succeeded after 2 attempts.")
    assert description["TrainingJobStatusCounters"]["NonRetryableError"] == 2


def test_tuning_job_stops_its_trials(account: "SageMakerAccount") -> None:
    tune(account, "search", 3, steps=999, step_s=0.1)
    client = account.client("sagemaker")
    while len(account.tuning_jobs["search"].trials) < 3:
        assert not account.tuning_jobs["search"].done.wait(0.02)
    client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="search")
    assert account.wait("search") == "Stopped"
    description = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="search")
    assert description["TrainingJobStatusCounters"]["Stopped"] == 3


def test_names_are_taken_once(account: "SageMakerAccount") -> None:
    create(account, "once")
    with pytest.raises(botocore_errors.ClientError, match="must be unique") as error:
        create(account, "once")
    assert code_of(error) == "ResourceInUse"
    tune(account, "search", 1)
    with pytest.raises(botocore_errors.ClientError, match="Choose a different name") as error:
        tune(account, "search", 1)
    assert code_of(error) == "ResourceInUse"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"TrainingJobName": "under_score"}, "at 'trainingJobName' failed to satisfy constraint"),
        ({"HyperParameters": {str(n): "1" for n in range(101)}}, "less than or equal to 100"),
        ({"HyperParameters": {"a": "x" * 2501}}, "less than or equal to 2500"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 9}}, "only supp"),
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/Nobody"}, "Could not assume role"),
    ],
)
def test_bad_requests_are_refused(
    account: "SageMakerAccount", changes: dict[str, Any], message: str
) -> None:
    request = {"TrainingJobName": "name", **definition(account), **changes}
    with pytest.raises(botocore_errors.ClientError, match=message) as error:
        account.client("sagemaker").create_training_job(**request)
    assert code_of(error) == "ValidationException"


def test_errors_on_demand(account: "SageMakerAccount") -> None:
    sagemaker, s3 = account.client("sagemaker"), account.client("s3")
    account.fail_next("ListTrainingJobs", "ThrottlingException", "Rate exceeded", times=2)
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    account.drop_next(1)
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    assert [operation for operation, _ in account.requests] == ["ListTrainingJobs"] * 5

    account.fail_next(
        "CreateTrainingJob", "ResourceLimitExceeded", "the account-level service limit"
    )
    with pytest.raises(botocore_errors.ClientError, match="account-level") as error:
        create(account, "none")
    assert code_of(error) == "ResourceLimitExceeded"
    account.fail_next("PutObject", "ExpiredToken", "The provided token has expired.")
    with pytest.raises(botocore_errors.ClientError) as error:
        s3.put_object(Bucket=account.bucket, Key="a", Body=b"x")
    assert code_of(error) == "ExpiredToken"
    account.fail_next("HeadBucket", "403", status=403)
    with pytest.raises(botocore_errors.ClientError) as error:
        s3.head_bucket(Bucket=account.bucket)
    assert code_of(error) == "403"
    account.fail_next("GetCallerIdentity", "ExpiredToken", "expired", status=403)
    with pytest.raises(botocore_errors.ClientError, match="expired"):
        account.client("sts").get_caller_identity()


def test_a_manifest_is_read_as_the_service_does(account: "SageMakerAccount") -> None:
    s3, place = account.client("s3"), f"s3://{account.bucket}/dogbreed/photos"
    for name in ("a/1", "b", "not listed"):
        s3.put_object(Bucket=account.bucket, Key=f"dogbreed/photos/{name}.txt", Body=b"x")

    def run(name: str, manifest: Any) -> str:
        """The end of a job with that manifest."""
        body = manifest if isinstance(manifest, str) else json.dumps(manifest)
        s3.put_object(Bucket=account.bucket, Key="dogbreed/photos/m.json", Body=body.encode())
        source = {"S3DataType": "ManifestFile", "S3Uri": f"{place}/m.json"}
        channel = {"ChannelName": "photos", "DataSource": {"S3DataSource": source}}
        create(account, name, InputDataConfig=[channel])
        return account.wait(name)

    assert run("good", [{"prefix": f"{place}/"}, "a/1.txt", "b.txt"]) == "Completed"
    model = read_archive(account, "dogbreed/jobs/good/output/model.tar.gz")
    assert model == {"algo-1.txt": b"1.txt b.txt"}
    bad: dict[str, Any] = {
        "missing": [{"prefix": f"{place}/"}, "b.txt", "gone.txt"],
        "empty": [{"prefix": f"{place}/"}],
        "without-prefix": ["b.txt"],
        "other-scheme": [{"prefix": "/opt/ml/"}, "b.txt"],
        "two-keys": [{"prefix": f"{place}/", "other": 1}, "b.txt"],
        "not-text": [{"prefix": f"{place}/"}, 1],
        "no-json": "[",
        "an-object": {"prefix": f"{place}/"},
    }
    for name, manifest in bad.items():
        assert run(name, manifest) == "Failed", name
        reason = describe(account, name)["FailureReason"]
        assert reason.startswith("ClientError: "), name
        assert "404" in reason or "manifest" in reason, name


def test_a_role_without_rights_to_the_data(account: "SageMakerAccount") -> None:
    account.client("s3").put_object(Bucket=account.bucket, Key="dogbreed/photos/a.txt", Body=b"x")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{account.bucket}/dogbreed/photos/"}
    channel = {"ChannelName": "photos", "DataSource": {"S3DataSource": source}}
    account.fail_next("HeadObject", "403", status=403, who="job")
    create(account, "denied", InputDataConfig=[channel])
    assert account.wait("denied") == "Failed"
    assert describe(account, "denied")["FailureReason"].startswith("ClientError: ")
