"""From where a host's addresses can be reached, and which of them a redirect may lead to.

A server on the internet must not make this machine request what only it can reach: itself, its
network, the metadata service of a cloud (OWASP, Server-Side Request Forgery Prevention).
"""

import socket
from collections.abc import Sequence
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from dogbreed.serving.web.urls import not_fetched

Address = IPv4Address | IPv6Address

# Carriers' NAT (RFC 6598), for which Python's is_private is false.
_CARRIER_NAT = ip_network("100.64.0.0/10")
# Metadata services of clouds, beside 169.254.169.254: AWS (over IPv6), Alibaba, Azure.
_METADATA = frozenset(map(ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
# Prefixes of IPv6 addresses that stand for an IPv4 address, and the bit at which that starts:
# compatible (RFC 4291, 2.5.5.1), NAT64 (RFC 6052) and 6to4 (RFC 3056).
_EMBEDDING = (
    (IPv6Network("::/96"), 96),
    (IPv6Network("::ffff:0:0/96"), 96),
    (IPv6Network("64:ff9b::/96"), 96),
    (IPv6Network("2002::/16"), 16),
)


class Reach(IntEnum):
    """From where an address can be reached: a higher value means from fewer places."""

    INTERNET = 0
    NETWORK = 1
    MACHINE = 2
    LINK = 3  # clouds' metadata services; also what isn't a single host's address


def reach_of(address: Address) -> Reach:
    """From where an address, or the IPv4 address that it embeds, can be reached."""
    if isinstance(address, IPv6Address):
        for network, first_bit in _EMBEDDING:
            if address in network and int(address) > 1:  # :: and ::1 are themselves
                bits = int(address) >> (96 - first_bit) & 0xFFFF_FFFF
                return reach_of(IPv4Address(bits))
    if address.is_loopback:
        return Reach.MACHINE
    if address in _METADATA or address.is_link_local:
        return Reach.LINK
    if address.is_multicast or address.is_unspecified:
        return Reach.LINK
    if isinstance(address, IPv6Address) and address.is_site_local:
        return Reach.NETWORK
    if address in _CARRIER_NAT:
        return Reach.NETWORK
    if address.is_reserved:
        return Reach.LINK
    return Reach.NETWORK if not address.is_global else Reach.INTERNET


def addresses_of(host: str, port: int, *, numeric: bool = False) -> list[Address]:
    """A host's addresses, the preferred one first; `numeric`: no name is resolved.

    Raises:
        OSError: it has none, as socket.getaddrinfo raises.
    """
    flags = socket.AI_NUMERICHOST if numeric else 0
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(ip_address(str(each[4][0])) for each in found))


def allowed(addresses: Sequence[Address], redirected_by: Sequence[Address] | None) -> list[Address]:
    """Those of a host's addresses that a redirect of a server at `redirected_by` may lead to.

    Allowed are the server's own addresses, and those with a reach that is no higher than theirs. A
    server without a known address counts as on the internet. With None (a URL that is no redirect)
    every address is allowed.

    Raises:
        PhotoError: it has addresses, and none of them is allowed.
    """
    if redirected_by is None:
        return list(addresses)
    highest = max(map(reach_of, redirected_by), default=Reach.INTERNET)
    found = [
        each
        for each in addresses
        if each in redirected_by or (reach_of(each) <= highest and reach_of(each) < Reach.LINK)
    ]
    if addresses and not found:
        raise not_fetched(
            "it redirects to an address of this machine or its network: if you trust that, give "
            "that address as the URL"
        )
    return found
