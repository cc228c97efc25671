"""Poll the state of a job or endpoint with exponential backoff."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.errors import NO_NETWORK, THROTTLED, code_of
from dogbreed.training.run_folder import log

# The first polls follow quickly, for what fails immediately.
FIRST_PAUSE_S, MAX_PAUSE_S, GROWTH = 0.5, 15.0, 1.3
# Polling continues through a network outage of this length, as the job runs without it.
MAX_OUTAGE_S = 1800.0

State = TypeVar("State")


def poll(describe: Callable[[], State]) -> Iterator[State]:
    """Yield the state again and again, without end; throttling and network outages are retried.

    Raises:
        ClientError: AWS refuses the request.
        BotoCoreError: the network was down for `MAX_OUTAGE_S`.
    """
    pause, offline_since = FIRST_PAUSE_S, None
    while True:
        try:
            state = describe()
        except ClientError as error:
            if code_of(error) not in THROTTLED:
                raise
        except NO_NETWORK:
            if offline_since is None:
                offline_since = time.monotonic()
                log.warning("AWS can't be reached; the job continues, polling is retried")
            elif time.monotonic() - offline_since > MAX_OUTAGE_S:
                raise
        else:
            offline_since = None
            yield state
        time.sleep(pause)
        pause = min(MAX_PAUSE_S, GROWTH * pause)
