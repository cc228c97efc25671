"""AWS errors translated into one-sentence CloudErrors that name the next step."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from dogbreed.errors import CloudError

EXPIRED = ("ExpiredToken", "ExpiredTokenException")
UNKNOWN_KEYS = (
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
)
DENIED = ("AccessDenied", "AccessDeniedException", "403", "UnauthorizedOperation")
THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException", "SlowDown")
# Codes of "no such resource": of CloudWatch, SageMaker's jobs, Logs, EventBridge Scheduler,
# Application Auto Scaling, S3 and IAM.
MISSING_CODES = (
    *("ResourceNotFound", "ResourceNotFoundException", "ObjectNotFoundException"),
    *("NoSuchKey", "NoSuchUpload", "NoSuchBucket", "NoSuchEntity", "NotFound", "404"),
)
EXISTING_CODES = ("ResourceInUse", "ConflictException")
# For models, endpoints and others SageMaker has one code for everything: there the text decides.
INVALID = ("ValidationException", "ValidationError")
LIMITED = ("ResourceLimitExceeded",)
# S3 has codes of its own for a wrong clock. RequestExpired is among SageMaker's common errors: the
# request's date is more than 15 minutes off. Other services call the signature invalid and begin
# their message with these words (aws/aws-sdk-js#1652, aws-amplify/amplify-js#7913).
SKEWED = ("RequestTimeTooSkewed", "RequestInTheFuture", "RequestExpired")
SKEWED_MESSAGES = ("signature not yet current", "signature expired")
MISSING = (
    *("could not find", "unable to find", "can't find", "cannot find"),
    *("not found", "does not exist"),
)
EXISTING = ("already exist",)
# Another deployment of the endpoint is in progress.
IN_PROGRESS = ("already existing endpoint", "in-progress endpoint")
# The word Debugger by itself, not as part of a name such as a role's.
DEBUGGER = re.compile(r"(?<![\w/:-])debugger(?![\w/:-])", re.IGNORECASE)
OTHER_REGION = ("PermanentRedirect", "301", "AuthorizationHeaderMalformed")

NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.UnauthorizedSSOTokenError,
    exceptions.SSOTokenLoadError,
    exceptions.ProfileNotFound,
)
NO_NETWORK = (exceptions.HTTPClientError, exceptions.ConnectionError)


@contextmanager
def translate_errors(doing: str, *, alternative: str = "") -> Iterator[None]:
    """Turn boto3 exceptions in the block into CloudErrors; `doing` names the failed operation.

    `alternative` ends the sentence if credentials or a region are missing: what works without them.

    Raises:
        CloudError: one sentence with AWS's message and the next step.
    """
    try:
        yield
    except ClientError as error:
        raise CloudError(f"{doing}: {_client_error(error)}") from error
    except BotoCoreError as error:
        raise CloudError(f"{doing}: {_local_error(error, alternative)}") from error


def code_of(error: BaseException | None) -> str:
    """The service's error code; empty for errors that no service returned."""
    if not isinstance(error, ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))


def tries(error: ClientError) -> int:
    """How often botocore has sent the request."""
    return int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) + 1


def is_missing(error: ClientError) -> bool:
    """Whether the error means that the resource doesn't exist."""
    return code_of(error) in MISSING_CODES or _is_invalid(error, MISSING)


def is_existing(error: ClientError) -> bool:
    """Whether the error means that a resource of this name exists already."""
    return code_of(error) in EXISTING_CODES or _is_invalid(error, EXISTING)


def is_in_progress(error: ClientError) -> bool:
    """Whether the error means that another deployment of the endpoint is in progress."""
    return _is_invalid(error, IN_PROGRESS)


def _is_invalid(error: ClientError, phrases: tuple[str, ...]) -> bool:
    """Whether SageMaker's code for any invalid request comes with one of the phrases."""
    text = str(error.response.get("Error", {}).get("Message", "")).lower()
    return code_of(error) in INVALID and any(words in text for words in phrases)


def is_unknown(error: BaseException | None) -> bool:
    """Whether the request may have succeeded despite this error (server or network error)."""
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
    return isinstance(error, NO_NETWORK)


