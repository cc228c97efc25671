"""data.root=s3://BUCKET/PREFIX on this machine: the RemoteRoot of the scheme s3."""

from pathlib import Path

from dogbreed.cloud.aws.extra import require_aws
from dogbreed.cloud.aws.s3_names import check_uri


def check(uri: str) -> None:
    """Check the URI, and that boto3 is installed; nothing is sent.

    Raises:
        ConfigError: it isn't s3://BUCKET/PREFIX.
        CloudError: boto3 is missing.
    """
    check_uri("data.root", uri)
    require_aws("boto3", purpose=f"To read data.root={uri}")


def download(uri: str) -> Path:
    """The folder in the cache with the photos of a prefix, or the archive that a URI names.

    Raises:
        ConfigError, CloudError: as `check`; no credentials, no network, or S3 refuses.
        DataError: no photos there, an object whose name can't be a file's, or a full disk.
    """
    check(uri)
    from dogbreed.cloud.aws.s3_copy import synchronised

    return synchronised(uri)
