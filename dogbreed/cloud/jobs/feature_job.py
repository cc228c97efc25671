"""The job that extracts a search's features once for all its trials, and features of earlier ones.

What is in the features' folder is used only if the account's own jobs wrote it: each object must be
of the time in which a job that extracts these features ran. S3 sets that time, whoever writes.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.aws.objects import split_uri
from dogbreed.cloud.container.entry_point import EXTRACT
from dogbreed.cloud.jobs.costs import Use
from dogbreed.cloud.jobs.jobs import start_training
from dogbreed.cloud.jobs.monitor import wait_for_extraction
from dogbreed.cloud.jobs.requests import Job, training_request
from dogbreed.cloud.jobs.staging import Staged, job_of
from dogbreed.configuration.search import TuneConfig
from dogbreed.errors import CloudError
from dogbreed.search.table import live_table
from dogbreed.training.run_folder import log

# S3's times have seconds, and the last objects arrive while a job is taken for ended.
SLACK = timedelta(seconds=60)
ENDED_WELL, ENDED_BADLY = "Completed", ("Failed", "Stopped")


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A job that extracts or extracted these features into `uri`; `ended` is None while it runs."""

    name: str
    status: str
    uri: str
    started: datetime
    ended: datetime | None


def extract(account: Account, config: TuneConfig, staged: Staged) -> tuple[str, Use]:
    """Where the features are, once the job that extracts them has ended; what that may cost.

    A job is named by what it extracts: one that runs or ended well, of a launch that was cut off,
    is taken up by any launch that wants the same. One that failed is continued by another.

    Raises:
        CloudError: the job failed, others wrote to its folder, or AWS refuses.
    """
    own = f"dogbreed-extract-{staged.fingerprint}"
    # Below checkpoints/ jobs may write.
    folder = f"{config.launcher.prefix}/checkpoints/features"
    place = f"s3://{account.bucket}/{folder}/{staged.fingerprint}"
    usual = _job(account, config, staged, own, f"{place}/")
    use = Use.of(usual, config.launcher, jobs=1)
    if account.dry:
        start_training(account, training_request(account, config.launcher, usual))
        return f"{place}/", use
    runs = _runs(account, own)
    uri = runs[0].uri if runs else f"{place}/"
    times = _times(account, uri)
    ours = _all_within(times, runs)
    if runs and runs[0].status == ENDED_WELL and times and ours:
        log.info("features are there already: %s", uri)
        return uri, use
    name = runs[0].name if runs else own
    if not runs or runs[0].status in (ENDED_WELL, *ENDED_BADLY):
        token = f"-{secrets.token_hex(4)}"
        name = f"{own}{token}" if runs or not ours else own
        if not ours:
            log.warning("warning: %s holds what no job of this project wrote: left alone", uri)
            uri = f"{place}{token}/"
        job = _job(account, config, staged, name, uri)
        start_training(account, training_request(account, config.launcher, job))
    _wait(account, config, name)
    if not _all_within(_times(account, uri), _runs(account, own)):
        raise CloudError(
            f"{uri} was changed after {name} wrote it: its features aren't used. The same command "
            "extracts them again, elsewhere; see who may write to the bucket."
        )
    return uri, use


def _job(account: Account, config: TuneConfig, staged: Staged, name: str, uri: str) -> Job:
    launcher = config.launcher
    return job_of(
        *(account, launcher, staged, name, EXTRACT, staged.settings),
        checkpoints_uri=uri,
        instance_type=launcher.extract_instance_type or launcher.instance_type,
        instance_count=launcher.extract_instance_count,
    )


def _wait(account: Account, config: TuneConfig, name: str) -> None:
    log.info("extracting features: %s (region %s)", name, account.region)
    with live_table([], config.search.objective, config.search.direction, 1) as show:
        wait_for_extraction(account, name, show)


def _runs(account: Account, own: str) -> list[_Run]:
    """Every job that extracts these features, the newest first; errors are CloudErrors."""
    client, found = account.client("sagemaker"), list[_Run]()
    with translate_errors("looking for earlier extractions"):
        pages = client.get_paginator("list_training_jobs").paginate(
            NameContains=own, SortBy="CreationTime", SortOrder="Descending"
        )
        names = [each["TrainingJobName"] for page in pages for each in page["TrainingJobSummaries"]]
        for name in names:
            job = client.describe_training_job(TrainingJobName=name)
            if "CheckpointConfig" not in job:  # none of ours
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
    """When each object of a folder was written."""
    client = account.client("s3")
    bucket, prefix = split_uri(uri)
    with translate_errors(f"looking at {uri}"):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [each["LastModified"] for page in pages for each in page.get("Contents", ())]


def _all_within(times: Sequence[datetime], runs: Sequence[_Run]) -> bool:
    """Whether one of the jobs ran at each of these times."""
    now = datetime.now(UTC)
    return all(
        any(run.started - SLACK <= time <= (run.ended or now) + SLACK for run in runs)
        for time in times
    )
