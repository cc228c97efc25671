"""What the local endpoint refuses: each with its status, its code and a sentence."""

import http.client
import json
import socket
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from helpers.local_server import (
    LocalServer,
    answer_on,
    as_text,
    photo,
    picture,
    serving,
    wait_until,
)

from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.model import BreedClassifier

pytestmark = pytest.mark.servers

TIMEOUT_S = 2.0


@pytest.fixture(scope="module")
def server(tiny_model: Path) -> Iterator[LocalServer]:
    with serving(tiny_model, "threads=1", "queue=1", f"timeout_s={TIMEOUT_S}") as started:
        yield started


def claims(width: int, height: int, mode: str = "RGB") -> bytes:
    """A PNG whose header has this size."""
    data = bytearray(photo("PNG", picture(mode=mode)))
    data[16:24] = width.to_bytes(4) + height.to_bytes(4)
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    return bytes(data)


def sent(**values: Any) -> bytes:
    return json.dumps({"photos": [as_text(photo())], **values}).encode()


BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "empty"),
    "half an object": (b'{"photos": [', 400, "not_json"),
    "a word": (b"{photos}", 400, "not_json"),
    "bytes that are no text": (b'{"photos": ["\xff"]}', 400, "not_json"),
    "a number of 5,000 digits": (b'{"top_k": ' + b"9" * 5000 + b"}", 400, "not_json"),
    "a hundred thousand brackets": (b"[" * 100_000, 413, "too_many_photos"),
    "a list": (b"[]", 400, "not_an_object"),
    "a photo that isn't base64": (sent(photos=["=="]), 400, "not_base64"),
    "a photo in signs beyond ASCII": (sent(photos=["\ud800é"]), 400, "not_base64"),
    "no photos": (b"{}", 400, "no_photos"),
    "an empty list of photos": (sent(photos=[]), 400, "no_photos"),
    "photos that are a text": (sent(photos=as_text(photo())), 400, "no_photos"),
    "photos that are numbers": (sent(photos=[1, 2]), 400, "no_photos"),
    "33 photos": (sent(photos=["AAAA"] * 33), 413, "too_many_photos"),
    "1,000 photos": (sent(photos=["AAAA"] * 1000), 413, "too_many_photos"),
    "top_k of 0": (sent(top_k=0), 400, "bad_top_k"),
    "top_k of 1,001": (sent(top_k=1001), 400, "bad_top_k"),
    "top_k of 1.5": (sent(top_k=1.5), 400, "bad_top_k"),
    "top_k that is true": (sent(top_k=True), 400, "bad_top_k"),
    "top_k that isn't a number": (sent(top_k=float("nan")), 400, "bad_top_k"),
    "top_k that is null": (sent(top_k=None), 400, "bad_top_k"),
    "explain as a number": (sent(explain=1), 400, "bad_explain"),
    "explain as a text": (sent(explain="yes"), 400, "bad_explain"),
    "a key that isn't there": (sent(url="http://localhost/"), 400, "unknown_key"),
    "a key that can't be written": (sent(**{"\ud800\n": 1}), 400, "unknown_key"),
    "a photo of no bytes": (sent(photos=[""]), 400, "empty"),
    "two bad photos": (sent(photos=["AAAA", ""]), 415, "not_an_image"),
    "a text": (b"a dog", 415, "not_an_image"),
    "a web page": (b"<html>a dog</html>", 415, "not_an_image"),
    "a JPEG XL": (b"\xff\x0a" + bytes(100), 415, "unsupported_format"),
    "a camera's raw": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(90), 415, "unsupported_format"),
    "half a HEIC": (b"\0\0\0\x18ftypheic" + bytes(200), 400, "damaged"),
    "a zip": (b"PK\x03\x04" + bytes(100), 415, "not_an_image"),
    "half a photo": (photo()[:-900], 400, "truncated"),
    "a photo of 400 million pixels": (claims(20_000, 20_000), 413, "too_large"),
    "a photo of 90 million pixels": (claims(9_000, 10_000), 413, "too_large"),
    "60 million pixels of a PNG": (claims(10_000, 6_000), 413, "too_large"),
    "30 million transparent pixels": (claims(6_000, 5_000, "RGBA"), 413, "too_large"),
    "26 MB": (bytes(26 * 2**20), 413, "too_large"),
    "26 MB of JSON": (sent(photos=["A" * (26 * 2**20)]), 413, "too_large"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_refused(server: LocalServer, name: str) -> None:
    body, status, code = BODIES[name]
    assert server.send(body).refused == (status, code)


PATHS = {
    "top_k=0": "bad_top_k",
    "top_k=five": "bad_top_k",
    "top_k=": "bad_top_k",
    "top_k=99999999999": "bad_top_k",
    "top_k=true": "bad_top_k",
    "explain=1": "bad_explain",
    "explain=": "bad_explain",
    "topk=3": "unknown_key",
    "photos=AAAA": "unknown_key",
}


@pytest.mark.parametrize("query", PATHS)
def test_a_parameter_is_refused(server: LocalServer, query: str) -> None:
    assert server.send(photo(), f"/invocations?{query}").refused == (400, PATHS[query])
    name, _, value = query.partition("=")
    if name in ("top_k", "explain"):
        headers = {"X-Amzn-SageMaker-Custom-Attributes": f"{name}={value}"}
        assert server.send(photo(), headers=headers).refused == (400, PATHS[query])


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("text/html, application/*;q=0.8", 200),
        ("", 200),
        ("image/png", 406),
        ("text/html, image/*;q=0.8", 406),
    ],
)
def test_answers_are_json_or_none(server: LocalServer, accept: str, status: int) -> None:
    answer = server.send(photo(), headers={"Accept": accept})
    assert answer.status == status
    if status != 200:
        assert answer.refused == (406, "not_acceptable")


