"""The server's open connections: which are answered, and which go where there is no room."""

from typing import Protocol

from dogbreed.serving.http.client_limits import Shares
from dogbreed.serving.http.limits import ConnectionLimits


class Connection(Protocol):
    """One of them."""

    client_name: str

    def let_go(self) -> None:
        """Close it at once."""


class Connections:
    """All of them, by client.

    One that waits for its client, for a request's head or the next request, costs a file and no
    more: it keeps nobody else's request from being answered, and is closed where its client, or
    all together, have too many. The one that has waited longest goes first.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._open = Shares(limits.open, limits.open_each)
        self._answered = Shares(limits.answered, limits.answered_each)
        self._all: set[Connection] = set()
        self._answering: set[Connection] = set()
        self._waiting: dict[str, dict[Connection, None]] = {}  # of each client, the longest first

    def opened(self, connection: Connection) -> bool:
        """Whether there is room for a new one; another may be let go for it."""
        client = connection.client_name
        if not self._open.fit(client):
            self._let_one_go(client)
        if not self._open.fit(client):
            return False
        self._open.add(client)
        self._all.add(connection)
        self._wait(connection)
        return True

    def closed(self, connection: Connection) -> None:
        """It is gone, or goes."""
        if connection in self._all:
            self.answered(connection)
            self._all.remove(connection)
            self._open.add(connection.client_name, -1)
            self._stop_waiting(connection)

    def requested(self, connection: Connection) -> bool:
        """A request's head is there: whether it is answered, or its client has too many."""
        client = connection.client_name
        if connection in self._answering:  # it sends the next before it has its answer
            return True
        if connection not in self._all or not self._answered.fit(client):
            return False
        self._answered.add(client)
        self._answering.add(connection)
        self._stop_waiting(connection)
        return True

    def answered(self, connection: Connection) -> None:
        """All that it has requested is answered."""
        if connection in self._answering:
            self._answering.remove(connection)
            self._answered.add(connection.client_name, -1)
            self._wait(connection)

    def _let_one_go(self, client: str) -> None:
        """Close one that waits: of this client if it has too many, else of who has the most."""
        waiting = self._waiting
        if len(self._all) >= self._limits.open:
            client = max(waiting, key=lambda each: len(waiting[each]), default=client)
        longest = next(iter(waiting.get(client, ())), None)
        if longest is not None:
            self.closed(longest)
            longest.let_go()

    def _wait(self, connection: Connection) -> None:
        self._waiting.setdefault(connection.client_name, {})[connection] = None

    def _stop_waiting(self, connection: Connection) -> None:
        client = connection.client_name
        waiting = self._waiting.get(client, {})
        waiting.pop(connection, None)
        if not waiting:
            self._waiting.pop(client, None)
