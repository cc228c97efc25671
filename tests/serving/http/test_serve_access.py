"""Access to the local endpoint: by Host, by the requesting site, by token; and every header."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from helpers.local_server import PATIENCE_S, Answer, LocalServer, answer_on, photo, serving

from dogbreed.errors import ConfigError
from dogbreed.serving.http.hosts import Hosts
from dogbreed.serving.http.page import static_files
from dogbreed.serving.http.security_headers import SECURITY_HEADERS
from dogbreed.serving.http.token import take_token

TOKEN = "a.token~of-this/server+1=="
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
Headers = dict[str, str]


@contextmanager
def with_stderr(
    folder: Path, model: Path, *arguments: str, **variables: str
) -> Iterator[tuple[LocalServer, Path]]:
    """A server, and the file of its stderr."""
    with (
        (folder / "stderr").open("wb") as file,
        serving(model, "threads=1", *arguments, stderr=file.fileno(), **variables) as started,
    ):
        yield started, folder / "stderr"


@pytest.fixture(scope="module")
def opened(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LocalServer, Path]]:
    """One that listens beyond this machine, without a token."""
    arguments = ("host=0.0.0.0", "hosts=[Dogs.Example.org,192.0.2.7,2001:DB8::7]")
    with with_stderr(tmp_path_factory.mktemp("opened"), tiny_model, *arguments) as both:
        yield both


@pytest.fixture(scope="module")
def server(opened: tuple[LocalServer, Path]) -> LocalServer:
    return opened[0]


@pytest.fixture(scope="module")
def guarded(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LocalServer, Path]]:
    """One with a token, on this machine alone."""
    folder = tmp_path_factory.mktemp("guarded")
    with with_stderr(folder, tiny_model, DOGBREED_TOKEN=TOKEN) as both:
        yield both


def raw(server: LocalServer, head: str, body: bytes = b"", address: str = "127.0.0.1") -> Answer:
    """The answer to a head as it is written, with \\n for ends of lines."""
    with socket.create_connection((address, server.port), timeout=PATIENCE_S) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode("latin-1") + body)
        response = http.client.HTTPResponse(connection, method=head.split()[0])
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())


def server_address() -> str | None:
    """This machine's address in its network."""
    for addresses in psutil.net_if_addrs().values():
        for each in addresses:
            if each.family == socket.AF_INET and not each.address.startswith("127."):
                return str(each.address)
    return None


GOOD_HOSTS = [
    "127.0.0.1:PORT",
    "localhost:PORT",
    "LocalHost",
    "[::1]:PORT",
    "127.0.0.1:9",  # a port that is passed on to this one
    "[::ffff:127.0.0.1]",
    "0.0.0.0:PORT",
    "dogs.example.org",
    "DOGS.example.org:443",
    "192.0.2.7:80",
    "[2001:db8:0::7]:80",
]
BAD_HOSTS = [
    "evil.test",
    "evil.test:PORT",
    "evil.dogs.example.org",
    "dogs.example.org.evil.test",
    "localhost.evil.test",
    "evil.localhost",
    "127.0.0.1.evil.test",
    "127.0.0.1.nip.io",
    "192.0.2.8",  # an address, and not its own
    "[2001:db8::8]",
    "127.1",
    "2130706433",
    "0x7f.1",
]
BROKEN_HOSTS = [
    "",
    "127.0.0.1, evil.test",
    "127.0.0.1@evil.test",
    "evil.test@127.0.0.1",
    "127.0.0.1:PORT:PORT",
    "127.0.0.1:http",
    "127.0.0.1/evil.test",
    "[127.0.0.1",
    "[evil.test]",
    "http://127.0.0.1",
    "b\xfccher.test",
]


@pytest.mark.parametrize("path", ["/ping", "/", "/metrics"])
@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_a_host_of_its_own_is_answered(server: LocalServer, host: str, path: str) -> None:
    host = host.replace("PORT", str(server.port))
    assert raw(server, f"GET {path} HTTP/1.1\nHost: {host}\n\n").status == 200


@pytest.mark.parametrize("path", ["/ping", "/", "/metrics", "/openapi.json", "/page.js", "/no"])
@pytest.mark.parametrize(("host", "status", "code"), [
    *((host, 421, "wrong_host") for host in BAD_HOSTS),
    *((host, 400, "bad_host") for host in BROKEN_HOSTS),
])  # fmt: skip
def test_another_host_is_refused(
    server: LocalServer, host: str, status: int, code: str, path: str
) -> None:
    host = host.replace("PORT", str(server.port))
    answer = raw(server, f"GET {path} HTTP/1.1\nHost: {host}\n\n")
    assert answer.refused == (status, code)


