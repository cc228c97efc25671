"""Looking at what goes on by itself in the account, again and again, in growing pauses."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.errors import NO_NETWORK, THROTTLED, code_of
from dogbreed.training.run_folder import log

# A look costs nothing but a request; the first ones come quickly, for what fails at once.
FIRST_PAUSE_S, LONGEST_PAUSE_S, GROWTH = 0.5, 15.0, 1.3
# So long a network may be away while the work goes on by itself.
LONGEST_SILENCE_S = 1800.0

Seen = TypeVar("Seen")


def looks(look: Callable[[], Seen]) -> Iterator[Seen]:
    """What each look sees; throttling and a network that drops only make it longer."""
    pause, silent_since = FIRST_PAUSE_S, None
    while True:
        try:
            seen = look()
        except ClientError as error:
            if code_of(error) not in THROTTLED:
                raise
        except NO_NETWORK:
            if silent_since is None:
                silent_since = time.monotonic()
                log.warning("AWS can't be reached; the work goes on by itself, still trying")
            elif time.monotonic() - silent_since > LONGEST_SILENCE_S:
                raise
        else:
            silent_since = None
            yield seen
        time.sleep(pause)
        pause = min(LONGEST_PAUSE_S, GROWTH * pause)
