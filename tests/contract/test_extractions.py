"""Earlier extractions of the same features, as the service lists them."""

from pathlib import Path
from typing import TYPE_CHECKING

from dogbreed.cloud.aws.account import sign_in
from dogbreed.cloud.jobs.feature_job import _all_within, _runs, _times
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import TuneConfig

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

pytest_plugins = ("contract.fixtures",)

OWN = "dogbreed-extract-0123456789abcdef"


def test_jobs_are_found_with_their_folders_and_times(
    account: "SageMakerAccount", tmp_path: Path
) -> None:
    for name in (OWN, f"{OWN}-0a1b", "dogbreed-extract-another", f"{OWN}-without"):
        account.trained(name, tmp_path)
        place = {"S3Uri": f"s3://{account.bucket}/features/{name}/"}
        if not name.endswith("without"):
            account.training_jobs[name].request["CheckpointConfig"] = place
    role = f"launcher.role={account.role_arn}"
    aws_account = sign_in(compose_as(TuneConfig, "tune", [role]).launcher)
    runs = _runs(aws_account, OWN)
    assert {run.name for run in runs} == {OWN, f"{OWN}-0a1b"}
    assert {run.status for run in runs} == {"Completed"}
    assert all(run.ended is not None and run.started <= run.ended for run in runs)
    # What is written in their time is theirs; moto sets the time of an object as S3 does.
    account.client("s3").put_object(Bucket=account.bucket, Key=f"features/{OWN}/a", Body=b"x")
    times = _times(aws_account, f"s3://{account.bucket}/features/{OWN}/")
    assert len(times) == 1
    assert _all_within(times, runs)
    assert not _all_within(times, [])
