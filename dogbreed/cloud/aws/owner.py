"""The owner of a resource: the caller who creates it, as the value of the tag `owner`."""

import re

from dogbreed.errors import CloudError

# Sessions that an SDK names by the time: each call of the same person has another. botocore and the
# AWS command line, then the SDKs for Go, Java and JavaScript.
_TIMED_SESSION = re.compile(r"(botocore-session|aws-go-sdk|aws-sdk-java|aws-sdk-js)-\d+")
_ARN = re.compile(
    r"arn:aws[a-z-]*:(?:iam|sts)::\d{12}:"
    r"(?:(?P<root>root)|user/(?:[^/]+/)*(?P<user>[^/]+)|federated-user/(?P<federated>[^/]+)"
    r"|assumed-role/(?P<role>[^/]+)/(?P<session>[^/]+))"
)

# Source: S3's user guide, "Safe characters", without those that an owner never has.
_UNSAFE = re.compile(r"[^A-Za-z0-9/_.-]")


def owner_of(arn: str) -> str:
    """The owner tag of a caller, from the ARN that STS returns.

    It is the name of a user, and ROLE/SESSION of an assumed role: under IAM Identity Center (SSO)
    the session is the person's e-mail. A session that an SDK names by the time is left out, as it
    is another one for each command. At most 129 characters.

    Raises:
        CloudError: it isn't the ARN of a caller.
    """
    found = _ARN.fullmatch(arn)
    if found is None:
        raise CloudError(
            f"AWS named the caller {arn!r}, which isn't the ARN of a user or a role: sign in with "
            "an IAM user, a role or IAM Identity Center."
        )
    name = found["root"] or found["user"] or found["federated"]
    if name is None:
        timed = _TIMED_SESSION.fullmatch(found["session"])
        name = found["role"] if timed else f"{found['role']}/{found['session']}"
    # The one character of IAM's names that no tag takes; no name has a colon.
    return name.replace(",", ":")


def as_folder(owner: str) -> str:
    """The owner in the key of an S3 object, in characters that are safe there."""
    return _UNSAFE.sub(lambda found: f"!{ord(found[0]):02x}", owner)


def from_folder(folder: str) -> str:
    """The owner that `as_folder` wrote."""
    return re.sub("!([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), folder)
