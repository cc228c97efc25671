"""deploy=batch: a batch transform job over photos, local or in S3; download its predictions."""

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.bucket_owner import check_owner
from dogbreed.cloud.aws.downloads import read_object
from dogbreed.cloud.aws.errors import is_unknown, translate_errors
from dogbreed.cloud.aws.objects import split_uri
from dogbreed.cloud.aws.polling import poll
from dogbreed.cloud.aws.uploads import S3Folder, check_keys, plan_upload, stored, upload
from dogbreed.cloud.endpoints.client import row
from dogbreed.cloud.endpoints.endpoint_requests import predictions_uri
from dogbreed.cloud.endpoints.rollout import Rollout
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.data.decoding.photos import open_photo, read_bytes
from dogbreed.errors import CloudError, DataError, PhotoError, Stopped
from dogbreed.serving.offline.sources import find_sources
from dogbreed.serving.requests.invocations import refusal_of
from dogbreed.training.run_folder import log
from dogbreed.utils.files import write_text
from dogbreed.utils.printable import printable

COMPLETED = "Completed"
ENDED = (COMPLETED, "Failed", "Stopped")
PREDICTIONS_FILE = "predictions.jsonl"
SUFFIX = ".out"  # appended to a photo's name
MAX_OUTPUT_BYTES = 2**20  # 1,000 classes need a tenth


@dataclass(frozen=True, kw_only=True)
class Photos:
    """The photos of a transform job: S3 folder, and local folder and paths if they are uploaded.

    `within` is the real path of the folder that must contain them; None: links may leave it
    (data.links).
    """

    uri: str
    root: Path | None = None
    paths: tuple[Path, ...] = ()
    within: str | None = None


def photos_of(account: Account, config: DeployConfig) -> Photos:
    """The photos that `deploy.photos` names; nothing is uploaded.

    Raises:
        CloudError, DataError: there is no such folder or bucket, or no readable image in it.
    """
    source = config.deploy.photos
    assert source is not None
    if source.startswith("s3://"):
        bucket, _ = split_uri(source)
        if not account.dry:
            check_owner(account.client("s3"), bucket, f"deploy.photos={source}", account.id)
        return Photos(uri=source)
    root = Path(source)
    if not root.is_dir():
        what = "is a file: give its folder" if root.exists() else "there is no such folder"
        raise DataError(f"deploy.photos={source}: {what}.")
    found = find_sources([str(root)], links=config.data.links)
    within = None if config.data.links else os.path.realpath(root)
    for note in found.notes:
        log.warning("%s", note)
    paths = tuple(
        path
        for path in map(Path, (each.name for each in found.sources))
        if _is_readable(path, within, config)
    )
    if not paths:
        raise DataError(f"deploy.photos={source}: it has no readable image.")
    # The key depends on the local path, so that a second job reuses the upload.
    mark = hashlib.sha256(str(root.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    folder = S3Folder(account.bucket, f"{config.launcher.prefix}/questions/{mark[:16]}")
    check_keys(folder, root, paths)
    return Photos(uri=folder.uri, root=root, paths=paths, within=within)


def _is_readable(path: Path, within: str | None, config: DeployConfig) -> bool:
    """Whether a photo is readable; one unreadable image would make the transform job fail."""
    try:
        data = read_bytes(path, within)
        refusal = refusal_of(data, tiff=config.deploy.tiff)
        if refusal is not None:
            raise refusal
        open_photo(data)
    except PhotoError as error:
        log.warning("left out: %s: %s", path, error)
        return False
    if len(data) > config.deploy.max_photo_mb * 2**20:
        log.warning(
            "left out: %s: more than %d MB (deploy.max_photo_mb)", path, config.deploy.max_photo_mb
        )
        return False
    return True


def run_batch(rollout: Rollout, photos: Photos) -> None:
    """Upload the photos, run the transform job, and download its predictions.

    Raises:
        CloudError: it failed, or AWS refuses.
        Stopped: Ctrl-C; the message names the command that stops the job.
    """
    account, config, name = rollout.account, rollout.config, rollout.deployment.name
    output_uri = predictions_uri(account, config, rollout.deployment)
    if photos.root is not None:
        _upload(account, config, photos)
    with _name_job(account, rollout, output_uri), rollout.undo_on_error():
        rollout.create_model()
        rollout.start_job(photos.uri)
    log.info("started transform job %s over %s", name, photos.uri)
    job = _wait(account, name, output_uri)
    rollout.undo.run()
    target = Path(config.output_root) / name / PREDICTIONS_FILE
    sent = {path.relative_to(photos.root).as_posix() for path in photos.paths if photos.root}
    rows = list(_predictions(account, job, sent))
    completed = job["TransformJobStatus"] == COMPLETED
    if rows or completed:
        write_text(target, "".join(f"{json.dumps(each)}\n" for each in rows))
    if not completed:
        raise CloudError(_failure(job, len(rows), target))
    log.info("%s: %d photos", target, len(rows))


def _failure(job: dict[str, Any], predicted: int, target: Path) -> str:
    """The sentence for a job that failed or was stopped."""
    reason = str(job.get("FailureReason") or "").rstrip(".")
    status = job["TransformJobStatus"] + (f" ({reason})" if reason else "")
    available = (
        f"{target} has the predictions of {predicted} photos"
        if predicted
        else "there are no predictions"
    )
    return (
        f"{job['TransformJobName']}: {status}: "
        f"{available}; its log is in CloudWatch: /aws/sagemaker/TransformJobs."
    )


def _upload(account: Account, config: DeployConfig, photos: Photos) -> None:
    assert photos.root is not None
    client = account.client("s3")
    folder = S3Folder(*split_uri(photos.uri.rstrip("/")))
    plan = plan_upload(photos.root, photos.paths, stored(client, folder), within=photos.within)
    log.info(
        "photos to %s: %d to upload, %d unchanged",
        *(folder.uri, len(plan.files), len(plan.unchanged)),
    )
    upload(client, folder, plan, kms_key=config.launcher.output_kms_key)


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


def _predictions(
    account: Account, job: dict[str, Any], sent: Collection[str]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each photo, sorted by name.

    Only outputs of `sent` photos are read; all if `sent` is empty, as the photos were in S3.
    """
    client = account.client("s3")
    bucket, prefix = split_uri(job["TransformOutput"]["S3OutputPath"])
    with translate_errors("downloading the predictions"):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for each in (each for page in pages for each in page.get("Contents", ())):
            name = each["Key"].removeprefix(prefix).lstrip("/")
            path = name.removesuffix(SUFFIX)
            if path == name or (sent and path not in sent):
                continue
            body = read_object(client, bucket, each["Key"], MAX_OUTPUT_BYTES)
            try:
                (entry,) = json.loads(body)["predictions"]
                yield row(path, entry["classes"], bool(entry["unknown"]))
            except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
                raise CloudError(
                    f"s3://{bucket}/{printable(each['Key'])} isn't the output of a model of "
                    "this project: was it written by another model?"
                ) from error
