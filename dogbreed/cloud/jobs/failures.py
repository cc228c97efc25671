"""What to do about jobs that ended before or without any code of this package, by their reason."""

import re

from dogbreed.cloud.jobs.capacity import NO_CAPACITY

# The wording of failed downloads isn't documented, so only code and number are looked for.
_DOWNLOAD = r"(?:^ClientError\b|download failed)(?s:.*)"
_CAPACITY = (
    "The same command tries again; with launcher.instance_type=[FIRST,SECOND] SageMaker takes the "
    "first type that has capacity."
)
_TOOLKIT = (
    "The container didn't start: an image of your own (launcher.image_uri) needs SageMaker's "
    "training toolkit (pip install sagemaker-pytorch-training), which runs as `train`."
)
# Expressions that are searched for in SageMaker's reason, and the sentences for the user.
_HINTS = {
    **dict.fromkeys(map(re.escape, NO_CAPACITY), _CAPACITY),
    "CannotStartContainerError": _TOOLKIT,
    "executable file not found": _TOOLKIT,
    "InstallRequirementsError": (
        "The job's packages weren't installed: its log says why. launcher.install=index takes them "
        "from an index, launcher.install=none those of the image."
    ),
    r"\bMaxRuntimeExceeded\b": "The job reached its time limit: raise launcher.max_run_minutes.",
    r"\bMaxWaitTimeExceeded\b": (
        "Spot instances weren't available for long enough: raise launcher.max_wait_minutes, or set "
        "launcher.spot=false."
    ),
    rf"{_DOWNLOAD}(?:\b404\b|NoSuchKey|No S3 objects)": (
        "Photos, or other objects that the job reads, were deleted in S3 after the launch: the "
        "same command lists the photos again, and uploads what is missing."
    ),
    rf"{_DOWNLOAD}(?:\b403\b|AccessDenied)": (
        "The role of the jobs (launcher.role) may not read the photos: grant it s3:GetObject on "
        "them, and kms:Decrypt if they are encrypted with a key; without s3:ListBucket a deleted "
        "photo has the same error."
    ),
}


def with_hint(reason: str) -> str:
    """A job's failure reason, and what to do about it if that is known."""
    for sign, hint in _HINTS.items():
        if re.search(sign, reason):
            return f"{reason.rstrip('.')}. {hint}"
    return reason
