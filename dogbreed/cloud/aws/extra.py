"""The packages of the extra `aws`, without which nothing can be sent to an AWS account."""

import importlib.util

from dogbreed.errors import CloudError

PACKAGES = ("boto3", "sagemaker")


def require_aws(*packages: str, purpose: str = "To work with AWS") -> None:
    """Make sure that the extra is installed, or those packages of it that `purpose` needs.

    Raises:
        CloudError: a package of it is missing.
    """
    wanted = packages or PACKAGES
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise CloudError(
            f"{purpose}, {' and '.join(missing)} must be installed: pip install 'dogbreed[aws]'."
        )
