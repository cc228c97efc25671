"""The names and addresses that the server accepts in a request's Host and Origin.

A page of another site can have its own name lead to this machine (DNS rebinding); the browser then
takes the server for a part of that site, and lets the page read its responses. The name is still in
the request's Host. An address can't be made to lead elsewhere, and nobody else owns localhost.
"""

import functools
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from dogbreed.errors import ConfigError

_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_.-]{1,253}))(?::([0-9]{1,5}))?")


@dataclass(frozen=True)
class Authority:
    """A host, in lower case and without brackets, and its port if one is given."""

    host: str
    port: int | None

    @property
    def is_loopback(self) -> bool:
        """Whether it is a loopback address or localhost."""
        address = _address(self.host)
        return self.host == "localhost" or (address is not None and address.is_loopback)


@functools.lru_cache(256)
def authority(text: str) -> Authority | None:
    """The host and port of a Host header or of the end of an Origin; None if invalid."""
    found = _AUTHORITY.fullmatch(text.lower())
    if found is None:
        return None
    inside_brackets, plain, port = found.groups()
    if inside_brackets is not None and _address(inside_brackets) is None:
        return None
    return Authority(canonical(inside_brackets or plain), int(port) if port else None)


def canonical(host: str) -> str:
    """An address in canonical form (IPv4 for one mapped into IPv6), a name in lower case."""
    address = _address(host)
    return host.lower() if address is None else str(address)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached only from this machine."""
    return Authority(canonical(host), None).is_loopback


class Hosts:
    """The accepted hosts.

    Args:
        named: `hosts=[...]`: names and addresses, without a port.
        listening: `host=...`, which is accepted too.

    Raises:
        ConfigError: one of them is neither a name nor an address.
    """

    def __init__(self, named: Iterable[str], listening: str = "localhost") -> None:
        self._named = frozenset(map(_checked, named))
        self._listening = canonical(listening)

    def accept(self, host: Authority, server_address: str) -> bool:
        """Whether a host is accepted; `server_address`: the server's address of the connection."""
        accepted = (self._listening, canonical(server_address))
        return host.is_loopback or host.host in accepted or host.host in self._named

    def are_named(self, host: Authority) -> bool:
        """Whether the host is one of `hosts=[...]`."""
        return host.host in self._named


def _checked(name: str) -> str:
    found = authority(f"[{name}]" if ":" in name and "[" not in name else name)
    if found is None or found.port is not None:
        raise ConfigError(
            f"hosts=[{name}]: write names and addresses, without http:// and port: "
            "hosts=[photos.example.org,192.0.2.7]."
        )
    return found.host


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
