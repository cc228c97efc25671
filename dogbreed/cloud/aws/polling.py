"""Poll the state of a job or endpoint with exponential backoff."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.errors import NO_NETWORK, THROTTLED, code_of
from dogbreed.training.run_folder import log

# The first polls follow quickly, for what fails immediately.
FIRST_PAUSE_S, MAX_PAUSE_S, GROWTH = 0.5, 15.0, 1.3
# Polling continues through an outage or throttling of this length, as the job runs without it.
MAX_OUTAGE_S = 1800.0

State = TypeVar("State")


def poll(describe: Callable[[], State]) -> Iterator[State]:
    """Yield the state again and again, without end; throttling and network outages are retried.

    Raises:
        ClientError: AWS refuses the request, or throttles requests for `MAX_OUTAGE_S`.
        BotoCoreError: the network was down for `MAX_OUTAGE_S`.
    """
    pause, failing_since = FIRST_PAUSE_S, None
    while True:
        try:
            state = describe()
        except (ClientError, *NO_NETWORK) as error:
            throttled = code_of(error) in THROTTLED
            if isinstance(error, ClientError) and not throttled:
                raise
            if failing_since is None:
                failing_since = time.monotonic()
                reason = "AWS throttles the requests" if throttled else "AWS can't be reached"
                log.warning("%s; the job continues, polling is retried", reason)
            elif time.monotonic() - failing_since > MAX_OUTAGE_S:
                raise
        else:
            failing_since = None
            yield state
        time.sleep(pause)
        pause = min(MAX_PAUSE_S, GROWTH * pause)