@pytest.mark.parametrize("head", [
    "GET / HTTP/1.1\n\n",
    "GET / HTTP/1.0\n\n",
    "GET / HTTP/1.1\nHost: 127.0.0.1\nHost: 127.0.0.1\n\n",
    "GET / HTTP/1.1\nHost: 127.0.0.1\nHost: evil.test\n\n",
    "GET / HTTP/1.1\nHost: evil.test\nhost: 127.0.0.1\n\n",
    "GET http://evil.test/ HTTP/1.1\nHost: 127.0.0.1\n\n",
    "GET http://127.0.0.1@evil.test/ HTTP/1.1\nHost: 127.0.0.1\n\n",
    "GET / HTTP/1.1\nX-Forwarded-Host: 127.0.0.1\nForwarded: host=127.0.0.1\n\n",
])  # fmt: skip
def test_a_request_is_for_one_host(server: LocalServer, head: str) -> None:
    assert raw(server, head).refused == (400, "bad_host")


def test_a_photo_for_another_host_is_refused_and_not_computed(server: LocalServer) -> None:
    before = server.metrics()["dogbreed_batch_photos_count"]
    assert server.send(photo(), headers={"Host": "evil.test"}).refused == (421, "wrong_host")
    assert server.metrics()["dogbreed_batch_photos_count"] == before
    assert server.send(photo(), headers={"Host": "dogs.example.org"}).status == 200


def test_refused_requests_are_counted_by_their_code(server: LocalServer) -> None:
    requests = [
        ("wrong_host", {"Host": "evil.test"}),
        ("bad_host", {"Host": "e:v:i:l"}),
        ("other_site", {"Origin": "http://evil.test"}),
    ]

    def served(metrics: dict[str, float]) -> float:
        return sum(metrics[each] for each in metrics if each.startswith("dogbreed_requests_total"))

    for code, headers in requests:
        name, before = f"dogbreed_refused_requests_total {code}", server.metrics()
        for path, method in (("/invocations", "POST"), ("/metrics", "GET")):
            assert server.send(path=path, method=method, headers=headers).refused[1] == code
        after = server.metrics()
        assert after[name] == before.get(name, 0) + 2
        assert served(after) == served(before), "they never reach the endpoint"


def test_the_address_that_a_connection_came_to_is_a_host(server: LocalServer) -> None:
    assert raw(server, "GET /ping HTTP/1.1\nHost: 127.0.0.3\n\n", address="127.0.0.3").status == 200
    address = server_address()
    if address is None:
        pytest.skip("no network")
    assert raw(server, f"GET /ping HTTP/1.1\nHost: {address}\n\n", address=address).status == 200
    head = f"GET /ping HTTP/1.1\nHost: {address}\n\n"
    assert raw(server, head).refused == (421, "wrong_host"), "it isn't where this one came"


