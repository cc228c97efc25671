"""What each client holds of something that all share: none gets it all."""

import functools
import ipaddress
from collections import Counter


class Shares:
    """How much each client holds.

    Args:
        total: so much is there for all.
        each: so much one may hold.
    """

    def __init__(self, total: int, each: int) -> None:
        self._total = total
        self._each = each
        self._held = Counter[str]()
        self.held = 0

    def fit(self, client: str, amount: int = 1) -> bool:
        """Whether the client may hold so much more."""
        return self.held + amount <= self._total and self._held[client] + amount <= self._each

    def add(self, client: str, amount: int = 1) -> None:
        """Note that the client holds so much more, or less."""
        self.held += amount
        self._held[client] += amount
        if not self._held[client]:
            del self._held[client]  # else it would grow with every client that ever came


@functools.lru_cache(1024)
def client_of(address: str) -> str:
    """Whom an address counts for: itself, or of IPv6 its /64, which one household has."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
