"""Where a redirect may lead: never further inside than the server that sends it is."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from threading import Thread
from typing import Any

import pytest

from dogbreed.errors import PhotoError
from dogbreed.serving.web import addresses as hosts
from dogbreed.serving.web.addresses import Address, Reach, allowed, reach_of
from dogbreed.serving.web.fetch import fetch

REACH = {
    Reach.INTERNET: "8.8.8.8 93.184.216.34 2606:4700::1111 64:ff9b::808:808 ::ffff:8.8.8.8",
    Reach.NETWORK: (
        "10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 198.18.0.1 192.0.2.1 fd00::1 fec0::1 "
        "::ffff:10.0.0.1 64:ff9b::a00:1 2002:a00:1::1 ::10.0.0.1 2001:db8::1"
    ),
    Reach.MACHINE: (
        "127.0.0.1 127.8.8.8 ::1 ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::"
    ),
    Reach.LINK: (
        "169.254.169.254 169.254.1.1 fe80::1 fe80::1%2 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe "
        "fd00:ec2::254 100.100.100.200 168.63.129.16 0.0.0.0 :: 224.0.0.1 ff02::1 240.0.0.1 "
        "255.255.255.255 ::ffff:0.0.0.0"
    ),
}
PUBLIC, PRIVATE, OWN, LINK = map(ip_address, ("8.8.8.8", "10.0.0.1", "127.0.0.1", "169.254.7.7"))


@pytest.mark.parametrize("reach", REACH)
def test_from_where_an_address_can_be_reached(reach: Reach) -> None:
    for text in REACH[reach].split():
        assert reach_of(ip_address(text)) == reach, text


@pytest.mark.parametrize(
    ("server", "place", "may"),
    [
        (PUBLIC, PUBLIC, True),
        (PUBLIC, PRIVATE, False),
        (PUBLIC, OWN, False),
        (PUBLIC, LINK, False),
        (PRIVATE, PUBLIC, True),
        (PRIVATE, ip_address("192.168.9.9"), True),
        (PRIVATE, OWN, False),
        (PRIVATE, LINK, False),
        (OWN, PRIVATE, True),
        (OWN, ip_address("::1"), True),
        (OWN, LINK, False),
        (LINK, LINK, True),
        (LINK, ip_address("169.254.169.254"), False),
    ],
)
def test_a_redirect_never_leads_further_inside(server: Address, place: Address, may: bool) -> None:
    assert allowed([place], None) == [place], "what the user typed himself may be anywhere"
    if may:
        assert allowed([place], [server]) == [place]
    else:
        with pytest.raises(PhotoError, match="redirects to an address of this machine or its net"):
            allowed([place], [server])


def test_of_several_addresses_those_outside_are_taken() -> None:
    assert allowed([OWN, PUBLIC, LINK], [PUBLIC]) == [PUBLIC]
    assert allowed([PRIVATE], [PRIVATE, PUBLIC]) == [PRIVATE]
    assert allowed([], ()) == [], "a name behind a proxy"
    with pytest.raises(PhotoError):
        allowed([OWN], ())


class Handler(BaseHTTPRequestHandler):
    """Redirects to the place after its path's first word, else answers with a photo's bytes."""

    hosts: list[str]

    def do_GET(self) -> None:
        self.hosts.append(self.headers["Host"])
        _, _, place = self.path.partition("/to/")
        self.send_response(302 if place else 200)
        if place:
            self.send_header("Location", place)
        self.end_headers()
        self.wfile.write(b"photo")

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server on all of loopback, of which 127.0.0.2 counts as the internet.

    Names: public.example is there, inside.example on 127.0.0.1, turning.example first there, then
    here, both.example at both.
    """
    looked_up = socket.getaddrinfo
    turning = iter(["127.0.0.2"] + 9 * ["127.0.0.1"])
    names = {
        "public.example": lambda: ["127.0.0.2"],
        "inside.example": lambda: ["127.0.0.1"],
        "turning.example": lambda: [next(turning)],
        "both.example": lambda: ["127.0.0.1", "127.0.0.2"],
    }

    def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        found = names[host]() if host in names and not options.get("flags") else [host]
        return [each for address in found for each in looked_up(address, *arguments, **options)]

    outside = ip_address("127.0.0.2")
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(
        hosts,
        "reach_of",
        lambda address: Reach.INTERNET if address == outside else reach_of(address),
    )
    monkeypatch.setenv("no_proxy", "*")
    Handler.hosts = []
    with ThreadingHTTPServer(("0.0.0.0", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "inside.example", "2130706433", "0x7f000001", "017700000001"),
        *("127.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "0", "169.254.169.254", "10.0.0.1"),
    ],
)
def test_the_internet_leads_to_no_address_inside(port: int, host: str) -> None:
    with pytest.raises(PhotoError, match="redirects to an address of this machine"):
        fetch(f"http://public.example:{port}/to/http://{host}:{port}/secret")
    assert Handler.hosts == [f"public.example:{port}"]


def test_a_name_that_turns_inside_is_asked_once(port: int) -> None:
    with pytest.raises(PhotoError, match="redirects to an address of this machine"):
        fetch(f"http://turning.example:{port}/to/http://turning.example:{port}/secret")
    assert len(Handler.hosts) == 1


def test_what_is_typed_and_what_stays_outside_is_fetched(port: int) -> None:
    for host in ("127.0.0.1", "inside.example", "both.example", "public.example"):
        assert fetch(f"http://{host}:{port}/a") == b"photo"
    for first, second in (
        ("public.example", "public.example"),
        ("public.example", "both.example"),
        ("inside.example", "public.example"),
        ("127.0.0.1", "localhost"),
    ):
        assert fetch(f"http://{first}:{port}/to/http://{second}:{port}/a") == b"photo"


def test_through_a_proxy_a_redirect_leads_to_no_address_inside(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    url = "http://somewhere.example/to/http://{}/a"
    assert fetch(url.format("elsewhere.example")) == b"photo"
    for host in ("127.0.0.1", "2130706433", "localhost", "a.localhost", "169.254.169.254", "[::1]"):
        with pytest.raises(PhotoError, match="redirects to an address of this machine"):
            fetch(url.format(host))
    assert fetch("http://127.0.0.1/a") == b"photo"