OWN = "http://127.0.0.1:PORT"
FOREIGN: list[Headers] = [
    {"Origin": "http://evil.test"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1"},  # port 80
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "https://127.0.0.1:PORT"},
    {"Origin": "http://localhost:PORT"},  # its own, and not where the request goes
    {"Origin": "http://127.0.0.1:PORT.evil.test"},
    {"Origin": "http://127.0.0.1:PORT@evil.test"},
    {"Origin": f"{OWN}, http://evil.test"},
    {"Origin": f"{OWN}/"},
    {"Origin": "https://dogs.example.org"},
    {"Origin": "http://dogs.example.org:PORT"},
    {"Origin": "chrome-extension://abcdefgh"},
    {"Origin": "file://"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "odd"},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Origin": OWN, "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://evil.test", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://evil.test", "Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "object"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "document"},
]
FRIENDLY: list[Headers] = [
    {},
    {"Origin": OWN},
    {"Origin": OWN.upper().replace("HTTP", "http").replace("port", "PORT")},
    {"Origin": OWN, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://dogs.example.org", "Sec-Fetch-Site": "same-origin"},  # a proxy's name
    {"Referer": "http://evil.test/"},
]


def filled(headers: Mapping[str, str], server: LocalServer) -> Headers:
    return {name: value.replace("PORT", str(server.port)) for name, value in headers.items()}


@pytest.mark.parametrize("number", range(len(FOREIGN)))
def test_a_page_of_another_site_is_refused(server: LocalServer, number: int) -> None:
    headers = filled(FOREIGN[number], server)
    before = server.metrics()["dogbreed_batch_photos_count"]
    for media_type in ("text/plain", "multipart/form-data; boundary=x", "application/json"):
        refused = server.send(photo(), headers={**headers, "Content-Type": media_type})
        assert refused.refused == (403, "other_site")
        assert not [name for name in refused.headers if name.startswith("access-control")]
    assert server.metrics()["dogbreed_batch_photos_count"] == before
    for path in ("/", "/ping", "/metrics", "/openapi.json", "/docs", "/page.js"):
        assert server.send(path=path, method="GET", headers=headers).refused == (403, "other_site")
    preflight = {**headers, "Access-Control-Request-Method": "POST"}
    answer = server.send(method="OPTIONS", headers=preflight)
    assert answer.refused == (403, "other_site")


@pytest.mark.parametrize("number", range(len(FRIENDLY)))
def test_its_own_page_and_programs_are_answered(server: LocalServer, number: int) -> None:
    headers = filled(FRIENDLY[number], server)
    assert server.send(photo(), headers=headers).status == 200
    assert server.send(path="/", method="GET", headers=headers).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_on_another_site_opens_the_page(server: LocalServer, site: str) -> None:
    headers = {**NAVIGATION, "Sec-Fetch-Site": site}
    assert server.send(path="/", method="GET", headers=headers).status == 200
    assert server.send(path="/docs", method="GET", headers=headers).status == 200
    assert server.send(photo(), headers=headers).refused == (403, "other_site"), "a form that posts"


ANSWERS: list[tuple[str, int]] = [
    ("GET /ping HTTP/1.1\nHost: localhost\n\n", 200),
    ("GET / HTTP/1.1\nHost: localhost\n\n", 200),
    ("GET /page.js HTTP/1.1\nHost: localhost\n\n", 200),
    ("GET /metrics HTTP/1.1\nHost: localhost\n\n", 200),
    ("GET /docs HTTP/1.1\nHost: localhost\n\n", 200),
    ("GET /openapi.json HTTP/1.1\nHost: localhost\n\n", 200),
    ("GET /nowhere HTTP/1.1\nHost: localhost\n\n", 404),
    ("DELETE /ping HTTP/1.1\nHost: localhost\n\n", 405),
    ("OPTIONS /invocations HTTP/1.1\nHost: localhost\n\n", 405),
    ("HEAD / HTTP/1.1\nHost: localhost\n\n", 405),
    ("POST /invocations HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n", 400),
    ("POST /invocations HTTP/1.1\nHost: evil.test\nContent-Length: 0\n\n", 421),
    ("GET / HTTP/1.1\nHost: localhost\nOrigin: null\n\n", 403),
    ("HELLO\n\n", 400),  # the protocol's own answers
    ("GET / HTTP/1.1\nHost: localhost\nBroken\n\n", 400),
]


@pytest.mark.parametrize("number", range(len(ANSWERS)))
def test_every_answer_says_what_a_browser_may_do_with_it(server: LocalServer, number: int) -> None:
    head, status = ANSWERS[number]
    answer = raw(server, head)
    assert answer.status == status
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "access-control-allow-origin" not in answer.headers


def test_a_warning_where_others_can_use_it(
    opened: tuple[LocalServer, Path], guarded: tuple[LocalServer, Path]
) -> None:
    lines = opened[1].read_text().splitlines()
    (warning,) = [line for line in lines if line.startswith("warning: ")]
    assert warning.startswith("warning: host=0.0.0.0: ")
    for remedy in ("DOGBREED_TOKEN=", "host=127.0.0.1", "hosts=["):
        assert remedy in warning
    assert "warning: " not in guarded[1].read_text()


PATHS = ("/", "/docs", "/openapi.json", "/metrics", "/invocations", "/nowhere")
BAD_TOKENS: list[Headers] = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": TOKEN},
    {"Authorization": f"Basic {TOKEN}"},
    {"Authorization": f"Bearer {TOKEN[:-1]}"},
    {"Authorization": f"Bearer {TOKEN}x"},
    {"Authorization": f"Bearer {TOKEN.upper()}"},
    {"Authorization": "Bearer \xe9\xff"},
    {"Authorization": f"Bearer {TOKEN}, Bearer x"},
    {"X-Token": TOKEN, "Cookie": f"token={TOKEN}"},
]


