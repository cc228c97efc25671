"""Wheels in S3: a folder for each set, under its digest; objects are uploaded once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.aws.objects import file_checksum, send_file, split_uri, stored_checksum
from dogbreed.cloud.wheels.wheel_files import Wheel, WheelSet
from dogbreed.training.run_folder import log

WORKERS = 16


def upload_wheels(client: Any, wheels: WheelSet, uri: str, *, kms_key: str | None) -> int:
    """Upload those wheels of a set that the folder `uri` lacks; returns how many.

    An object that isn't the wheel of its name is replaced, with a warning.

    Raises:
        CloudError: S3 refuses, or can't be reached.
        DataError: a wheel can't be read.
    """
    bucket, prefix = split_uri(uri)

    def send(wheel: Wheel) -> bool:
        key = f"{prefix}{wheel.file.name}"
        there = stored_checksum(client, bucket, key)
        if there == file_checksum(wheel.file, bytes.fromhex(wheel.sha256)):
            return False
        if there is not None:
            log.warning(
                "warning: s3://%s/%s was replaced and is uploaded again: check who can write to "
                "the bucket",
                *(bucket, key),
            )
        send_file(client, bucket, key, wheel.file, kms_key)
        return True

    with translate_errors(f"uploading to {uri}"), ThreadPoolExecutor(WORKERS) as pool:
        return sum(pool.map(send, wheels.wheels or ()))
