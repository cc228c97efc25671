"""The limits of each client of the server, and the client of an address."""

import pytest

from dogbreed.serving.http.client_limits import ClientLimits, client_of


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("::1", "127.0.0.1", False),
        ("testclient", "testclient", True),
    ],
)
def test_a_client_is_an_address_or_a_network_of_ipv6(one: str, other: str, same: bool) -> None:
    assert (client_of(one) == client_of(other)) == same


def test_one_client_leaves_something_to_others() -> None:
    limits = ClientLimits(total=5, each=4)
    limits.add("a", 4)
    assert not limits.fit("a")
    assert limits.fit("b")
    assert not limits.fit("b", 2)
    limits.add("b")
    assert not limits.fit("c"), "nothing is left"
    limits.add("a", -4)
    assert limits.used == 1
    assert limits.fit("a", 4)
    limits.add("b", -1)
    assert not limits._used_by, "a client that uses nothing is removed"