@pytest.mark.parametrize("number", range(len(BAD_TOKENS)))
def test_all_but_ping_needs_the_token(guarded: tuple[LocalServer, Path], number: int) -> None:
    server, headers = guarded[0], BAD_TOKENS[number]
    for path in PATHS:
        for query in ("", f"?token={TOKEN}&access_token={TOKEN}"):
            method = "POST" if path == "/invocations" else "GET"
            body = photo() if method == "POST" else None
            refused = server.send(body, path + query, method, headers)
            assert refused.refused == (401, "no_token")
            assert refused.headers["www-authenticate"].startswith("Bearer")
    assert server.send(path="/ping", method="GET", headers=headers).status == 200
    known = {"Authorization": f"Bearer {TOKEN}"}
    metrics = server.send(path="/metrics", method="GET", headers=known).body.decode()
    counted = re.search(r'dogbreed_refused_requests_total\{code="no_token"\} ([\d.]+)', metrics)
    assert counted is not None
    assert float(counted[1]) >= 2 * len(PATHS)


def test_the_right_token_opens_all(guarded: tuple[LocalServer, Path]) -> None:
    server, headers = guarded[0], {"Authorization": f"bearer {TOKEN}"}
    assert server.send(photo(), headers=headers).status == 200
    for path in PATHS[:4]:
        assert server.send(path=path, method="GET", headers=headers).status == 200
    foreign = {**headers, "Origin": "http://evil.test"}
    assert server.send(photo(), headers=foreign).refused == (403, "other_site"), "with it too"
    assert raw(
        server,
        "GET / HTTP/1.1\nHost: localhost\n" + f"Authorization: Bearer {TOKEN}\n" * 2 + "\n",
    ).refused == (401, "no_token")


def test_a_person_without_the_token_gets_the_form_for_it(
    guarded: tuple[LocalServer, Path],
) -> None:
    server = guarded[0]
    answer = server.send(path="/", method="GET", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert b'type="password"' in answer.body
    assert b"golden" not in answer.body, "nothing of the model"
    for path in static_files():
        assert b"golden" not in server.get(path).body


def test_the_token_is_in_no_output_and_in_no_worker(guarded: tuple[LocalServer, Path]) -> None:
    server, stderr = guarded
    shown = server.send(path="/openapi.json", method="GET",
                       headers={"Authorization": f"Bearer {TOKEN}"})  # fmt: skip
    document = json.loads(shown.body)
    assert document["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert document["paths"]["/ping"]["get"]["security"] == []
    assert "401" in document["paths"]["/invocations"]["post"]["responses"]
    for text in (shown.body.decode(), stderr.read_text(), *server.process.args):  # type: ignore[misc]
        assert TOKEN not in str(text)
    assert TOKEN not in server.worker().environ().values()


def test_a_body_that_is_refused_is_not_waited_for(guarded: tuple[LocalServer, Path]) -> None:
    with closing(guarded[0].connection()) as slow:
        slow.putrequest("POST", "/invocations")
        slow.putheader("Content-Length", "1000000")
        slow.endheaders(b"half")
        assert answer_on(slow).refused == (401, "no_token")


@pytest.mark.parametrize(
    ("typed", "variable", "sentence"),
    [
        ("", "right", "token is empty"),
        ("ge heim", "right", "token has characters"),
        ("geheim\r\nX: 1", None, "token has characters"),
        (None, "", "DOGBREED_TOKEN is empty"),
        (None, "geheim\u00fc", "DOGBREED_TOKEN has characters"),
    ],
)
def test_a_token_that_no_header_can_carry(
    monkeypatch: pytest.MonkeyPatch, typed: str | None, variable: str | None, sentence: str
) -> None:
    if variable is not None:
        monkeypatch.setenv("DOGBREED_TOKEN", variable)
    with pytest.raises(ConfigError) as caught:
        take_token(typed)
    assert str(caught.value).startswith(sentence)
    assert "heim" not in str(caught.value), "it isn't shown"


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [("token=ge heim", "token has"), ("hosts=[http://a.org]", "hosts=[http://a.org]")],
)
def test_a_key_that_cannot_be_used_stops_the_command(
    tiny_model: Path, argument: str, sentence: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dogbreed.serve", f"model={tiny_model}", "port=0", argument],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {sentence}")
    assert done.stderr.count("\n") == 1
    assert "heim" not in done.stderr


@pytest.mark.parametrize("name", ["a:80", "a/b", "*", "*.a.org", "", "a b", "u@a", "[::1]:80", "ä"])
def test_hosts_are_names_and_addresses(name: str) -> None:
    with pytest.raises(ConfigError, match="hosts="):
        Hosts([name])


def test_a_typed_token_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOGBREED_TOKEN", "other")
    assert take_token("typed") == "typed"
    assert "DOGBREED_TOKEN" not in os.environ
    assert take_token(None) is None