def _client_error(error: ClientError) -> str:
    """The sentence of an error: by its code, and by its message where codes mean many things."""
    code = code_of(error)
    message = str(error.response.get("Error", {}).get("Message", "")).strip().rstrip(".")
    if code in SKEWED or (code in UNKNOWN_KEYS and message.lower().startswith(SKEWED_MESSAGES)):
        return (
            f"AWS refuses the time of the request ({message}): set this machine's clock "
            "(timedatectl set-ntp true); the credentials may be right."
        )
    if code in EXPIRED:
        return "the AWS credentials have expired: sign in again (aws login, aws sso login)."
    # A response to HEAD has no body and thus no code: S3 answers 400 to an expired token.
    if code == "400" and error.operation_name.startswith("Head"):
        return (
            f"AWS answers {error.operation_name} with 400 and no reason: the credentials may have "
            "expired: sign in again (aws login, aws sso login)."
        )
    if code in UNKNOWN_KEYS:
        return f"AWS doesn't know these credentials ({code}): sign in again or fix the profile."
    if code in (*INVALID, *DENIED) and (sentence := _by_message(message)):
        return sentence
    if code in DENIED:
        return (
            f"AWS doesn't allow it ({message or code}): grant the user or the role "
            "(launcher.role) that permission."
        )
    if code in LIMITED:
        return (
            f"the account's quota is too small ({message}): request an increase under Service "
            "Quotas, or take another launcher.instance_type or deploy.instance_type, fewer "
            "instances or a smaller search.parallel."
        )
    if code in THROTTLED:
        return f"AWS throttles the requests, after {tries(error)} tries: try again in a minute."
    if code in OTHER_REGION:
        return (
            f"the bucket is in another region ({message}): set launcher.region or launcher.bucket."
        )
    if code in ("NoSuchBucket", "404"):
        return "there is no such bucket: create it, or set launcher.bucket to one of yours."
    if code == "NoSuchEntity":
        return (
            f"the account has no such role ({message}): create it (launch/iam/), or set "
            "launcher.role to the name or ARN of one that exists."
        )
    return f"AWS answers {code}: {message}."


def _by_message(message: str) -> str | None:
    """The sentence of an invalid or denied request, if its message is known."""
    lower = message.lower()
    # The wording of this error isn't documented (November 2026).
    if DEBUGGER.search(message):
        return (
            f"this account can't use SageMaker Debugger, which is closed to new customers "
            f"({message}): set cloud_debugger=false, the default. The report has the same findings."
        )
    if "scheduler to assume" in lower:
        return (
            f"the scheduler can't assume the role ({message}): its trust policy must be as in "
            "launch/iam/scheduler-trust.json, or name another role with deploy.ttl_role; a new or "
            "changed role takes a minute to become active."
        )
    if "could not access model data" in lower:
        return (
            f"the serving role can't read the model ({message}): grant it the permissions of "
            "launch/iam/serving.json, or name a role that has them as deploy.role."
        )
    if "cross-account pass role" in lower:
        return (
            f"the role is in another account ({message}): set launcher.role (or deploy.role) to a "
            "role of the account that you are signed in to."
        )
    if "assume role" in lower:
        return (
            f"SageMaker can't assume the role ({message}): check that it exists and that its trust "
            "policy is as in launch/iam/training-trust.json or serving-trust.json, and names "
            "sagemaker.amazonaws.com, or set launcher.role (or deploy.role) to another; a new role "
            "takes a minute to become active."
        )
    return None


def _local_error(error: BotoCoreError, alternative: str) -> str:
    if isinstance(error, NO_CREDENTIALS):
        return f"there are no usable AWS credentials ({error}): sign in (aws login){alternative}."
    if isinstance(error, exceptions.NoRegionError):
        return f"no AWS region is set: set launcher.region{alternative}."
    if isinstance(error, NO_NETWORK):
        return f"AWS can't be reached ({error}): check the network and try again."
    if isinstance(error, exceptions.ParamValidationError):
        return f"the request isn't valid for the service: {' '.join(str(error).split())}"
    return f"{error}"
