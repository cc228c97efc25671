"""The job that extracts a search's features once for all trials, or reuses those of earlier jobs.

Features in S3 are used only if jobs of this account wrote them: the modification time of each
object, which S3 sets, must be within the run time of a job that extracts these features.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import code_of, translate_errors
from dogbreed.cloud.aws.objects import split_uri
from dogbreed.cloud.container.entry_point import EXTRACT
from dogbreed.cloud.jobs.inputs import JobInputs, job_on_inputs
from dogbreed.cloud.jobs.job import Job
from dogbreed.cloud.jobs.trainer import trainer_of
from dogbreed.cloud.jobs.wait import wait_for_extraction
from dogbreed.configuration.search import TuneConfig
from dogbreed.errors import CloudError
from dogbreed.search.table import live_table
from dogbreed.training.run_folder import log

# S3's times are in seconds, and the last objects may be written just after the job's end time.
TOLERANCE = timedelta(seconds=60)
COMPLETED, NOT_COMPLETED = "Completed", ("Failed", "Stopped")


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A job that extracts these features into `uri`; `ended` is None while it runs."""

    name: str
    status: str
    uri: str
    started: datetime
    ended: datetime | None


def extract(account: Account, config: TuneConfig, inputs: JobInputs) -> str:
    """Wait for the features; return their S3 URI.

    The job's name contains the fingerprint of the features, so a running or completed job of an
    earlier, interrupted launch is reused. A failed one is continued by a new job.

    Raises:
        CloudError: the job failed, something else wrote to its folder, or AWS refuses.
    """
    job = extraction_job(account, config, inputs)
    if account.dry:
        _start(account, config, job)
        return str(job.checkpoints_uri)
    runs = _runs(account, job.name)
    uri = runs[0].uri if runs else str(job.checkpoints_uri)
    times = _times(account, uri)
    ours = _all_within(times, runs)
    if runs and runs[0].status == COMPLETED and times and ours:
        log.info("features exist already: %s", uri)
        return uri
    name = runs[0].name if runs else job.name
    if not runs or runs[0].status in (COMPLETED, *NOT_COMPLETED):
        token = f"-{secrets.token_hex(4)}"
        name = f"{job.name}{token}" if runs or not ours else job.name
        if not ours:
            log.warning(
                "warning: %s has objects that no job of this project wrote: it isn't used", uri
            )
            uri = f"{str(job.checkpoints_uri).rstrip('/')}{token}/"
        _start(account, config, replace(job, name=name, checkpoints_uri=uri))
    _wait(account, config, name)
    if not _all_within(_times(account, uri), _runs(account, job.name)):
        raise CloudError(
            f"{uri} was changed after {name} wrote it: its features aren't used. The same command "
            "extracts them again into another folder; check who can write to the bucket."
        )
    return uri


def extraction_job(account: Account, config: TuneConfig, inputs: JobInputs) -> Job:
    """The job that extracts these features, if no earlier one is reused."""
    launcher = config.launcher
    # The role of jobs may write below checkpoints/.
    folder = f"{launcher.prefix}/checkpoints/features/{inputs.fingerprint}"
    name = f"dogbreed-extract-{inputs.fingerprint}"
    return job_on_inputs(
        *(account, launcher, inputs, name, EXTRACT, inputs.settings),
        checkpoints_uri=f"s3://{account.bucket}/{folder}/",
        types=launcher.extract_instance_type or launcher.instance_type,
        instance_count=launcher.extract_instance_count,
    )


def _start(account: Account, config: TuneConfig, job: Job) -> None:
    try:
        trainer_of(account, config.launcher, job).train(wait=False, logs=False)
    except CloudError as error:
        # Another launch has just started the same extraction, which serves both.
        if code_of(error.__cause__) != "ResourceInUse":
            raise


def _wait(account: Account, config: TuneConfig, name: str) -> None:
    log.info("extracting features: %s (region %s)", name, account.region)
    with live_table([], config.search.objective, config.search.direction, 1) as show:
        wait_for_extraction(account, name, show)


def _runs(account: Account, base_name: str) -> list[_Run]:
    """Every job that extracts these features, the newest first.

    Raises:
        CloudError: AWS refuses.
    """
    client, found = account.client("sagemaker"), list[_Run]()
    with translate_errors("listing earlier extractions"):
        pages = client.get_paginator("list_training_jobs").paginate(
            NameContains=base_name, SortBy="CreationTime", SortOrder="Descending"
        )
        names = [each["TrainingJobName"] for page in pages for each in page["TrainingJobSummaries"]]
        for name in names:
            job = client.describe_training_job(TrainingJobName=name)
            if "CheckpointConfig" not in job:  # not this project's
                continue
            found.append(
                _Run(
                    name=name,
                    status=job["TrainingJobStatus"],
                    uri=job["CheckpointConfig"]["S3Uri"],
                    started=job.get("TrainingStartTime") or job["CreationTime"],
                    ended=job.get("TrainingEndTime"),
                )
            )
    return found


def _times(account: Account, uri: str) -> list[datetime]:
    """The modification times of the objects in a folder."""
    client = account.client("s3")
    bucket, prefix = split_uri(uri)
    with translate_errors(f"listing {uri}"):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [each["LastModified"] for page in pages for each in page.get("Contents", ())]


def _all_within(times: Sequence[datetime], runs: Sequence[_Run]) -> bool:
    """Whether each time is within the run time of a job."""
    now = datetime.now(UTC)
    return all(
        any(run.started - TOLERANCE <= time <= (run.ended or now) + TOLERANCE for run in runs)
        for time in times
    )
