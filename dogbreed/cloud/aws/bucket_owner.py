"""Bucket ownership: every S3 request names the account that must own the bucket.

Bucket names are globally unique and can be guessed: another account may have created the bucket
first, with public read and write access (bucket squatting).
"""

from typing import Any

import boto3
from botocore.exceptions import ClientError

from dogbreed.cloud.aws.errors import DENIED, code_of, translate_errors
from dogbreed.errors import CloudError

OWNER = "ExpectedBucketOwner"
SOURCE_OWNER = "ExpectedSourceBucketOwner"  # of what is copied


def expect_owner(session: boto3.Session, account_id: str) -> None:
    """Add ExpectedBucketOwner to every later S3 request of the session.

    S3 then refuses requests to buckets of other accounts, including those of boto3's transfers and
    the SageMaker SDK.
    """

    def name_owner(params: dict[str, Any], model: Any, **more: Any) -> None:
        members = model.input_shape.members if model.input_shape else {}
        for name in (OWNER, SOURCE_OWNER):
            if name in members:
                params[name] = account_id

    def explain(parsed: dict[str, Any], **more: Any) -> None:
        # S3 gives the same error for a missing permission and for a bucket of another account.
        error = parsed.get("Error", {})
        if error.get("Code") in DENIED:
            message = error.get("Message") or "Access Denied"
            error["Message"] = (
                f"{message}, or the bucket doesn't belong to the account {account_id}"
            )

    session.events.register("provide-client-params.s3", name_owner)
    session.events.register("after-call.s3", explain)


def check_owner(client: Any, bucket: str, named_by: str, account_id: str) -> str | None:
    """Check that the account owns a bucket, before anything is sent; return the bucket's region.

    `named_by` is the configuration key and its value. The region is None if S3 doesn't return it.

    Raises:
        CloudError: it belongs to another account, doesn't exist, or HeadBucket is denied.
    """
    with translate_errors(named_by):
        try:
            answer = client.head_bucket(Bucket=bucket, ExpectedBucketOwner=account_id)
        except ClientError as error:
            if code_of(error) not in DENIED:
                raise
            raise CloudError(
                f"{named_by}: the bucket {bucket} doesn't belong to the account {account_id}, or "
                "the permission to list it is missing (s3:ListBucket): name a bucket of this "
                "account, or grant the user or the role (launcher.role) that permission. Nothing "
                "was sent."
            ) from error
    region = answer.get("BucketRegion")
    return str(region) if region else None