def test_other_paths_and_methods(server: LocalServer) -> None:
    assert server.get("/nowhere").refused == (404, "not_found")
    assert server.send(photo(), "/invocations/").refused == (404, "not_found")
    assert server.get("/invocations").refused == (405, "method_not_allowed")
    assert server.send(photo(), method="PUT").refused == (405, "method_not_allowed")
    refused = server.send(photo(), "/ping")
    assert refused.refused == (405, "method_not_allowed")
    assert refused.headers["allow"] == "GET"


def test_a_full_queue_is_said_and_then_service_goes_on(server: LocalServer) -> None:
    worker = server.worker()
    worker.suspend()
    try:
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(server.send, photo())
            wait_until(lambda: server.metrics()["dogbreed_waiting_photos"] == 1, "one waits")
            for _ in range(3):
                refused = server.send(photo())
                assert refused.refused == (429, "busy")
                assert int(refused.headers["retry-after"]) >= 1
            assert server.get("/ping").status == 200
            worker.resume()
            assert first.result().status == 200
    finally:
        worker.resume()
    assert server.send(photo()).status == 200
    assert server.worker().pid == worker.pid
    assert server.metrics()["dogbreed_requests_total 429"] == 3


def test_a_network_that_cannot_be_explained_is_said_and_nobody_waits(tmp_path: Path) -> None:
    model = BreedClassifier(("Beagle", "Boxer"), backbone="vit_b_16", weights="none")
    model.save(tmp_path / "model", preprocessing=Preprocessing().describe())
    with serving(tmp_path, "threads=1") as started:
        many = {"photos": [photo(), photo("PNG"), photo("WEBP")]}
        refused = started.send_json(**many, explain=True)
        assert refused.refused == (400, "not_explained")
        assert "vit_b_16 ends in tokens" in refused.values["error"]["message"]
        assert started.metrics()["dogbreed_waiting_photos"] == 0
        assert started.send_json(**many).status == 200


def test_a_body_that_takes_too_long(server: LocalServer) -> None:
    start = time.monotonic()
    with closing(server.connection()) as slow:
        slow.putrequest("POST", "/invocations")
        slow.putheader("Content-Length", "1000")
        slow.endheaders(b"half")
        assert server.send(photo()).status == 200, "while the other waits"
        assert answer_on(slow).refused == (408, "too_slow")
    assert time.monotonic() - start >= TIMEOUT_S


def test_bodies_take_no_more_memory_than_there_is_for_them(server: LocalServer) -> None:
    def half_sent(size_mib: float) -> http.client.HTTPConnection:
        connection = stack.enter_context(closing(server.connection()))
        connection.putrequest("POST", "/invocations")
        connection.putheader("Content-Length", str(25 * 2**20))
        connection.endheaders(bytes(int(size_mib * 2**20)))
        return connection

    with ExitStack() as stack:
        held = [half_sent(20) for _ in range(6)]
        assert answer_on(half_sent(8.1)).refused == (429, "busy")
        assert server.send(photo()).status == 200, "7 MiB are left"
        assert [answer_on(each).refused for each in held] == [(408, "too_slow")] * 6
        again = [half_sent(20) for _ in range(6)]
        assert [answer_on(each).refused for each in again] == [(408, "too_slow")] * 6


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"POST /invocations HTT",
        b"POST /invocations HTTP/1.1\r\nHost: x\r\nX-Half: ",
        b"\r\n",
    ],
)
def test_a_connection_that_asks_nothing_is_closed(server: LocalServer, begin: bytes) -> None:
    with closing(server.connection()) as used:
        used.request("GET", "/ping")
        assert answer_on(used).status == 200
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as new:
            for idle in (new, used.sock) if begin else (new,):  # a used one may rest for longer
                idle.sendall(begin)
            for idle in (new, used.sock) if begin else (new,):
                assert idle.recv(65536) == b""


FLOOD = b"X-Flood: %b\r\n" % (b"a" * 1000)


@pytest.mark.parametrize(
    ("begin", "part"),
    [
        (b"POST /invocations HTTP/1.1\r\n", FLOOD),
        (b"GET /?", b"a" * 1000),
        # What may follow the last piece of a body.
        (
            b"POST /invocations HTTP/1.1\r\nHost: localhost\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
            FLOOD,
        ),
    ],
    ids=["headers", "path", "trailers"],
)
def test_a_head_without_end_is_refused(server: LocalServer, begin: bytes, part: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as flood:
        flood.sendall(begin)
        received, sent = b"", 0
        try:
            while sent < 100_000:
                flood.sendall(part)
                sent += 1
        except OSError:  # hung up on
            received = answered(flood)
    assert sent < 20_000, "hung up on for its size, before the clock"
    assert received == b"" or received.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert server.send(photo()).status == 200


def answered(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:  # the answer is lost where more was sent after it
        return b""


def test_connections_that_ask_nothing_keep_nobody_out(server: LocalServer) -> None:
    with ExitStack() as stack:
        held = stack.enter_context(closing(server.connection()))
        held.connect()
        for _ in range(600):
            address = ("127.0.0.1", server.port)
            stack.enter_context(socket.create_connection(address, timeout=60))
        assert server.get("/ping").status == 200
        held.request("POST", "/invocations", photo())
        assert answer_on(held).status == 200


def test_what_is_not_http_is_told_so(server: LocalServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as odd:
        odd.sendall(b"HELO photo\r\n\r\n")
        head, _, body = b"".join(iter(lambda: odd.recv(65536), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["code"] == "not_http"
