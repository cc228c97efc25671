"""The limits on connections, by the number of files that the process may have open."""

import resource
from contextlib import suppress
from dataclasses import dataclass

BACKLOG = 1024  # connections that wait to be accepted
KEEP_ALIVE_S = 75  # longer than most proxies' 60 s: the proxy must close first
MAX_SERVED, MAX_REFUSED = 512, 4096
MIN_CLIENTS = 4  # it takes this many clients to use all connections
# For worker processes' pipes, the log, the event loop, libraries.
RESERVED_FILES = 64


@dataclass(frozen=True)
class ConnectionLimits:
    """Connections that are served at once, beyond which requests get 429, and that may be open."""

    served: int
    open: int

    @property
    def served_each(self) -> int:
        """The limit for one client."""
        return max(1, self.served // MIN_CLIENTS)

    @property
    def open_each(self) -> int:
        """The limit for one client."""
        return max(1, self.open // MIN_CLIENTS)


def connection_limits() -> ConnectionLimits:
    """The limits of this process, whose limit on open files is raised as far as they need.

    A process begins with a soft limit of 1,024 on most systems, and may raise it to the hard limit.
    """
    wanted = RESERVED_FILES + MAX_SERVED + MAX_REFUSED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY not in (soft, hard):
        soft = max(soft, min(wanted, hard))
    elif soft != resource.RLIM_INFINITY:
        soft = max(soft, wanted)
    with suppress(ValueError, OSError):  # some systems allow less than they report
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return limits_for(wanted if files == resource.RLIM_INFINITY else files)


def limits_for(files: int) -> ConnectionLimits:
    """The limits of a process that may have `files` files open."""
    max_open = max(2, min(files - RESERVED_FILES, MAX_SERVED + MAX_REFUSED))
    return ConnectionLimits(served=min(MAX_SERVED, max_open // 2), open=max_open)
