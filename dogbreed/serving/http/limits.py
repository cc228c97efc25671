"""How many connections the server takes, by the files that its process may have open."""

import resource
from contextlib import suppress
from dataclasses import dataclass

BACKLOG = 1024  # connections that wait to be taken
KEEP_ALIVE_S = 75  # longer than the 60 s of most proxies, which must be the ones to close
MAX_ANSWERED, MAX_REFUSED = 512, 4096
CLIENTS_AT_LEAST = 4  # must come together to take all of them
# Worker processes' pipes, the log, the event loop, what libraries open.
RESERVED_FILES = 64


@dataclass(frozen=True)
class ConnectionLimits:
    """So many connections are answered at once, more get 429; so many are open, others closed."""

    answered: int
    open: int

    @property
    def answered_each(self) -> int:
        """Of one client's."""
        return max(1, self.answered // CLIENTS_AT_LEAST)

    @property
    def open_each(self) -> int:
        """Of one client's."""
        return max(1, self.open // CLIENTS_AT_LEAST)


def connection_limits() -> ConnectionLimits:
    """The limits, once this process may open as many files as they need or as the system allows.

    A process begins with a soft limit of 1,024 on most systems, and may raise it to the hard one.
    """
    wanted = RESERVED_FILES + MAX_ANSWERED + MAX_REFUSED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY not in (soft, hard):
        soft = max(soft, min(wanted, hard))
    elif soft != resource.RLIM_INFINITY:
        soft = max(soft, wanted)
    with suppress(ValueError, OSError):  # some systems allow less than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return limits_for(wanted if files == resource.RLIM_INFINITY else files)


def limits_for(files: int) -> ConnectionLimits:
    """The limits of a process that may have so many files open."""
    most = max(2, min(files - RESERVED_FILES, MAX_ANSWERED + MAX_REFUSED))
    return ConnectionLimits(answered=min(MAX_ANSWERED, most // 2), open=most)
