"""The server's open connections: which are served, and which are closed over the limit."""

from typing import Protocol

from dogbreed.serving.http.client_limits import ClientLimits
from dogbreed.serving.http.limits import ConnectionLimits


class Connection(Protocol):
    """An open connection."""

    client_name: str

    def abort(self) -> None:
        """Close it at once."""


class Connections:
    """All open connections, by client.

    An idle connection, which waits for a request's head, costs one file descriptor: it keeps no
    other request from being served, and is closed when its client, or all clients together, have
    too many. The one that has been idle longest is closed first.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._open = ClientLimits(limits.open, limits.open_each)
        self._served = ClientLimits(limits.served, limits.served_each)
        self._all: set[Connection] = set()
        self._serving: set[Connection] = set()
        self._idle: dict[str, dict[Connection, None]] = {}  # by client, the longest idle first

    def opened(self, connection: Connection) -> bool:
        """Whether a new connection is within the limits; an idle one may be closed for it."""
        client = connection.client_name
        if not self._open.fit(client):
            self._abort_idle(client)
        if not self._open.fit(client):
            return False
        self._open.add(client)
        self._all.add(connection)
        self._add_idle(connection)
        return True

    def closed(self, connection: Connection) -> None:
        """The connection is closed, or about to be."""
        if connection in self._all:
            self.answered(connection)
            self._all.remove(connection)
            self._open.add(connection.client_name, -1)
            self._remove_idle(connection)

    def requested(self, connection: Connection) -> bool:
        """A request's head is complete: whether it is served, or over its client's limit."""
        client = connection.client_name
        if connection in self._serving:  # the client pipelines requests
            return True
        if connection not in self._all or not self._served.fit(client):
            return False
        self._served.add(client)
        self._serving.add(connection)
        self._remove_idle(connection)
        return True

    def answered(self, connection: Connection) -> None:
        """All its requests are answered."""
        if connection in self._serving:
            self._serving.remove(connection)
            self._served.add(connection.client_name, -1)
            self._add_idle(connection)

    def _abort_idle(self, client: str) -> None:
        """Close an idle connection: this client's, or the largest client's if all are too many."""
        idle = self._idle
        if len(self._all) >= self._limits.open:
            client = max(idle, key=lambda each: len(idle[each]), default=client)
        longest = next(iter(idle.get(client, ())), None)
        if longest is not None:
            self.closed(longest)
            longest.abort()

    def _add_idle(self, connection: Connection) -> None:
        self._idle.setdefault(connection.client_name, {})[connection] = None

    def _remove_idle(self, connection: Connection) -> None:
        client = connection.client_name
        idle = self._idle.get(client, {})
        idle.pop(connection, None)
        if not idle:
            self._idle.pop(client, None)
