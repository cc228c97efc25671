"""Limits on what each client, and all clients together, use of a shared resource."""

import functools
import ipaddress
from collections import Counter


class ClientLimits:
    """The amounts in use, by client.

    Args:
        total: the limit for all clients together.
        each: the limit for one client.
    """

    def __init__(self, total: int, each: int) -> None:
        self._total = total
        self._each = each
        self._used_by = Counter[str]()
        self.used = 0

    def fit(self, client: str, amount: int = 1) -> bool:
        """Whether the client may use `amount` more."""
        if self.used + amount > self._total:
            return False
        return self._used_by[client] + amount <= self._each

    def add(self, client: str, amount: int = 1) -> None:
        """Count `amount` more for the client; less where it is negative."""
        self.used += amount
        self._used_by[client] += amount
        if not self._used_by[client]:
            del self._used_by[client]  # else it would grow with every client


@functools.lru_cache(1024)
def client_of(address: str) -> str:
    """The client of an address: the address itself, or for IPv6 its /64, a household's network."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
