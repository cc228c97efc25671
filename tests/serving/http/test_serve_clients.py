"""What each client of the server may hold: shares, and whom an address counts for."""

import pytest

from dogbreed.serving.http.client_limits import Shares, client_of


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
    shares = Shares(total=5, each=4)
    shares.add("a", 4)
    assert not shares.fit("a")
    assert shares.fit("b")
    assert not shares.fit("b", 2)
    shares.add("b")
    assert not shares.fit("c"), "nothing is left"
    shares.add("a", -4)
    assert shares.held == 1
    assert shares.fit("a", 4)
    shares.add("b", -1)
    assert not shares._held, "who holds nothing is forgotten"
