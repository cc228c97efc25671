"""What AWS answers when it doesn't do what was asked, as one sentence with the next step."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as aws
from botocore.exceptions import BotoCoreError, ClientError

from dogbreed.errors import CloudError

WAYS_OUT = (
    "work on this machine (launcher=local, or python -m dogbreed.serve), "
    "or look first with dry_run=true"
)

EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
UNKNOWN_KEYS = (
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
)
DENIED = ("AccessDenied", "AccessDeniedException", "403", "UnauthorizedOperation")
THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException", "SlowDown")
# By its name, not as a part of another's, such as a role's.
DEBUGGER = re.compile(r"(?<![\w/:-])debugger(?![\w/:-])", re.IGNORECASE)
ELSEWHERE = ("PermanentRedirect", "301", "AuthorizationHeaderMalformed")

NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.UnauthorizedSSOTokenError,
    aws.SSOTokenLoadError,
    aws.ProfileNotFound,
)
NO_NETWORK = (aws.HTTPClientError, aws.ConnectionError)


@contextmanager
def in_plain_words(doing: str) -> Iterator[None]:
    """Turn what boto raises in the block into a CloudError; `doing` says what was tried.

    Raises:
        CloudError: one sentence: what AWS said, and what to do.
    """
    try:
        yield
    except ClientError as error:
        raise CloudError(f"{doing}: {_refusal(error)}") from error
    except BotoCoreError as error:
        raise CloudError(f"{doing}: {_trouble(error)}") from error


def code_of(error: ClientError) -> str:
    """The service's word for what is wrong."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _refusal(error: ClientError) -> str:
    code = code_of(error)
    said = str(error.response.get("Error", {}).get("Message", "")).strip().rstrip(".")
    if code in EXPIRED:
        return "the AWS credentials have expired: sign in again (aws login, aws sso login)."
    if code in UNKNOWN_KEYS:
        return f"AWS doesn't know these credentials ({code}): sign in again, or mend the profile."
    # In which words AWS says it isn't documented (November 2026).
    if code in ("ValidationException", *DENIED) and DEBUGGER.search(said):
        return (
            f"this account can't have AWS's own Debugger, which takes no new customers ({said}): "
            "set cloud_debugger=false, the default. The report says the same without it."
        )
    if code in DENIED:
        return (
            f"AWS doesn't allow it ({said or code}): give the user or the role (launcher.role) "
            "that right."
        )
    if code == "ResourceLimitExceeded":
        return (
            f"the account's quota is too small ({said}): ask for more under Service Quotas, or "
            "take another launcher.instance_type, fewer instances or a smaller search.parallel."
        )
    if code in THROTTLED:
        return f"AWS asks to slow down, after {_attempts(error)} attempts: try again in a minute."
    if code in ELSEWHERE:
        return (
            f"the bucket lies in another region ({said}): set launcher.region or launcher.bucket."
        )
    if code in ("NoSuchBucket", "404"):
        return "there is no such bucket: create it, or set launcher.bucket to one of yours."
    if "assume role" in said.lower():
        return (
            f"SageMaker can't take on the role ({said}): its trust policy must name "
            "sagemaker.amazonaws.com; a role made a moment ago needs a minute."
        )
    return f"AWS answers {code}: {said}."


def _attempts(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) + 1


def _trouble(error: BotoCoreError) -> str:
    if isinstance(error, NO_CREDENTIALS):
        return f"there are no usable AWS credentials ({error}): sign in (aws login), {WAYS_OUT}."
    if isinstance(error, aws.NoRegionError):
        return f"no AWS region is set: set launcher.region, {WAYS_OUT}."
    if isinstance(error, NO_NETWORK):
        return f"AWS can't be reached ({error}): try again when the network is back."
    if isinstance(error, aws.ParamValidationError):
        return f"the request isn't one that the service takes: {' '.join(str(error).split())}"
    return f"{error}"
