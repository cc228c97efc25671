"""The packages of the extra `aws`, without which nothing can be sent to an AWS account."""

import importlib.util

from dogbreed.errors import CloudError

PACKAGES = ("boto3", "sagemaker")


def require_aws() -> None:
    """Make sure that the extra is installed.

    Raises:
        CloudError: a package of it is missing.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise CloudError(
            f"To work with AWS, {' and '.join(missing)} must be installed: "
            "pip install 'dogbreed[aws]'."
        )
