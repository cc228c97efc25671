"""Whose bucket it is: every request to S3 names the account that must own the bucket.

Names of buckets are given once in the world and can be guessed: whoever was first may own the one
that is meant, and may let everybody read and write there.
"""

from typing import Any

import boto3
from botocore.exceptions import ClientError

from dogbreed.cloud.aws.errors import DENIED, code_of, translate_errors
from dogbreed.errors import CloudError

OWNER = "ExpectedBucketOwner"
SOURCE_OWNER = "ExpectedSourceBucketOwner"  # of what is copied


def expect_owner(session: boto3.Session, account_id: str) -> None:
    """Have S3 refuse every later request of the session's clients to a bucket of another account.

    That includes what boto3's transfers and the SageMaker SDK send through the session.
    """

    def name_owner(params: dict[str, Any], model: Any, **more: Any) -> None:
        members = model.input_shape.members if model.input_shape else {}
        for name in (OWNER, SOURCE_OWNER):
            if name in members:
                params[name] = account_id

    def explain(parsed: dict[str, Any], **more: Any) -> None:
        # S3 answers alike where a right is missing and where the bucket is somebody else's.
        error = parsed.get("Error", {})
        if error.get("Code") in DENIED:
            said = error.get("Message") or "Access Denied"
            error["Message"] = f"{said}, or the bucket doesn't belong to the account {account_id}"

    session.events.register("provide-client-params.s3", name_owner)
    session.events.register("after-call.s3", explain)


def check_owner(client: Any, bucket: str, named_by: str, account_id: str) -> str | None:
    """Make sure that a bucket is the account's before anything is sent; the region it is in.

    `named_by` is the key and its value. The region is None where S3 doesn't say.

    Raises:
        CloudError: it belongs to another account, isn't there, or can't be asked for.
    """
    with translate_errors(named_by):
        try:
            answer = client.head_bucket(Bucket=bucket, ExpectedBucketOwner=account_id)
        except ClientError as error:
            if code_of(error) not in DENIED:
                raise
            raise CloudError(
                f"{named_by}: the bucket {bucket} doesn't belong to the account {account_id}, or "
                "the right to list it is missing (s3:ListBucket): name a bucket of this account, "
                "or give the user or the role (launcher.role) that right. Nothing was sent."
            ) from error
    region = answer.get("BucketRegion")
    return str(region) if region else None
