"""What AWS answers when it doesn't do what was asked, as one sentence with the next step."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as aws
from botocore.exceptions import BotoCoreError, ClientError

from dogbreed.errors import CloudError

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
# How services say that there is no such thing.
NOT_THERE = (
    *("could not find", "unable to find", "can't find", "cannot find"),
    *("not found", "does not exist"),
)
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
def translate_errors(doing: str, *, way_out: str = "") -> Iterator[None]:
    """Turn what boto raises in the block into a CloudError; `doing` says what was tried.

    `way_out` ends the sentence where credentials or a region are missing: what goes without them.

    Raises:
        CloudError: one sentence: what AWS said, and what to do.
    """
    try:
        yield
    except ClientError as error:
        raise CloudError(f"{doing}: {_refusal(error)}") from error
    except BotoCoreError as error:
        raise CloudError(f"{doing}: {_trouble(error, way_out)}") from error


def code_of(error: BaseException | None) -> str:
    """The service's word for what is wrong; empty for an error that isn't a service's."""
    if not isinstance(error, ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_missing(error: ClientError) -> bool:
    """Whether a service says with this error that there is no such thing."""
    return any(words in str(error).lower() for words in NOT_THERE)


def is_unknown(error: BaseException | None) -> bool:
    """Whether a request that ended in this may have been carried out all the same."""
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
    return isinstance(error, NO_NETWORK)


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
            "take another launcher.instance_type or deploy.instance_type, fewer instances or a "
            "smaller search.parallel."
        )
    if code in THROTTLED:
        return f"AWS asks to slow down, after {_attempts(error)} attempts: try again in a minute."
    if code in ELSEWHERE:
        return (
            f"the bucket lies in another region ({said}): set launcher.region or launcher.bucket."
        )
    if code in ("NoSuchBucket", "404"):
        return "there is no such bucket: create it, or set launcher.bucket to one of yours."
    if "scheduler to assume" in said.lower():
        return (
            f"the scheduler can't take on the role ({said}): its trust policy must be as in "
            "launch/iam/scheduler-trust.json, or name another role with deploy.ttl_role; a role "
            "made or changed a moment ago needs a minute."
        )
    if "could not access model data" in said.lower():
        return (
            f"the role that serves can't read the model ({said}): give it the rights of "
            "launch/iam/serving.json, or name a role that has them as deploy.role."
        )
    if "assume role" in said.lower():
        return (
            f"SageMaker can't take on the role ({said}): its trust policy must be as in "
            "launch/iam/training-trust.json or serving-trust.json, and name "
            "sagemaker.amazonaws.com; a role made a moment ago needs a minute."
        )
    return f"AWS answers {code}: {said}."


def _attempts(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) + 1


def _trouble(error: BotoCoreError, way_out: str) -> str:
    if isinstance(error, NO_CREDENTIALS):
        return f"there are no usable AWS credentials ({error}): sign in (aws login){way_out}."
    if isinstance(error, aws.NoRegionError):
        return f"no AWS region is set: set launcher.region{way_out}."
    if isinstance(error, NO_NETWORK):
        return f"AWS can't be reached ({error}): try again when the network is back."
    if isinstance(error, aws.ParamValidationError):
        return f"the request isn't one that the service takes: {' '.join(str(error).split())}"
    return f"{error}"
