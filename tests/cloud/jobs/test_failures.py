"""What to do about failed jobs, by SageMaker's reason."""

import pytest

from dogbreed.cloud.jobs.failures import with_hint

LIMIT, WAIT = "launcher.max_run_minutes", "launcher.max_wait_minutes"
MISSING, DENIED = "the same command lists the photos again", "grant it s3:GetObject"


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("MaxRuntimeExceeded", LIMIT),
        ("MaxWaitTimeExceeded", WAIT),
        ("CapacityError: Unable to provision requested ML compute capacity", "instance_type=["),
        # As the emulated service words it, and in other wordings.
        ("ClientError: An error occurred (404) when calling HeadObject: Not Found", MISSING),
        ("ClientError: Data download failed:NoSuchKey (404): The key does not exist.", MISSING),
        ('ClientError: Data download failed: No S3 objects found under "s3://b/p"', MISSING),
        ("InternalServerError: the download failed\nwith NoSuchKey", MISSING),
        ("ClientError: An error occurred (403) when calling HeadObject: Forbidden", DENIED),
        ("ClientError: Data download failed:AccessDenied: Access Denied", DENIED),
    ],
)
def test_a_known_reason_has_a_hint(reason: str, hint: str) -> None:
    shown = with_hint(reason)
    assert shown.startswith(f"{reason.rstrip('.')}. ")
    assert hint in shown
    assert shown.endswith(".")


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "The weights can't be downloaded: the server answers 404 (not found).",
        "photos/404.jpg can't be read: it is truncated.",
        "ClientError: Data download failed: the manifest s3://b/3404a/m.json lists no objects",
    ],
)
def test_other_reasons_are_left_as_they_are(reason: str) -> None:
    assert with_hint(reason) == reason
