"""deploy=batch: a job over a folder of photos, here or in S3, and its answers brought here."""

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
from dogbreed.cloud.aws.polling import looks
from dogbreed.cloud.aws.uploads import S3Folder, check_keys, plan_upload, stored, upload
from dogbreed.cloud.endpoints.client import row
from dogbreed.cloud.endpoints.endpoint_requests import answers_uri
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
ANSWERS = "predictions.jsonl"
SUFFIX = ".out"  # of an answer, after its photo's name
MAX_ANSWER_BYTES = 2**20  # a thousand classes have a tenth of it


@dataclass(frozen=True, kw_only=True)
class Photos:
    """Photos of a job: their place in S3, and the folder here that they are from, if any.

    `within` is the real path of the folder that none is read from outside of; None: links may lead
    anywhere (data.links).
    """

    uri: str
    root: Path | None = None
    paths: tuple[Path, ...] = ()
    within: str | None = None


def photos_of(account: Account, config: DeployConfig) -> Photos:
    """The photos that `deploy.photos` names; nothing is sent.

    Raises:
        CloudError, DataError: it names no place, or no photo that can be used.
    """
    named = config.deploy.photos
    assert named is not None
    if named.startswith("s3://"):
        bucket, _ = split_uri(named)
        if not account.dry:
            check_owner(account.client("s3"), bucket, f"deploy.photos={named}", account.id)
        return Photos(uri=named)
    root = Path(named)
    if not root.is_dir():
        what = "is a file: give its folder" if root.exists() else "there is no such folder"
        raise DataError(f"deploy.photos={named}: {what}.")
    found = find_sources([str(root)], links=config.data.links)
    within = None if config.data.links else os.path.realpath(root)
    for note in found.notes:
        log.warning("%s", note)
    paths = tuple(
        path
        for path in map(Path, (each.name for each in found.sources))
        if _usable(path, within, config)
    )
    if not paths:
        raise DataError(f"deploy.photos={named}: holds no photo that can be used.")
    # Named by the folder, so that it isn't sent twice.
    mark = hashlib.sha256(str(root.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    folder = S3Folder(account.bucket, f"{config.launcher.prefix}/questions/{mark[:16]}")
    check_keys(folder, root, paths)
    return Photos(uri=folder.uri, root=root, paths=paths, within=within)


def _usable(path: Path, within: str | None, config: DeployConfig) -> bool:
    """Whether a photo may be sent; one that can't be used would end the whole job."""
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


def run_batch(attempt: Rollout, photos: Photos) -> None:
    """Send the photos, run the job to its end, and bring its answers here.

    Raises:
        CloudError: it failed, or AWS refuses.
        Stopped: Ctrl-C; the message says how to end the job.
    """
    account, config, name = attempt.account, attempt.config, attempt.it.name
    place = answers_uri(account, config, attempt.it)
    if photos.root is not None:
        _send(account, config, photos)
    with _may_run(account, attempt, place), attempt.undone():
        attempt.make_model()
        attempt.start_job(photos.uri)
    log.info("started transform job %s over %s", name, photos.uri)
    told = _wait(account, name, place)
    attempt.take_back()
    target = Path(config.output_root) / name / ANSWERS
    sent = {path.relative_to(photos.root).as_posix() for path in photos.paths if photos.root}
    rows = list(_answers(account, told, sent))
    good = told["TransformJobStatus"] == COMPLETED
    if rows or good:
        write_text(target, "".join(f"{json.dumps(each)}\n" for each in rows))
    if not good:
        raise CloudError(_unfinished(told, len(rows), target))
    log.info("%s: %d photos", target, len(rows))


def _unfinished(told: dict[str, Any], answered: int, target: Path) -> str:
    """The sentence for a job that didn't answer for every photo."""
    reason = str(told.get("FailureReason") or "").rstrip(".")
    status = told["TransformJobStatus"] + (f" ({reason})" if reason else "")
    kept = (
        f"{target} has the answers for {answered} photos" if answered else "no photo was answered"
    )
    return (
        f"{told['TransformJobName']}: {status}: "
        f"{kept}; CloudWatch says more: /aws/sagemaker/TransformJobs."
    )


def _send(account: Account, config: DeployConfig, photos: Photos) -> None:
    assert photos.root is not None
    client = account.client("s3")
    folder = S3Folder(*split_uri(photos.uri.rstrip("/")))
    plan = plan_upload(photos.root, photos.paths, stored(client, folder), within=photos.within)
    log.info("photos to %s: %d to send, %d there", folder.uri, len(plan.files), len(plan.kept))
    upload(client, folder, plan, kms_key=config.launcher.output_kms_key)


@contextmanager
def _may_run(account: Account, attempt: Rollout, place: str) -> Iterator[None]:
    """Name the job in whatever ends the block where its start is unknown."""
    left = (
        f"whether {attempt.it.name} was started isn't known: it may run and cost: "
        f"{_to_stop(account, attempt.it.name, place)}"
    )
    try:
        yield
    except Stopped as stopped:
        if not attempt.asked:
            raise
        raise Stopped(f"stopped: {left}", stopped.exit_code - 128) from stopped
    except CloudError as error:
        if not (attempt.asked and is_unknown(error.__cause__)):
            raise
        raise CloudError(f"{error} Meanwhile {left}") from error


def _to_stop(account: Account, name: str, place: str) -> str:
    return (
        f"`aws sagemaker stop-transform-job --transform-job-name {name} --region "
        f"{account.region}` stops it, {place} has or will have its answers."
    )


def _wait(account: Account, name: str, place: str) -> dict[str, Any]:
    client = account.client("sagemaker")
    left = f"{name} still runs and costs: {_to_stop(account, name, place)}"
    try:
        with translate_errors(f"waiting for {name}"):
            for told in looks(lambda: client.describe_transform_job(TransformJobName=name)):
                if told["TransformJobStatus"] in ENDED:
                    break
    except Stopped as stopped:
        raise Stopped(f"no longer waiting: {left}", stopped.exit_code - 128) from stopped
    except CloudError as error:
        raise CloudError(f"{error} {left}") from error
    return dict(told)


def _answers(
    account: Account, told: dict[str, Any], sent: Collection[str]
) -> Iterator[dict[str, Any]]:
    """A row for each photo, in the order of their names; what is no answer to a `sent` one isn't
    read, unless the photos were in S3 already."""
    client = account.client("s3")
    bucket, prefix = split_uri(told["TransformOutput"]["S3OutputPath"])
    with translate_errors("the job's answers"):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for each in (each for page in pages for each in page.get("Contents", ())):
            name = each["Key"].removeprefix(prefix).lstrip("/")
            path = name.removesuffix(SUFFIX)
            if path == name or (sent and path not in sent):
                continue
            body = read_object(client, bucket, each["Key"], MAX_ANSWER_BYTES)
            try:
                (entry,) = json.loads(body)["predictions"]
                yield row(path, entry["classes"], bool(entry["unknown"]))
            except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
                raise CloudError(
                    f"s3://{bucket}/{printable(each['Key'])} is no answer of this project's model: "
                    "was it written by another?"
                ) from error
