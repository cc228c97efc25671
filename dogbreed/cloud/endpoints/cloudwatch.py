"""Read the log of an endpoint's server from CloudWatch."""

import time
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.errors import is_missing

LOG_GROUP = "/aws/sagemaker/Endpoints/{name}"
MAX_LINES = 2000


def log_lines(client: Any, name: str, minutes: float) -> list[str]:
    """The last lines of the last `minutes`, oldest first; errors are botocore's."""
    since = int(1000 * (time.time() - 60 * minutes))
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName=LOG_GROUP.format(name=name), startTime=since
    )
    lines: list[str] = []
    try:
        for page in pages:
            lines += [event["message"].rstrip("\n") for event in page["events"]]
            del lines[:-MAX_LINES]
    except ClientError as error:
        if not is_missing(error):  # an endpoint that never started has no log group
            raise
    return lines
