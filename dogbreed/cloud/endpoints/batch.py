"""deploy=batch: a batch transform job over photos, local or in S3; download its predictions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import is_unknown, translate_errors
from dogbreed.cloud.aws.polling import poll
from dogbreed.cloud.endpoints.batch_photos import Photos, upload_batch
from dogbreed.cloud.endpoints.batch_results import PREDICTIONS_FILE, write_predictions
from dogbreed.cloud.endpoints.endpoint_requests import predictions_uri
from dogbreed.cloud.endpoints.rollout import Rollout
from dogbreed.errors import CloudError, Stopped
from dogbreed.training.run_folder import log

COMPLETED = "Completed"
ENDED = (COMPLETED, "Failed", "Stopped")


def run_batch(rollout: Rollout, photos: Photos) -> None:
    """Upload the photos, run the transform job, and download its predictions.

    Raises:
        CloudError: it failed, or AWS refuses.
        Stopped: Ctrl-C; the message names the command that stops the job.
    """
    account, config, name = rollout.account, rollout.config, rollout.deployment.name
    output_uri = predictions_uri(account, config, rollout.deployment)
    if photos.local:
        upload_batch(account, config, photos)
    with _name_job(account, rollout, output_uri), rollout.undo_on_error():
        rollout.create_model()
        rollout.start_job(photos.source)
    log.info("started transform job %s over %s", name, photos.source.uri)
    job = _wait(account, name, output_uri)
    rollout.undo.run()
    target = Path(config.output_root) / name / PREDICTIONS_FILE
    output = job["TransformOutput"]["S3OutputPath"]
    counts = write_predictions(account, output, photos, target)
    if job["TransformJobStatus"] != COMPLETED:
        raise CloudError(_failure(job, counts.rows, target))
    log.info("%s: %d photos, %d of them unreadable", target, counts.rows, counts.errors)


def _failure(job: dict[str, Any], predicted: int, target: Path) -> str:
    """The sentence for a job that failed or was stopped."""
    reason = str(job.get("FailureReason") or "").rstrip(".")
    status = job["TransformJobStatus"] + (f" ({reason})" if reason else "")
    available = (
        f"{target} has the rows of {predicted} photos" if predicted else "there are no predictions"
    )
    return (
        f"{job['TransformJobName']}: {status}: "
        f"{available}; its log is in CloudWatch: /aws/sagemaker/TransformJobs."
    )


@contextmanager
def _name_job(account: Account, rollout: Rollout, output_uri: str) -> Iterator[None]:
    """Name the job in an exception that ends the block if the job may have been started."""
    left = (
        f"whether {rollout.deployment.name} was started isn't known: it may run and cost: "
        f"{_stop_command(account, rollout.deployment.name, output_uri)}"
    )
    try:
        yield
    except Stopped as stopped:
        if not rollout.requested:
            raise
        raise Stopped(f"stopped: {left}", stopped.exit_code - 128) from stopped
    except CloudError as error:
        if not (rollout.requested and is_unknown(error.__cause__)):
            raise
        raise CloudError(f"{error} Meanwhile {left}") from error


def _stop_command(account: Account, name: str, output_uri: str) -> str:
    return (
        f"`aws sagemaker stop-transform-job --transform-job-name {name} --region "
        f"{account.region}` stops it, its predictions are or will be in {output_uri}."
    )


def _wait(account: Account, name: str, output_uri: str) -> dict[str, Any]:
    client = account.client("sagemaker")
    left = f"{name} still runs and costs: {_stop_command(account, name, output_uri)}"
    try:
        with translate_errors(f"waiting for {name}"):
            for job in poll(lambda: client.describe_transform_job(TransformJobName=name)):
                if job["TransformJobStatus"] in ENDED:
                    break
    except Stopped as stopped:
        raise Stopped(f"no longer waiting: {left}", stopped.exit_code - 128) from stopped
    except CloudError as error:
        raise CloudError(f"{error} {left}") from error
    return dict(job)
