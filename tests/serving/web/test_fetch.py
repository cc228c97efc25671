"""Photos from a real HTTP server on loopback that does all that servers do."""

import base64
import gzip
import socket
import ssl
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from dogbreed.errors import PhotoError
from dogbreed.serving.web.fetch import MAX_REDIRECTS, fetch
from dogbreed.serving.web.fetch_connections import FetchConnections

DATA = bytes(range(256)) * 400
ENCODED = {
    "gzip": gzip.compress(DATA),
    "X-GZIP": gzip.compress(DATA),
    "deflate": zlib.compress(DATA),
    "Deflate": zlib.compress(DATA)[2:-4],  # as some servers send it
    "identity": DATA,
    "gzip,": DATA,  # announced, and not done
    "br": b"\x0b\x02\x80br\x03",
    "zstd": b"\x28\xb5\x2f\xfd\x04",
    "gzip, br": b"??",
}
PAGES = (
    b"<!DOCTYPE html><p>dog",
    b"\n<!-- x -->\n<HTML lang=en>",
    b"\xef\xbb\xbf<?xml version='1.0'?><!DOCTYPE html>",
    b"<p>no such photo",
)


class Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    stopped: threading.Event  # the test is over: streams end
    agents: set[str]
    seen: list[tuple[str, str, str | None]]  # host, path, Authorization

    def do_GET(self) -> None:
        self.agents.add(self.headers["User-Agent"])
        self.seen.append((self.headers["Host"], self.path, self.headers["Authorization"]))
        name, _, number = self.path.strip("/").partition("-")
        getattr(self, f"say_{name}")(number)

    def log_message(self, *args: object) -> None:
        """Nothing."""

    def begin(self, status: int = 200, **headers: object) -> None:
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header.replace("_", "-"), str(value))
        self.end_headers()

    def say_photo(self, _: str) -> None:
        self.begin(Content_Length=len(DATA))
        self.wfile.write(DATA)

    def say_unsized(self, _: str) -> None:
        self.begin()
        self.wfile.write(DATA)

    def say_missing(self, _: str) -> None:
        self.send_error(404)

    def say_hops(self, number: str) -> None:
        left = int(number)
        self.begin(302, Location=f"/hops-{left - 1}" if left > 1 else "photo")

    def say_loop(self, number: str) -> None:
        self.begin(301, Location=f"/loop-{int(number or 0) + 1}")

    def say_file(self, _: str) -> None:
        self.begin(302, Location="file:///etc/hostname")

    def say_ftp(self, _: str) -> None:
        self.begin(307, Location="ftp://127.0.0.1/photo.jpg")

    def say_nowhere(self, _: str) -> None:
        self.begin(302)

    def say_encoded(self, name: str) -> None:
        coding = unquote(name)
        self.begin(Content_Encoding=coding)
        self.wfile.write(ENCODED[coding])

    def say_bomb(self, _: str) -> None:
        self.begin(Content_Encoding="gzip")
        self.wfile.write(gzip.compress(bytes(10**7)))

    def say_status(self, number: str) -> None:
        self.begin(int(number))

    def say_to(self, place: str) -> None:
        """Redirect to a place in base64, whatever bytes it has."""
        location = base64.urlsafe_b64decode(place)
        self.wfile.write(b"HTTP/1.0 302 Found\r\nLocation: " + location + b"\r\n\r\n")

    def say_page(self, number: str) -> None:
        self.begin(Content_Type="text/html")
        self.wfile.write(PAGES[int(number)])

    def say_nothing(self, _: str) -> None:
        self.begin(Content_Length=0)

    def say_lengths(self, length: str) -> None:
        self.begin(Content_Length=length)
        self.wfile.write(DATA)

    def say_torn(self, _: str) -> None:
        self.begin(Transfer_Encoding="chunked")
        self.wfile.write(b"ff\r\nhalf")

    def say_chunked(self, _: str) -> None:
        self.protocol_version = "HTTP/1.1"
        self.begin(Transfer_Encoding="chunked", Connection="close")
        self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(DATA), DATA))

    def say_short(self, _: str) -> None:
        self.begin(Content_Length=len(DATA) + 1)
        self.wfile.write(DATA)

    def say_announced(self, _: str) -> None:
        self.begin(Content_Length=10**12)

    def say_stream(self, _: str) -> None:
        self.begin()
        self.until_stopped(DATA, 0)

    def say_drip(self, _: str) -> None:
        self.begin()
        self.until_stopped(b"x", 0.02)

    def say_header(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
        self.until_stopped(b"x", 0.02)

    def say_silence(self, _: str) -> None:
        self.stopped.wait()

    def say_continue(self, _: str) -> None:
        self.until_stopped(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0)

    def say_headers(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.until_stopped(b"X-More: yes\r\n", 0.02)

    def say_long(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        self.until_stopped(b"x" * 4096, 0)

    def say_extension(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.until_stopped(b"1;" + b"x" * 1000 + b"\r\ny\r\n", 0)

    def say_trailer(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        self.until_stopped(b"X-More: yes\r\n", 0)

    def say_garbage(self, _: str) -> None:
        self.wfile.write(b"no HTTP at all\r\n\r\n")

    def until_stopped(self, data: bytes, pause_s: float) -> None:
        try:
            while not self.stopped.wait(pause_s):
                self.wfile.write(data)
        except OSError:  # the other end has had enough
            pass


@contextmanager
def running(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server, of TLS with a context; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        if context is not None:
            http.socket = context.wrap_socket(http.socket, server_side=True)
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield int(http.server_address[1])
        Handler.stopped.set()
        http.shutdown()
        thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    Handler.stopped, Handler.agents, Handler.seen = threading.Event(), set(), []
    with running() as port:
        yield f"http://127.0.0.1:{port}"


def test_bytes_arrive_as_they_are(server: str) -> None:
    assert fetch(f"{server}/photo") == DATA
    assert fetch(f"{server}/unsized") == DATA
    assert fetch(f"{server}/photo", max_bytes=len(DATA)) == DATA
    assert Handler.agents.pop().startswith("dogbreed/")


def test_redirects_are_followed_and_counted(server: str) -> None:
    assert fetch(f"{server}/hops-{MAX_REDIRECTS}") == DATA
    with pytest.raises(PhotoError, match="more than 5 redirects"):
        fetch(f"{server}/hops-{MAX_REDIRECTS + 1}")
    with pytest.raises(PhotoError, match="more than 5 redirects"):
        fetch(f"{server}/loop")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("missing", "can't be fetched: the server answers 404 Not Found: is the address complete"),
        ("status-204", "the server answers 204 No Content: there is nothing at this address"),
        ("status-206", "the server answers 206 Partial Content"),
        ("status-401", "the server answers 401 Unauthorized: it needs a password"),
        ("status-403", "the server answers 403 Forbidden: it refuses this photo"),
        ("status-429", "the server answers 429 Too Many Requests: .*try again later"),
        ("status-503", "the server answers 503 Service Unavailable: try again later"),
        ("status-799", "the server answers 799"),
        ("torn", "the server's response isn't HTTP, or is incomplete"),
        ("nowhere", "can't be fetched: the server answers 302"),
        ("file", "can't be fetched: file: only http and https"),
        ("ftp", "can't be fetched: ftp: only http and https"),
        ("short", "the connection ended after 102,400 of 102,401 bytes"),
        ("garbage", "can't be fetched: the server's response isn't HTTP"),
    ],
)
def test_what_a_server_says_instead_is_one_sentence(server: str, path: str, sentence: str) -> None:
    with pytest.raises(PhotoError, match=sentence) as caught:
        fetch(f"{server}/{path}")
    assert "\n" not in str(caught.value)
    assert caught.value.reason == "not_fetched"


@pytest.mark.parametrize("path", ["chunked", "lengths-x", "lengths--5", "lengths-\xb2"])
def test_an_odd_length_costs_nothing(server: str, path: str) -> None:
    assert fetch(f"{server}/{path.replace(chr(0xB2), '%B2')}") == DATA


def test_more_than_was_announced_is_left(server: str) -> None:
    assert fetch(f"{server}/lengths-100") == DATA[:100]
    with pytest.raises(PhotoError, match=r"\(max_bytes\)"):
        fetch(f"{server}/lengths-{'9' * 50}")


@pytest.mark.parametrize("coding", ["gzip", "X-GZIP", "deflate", "Deflate", "identity", "gzip,"])
def test_what_is_compressed_on_the_way_is_decompressed(server: str, coding: str) -> None:
    assert fetch(f"{server}/encoded-{coding}") == DATA


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br"])
def test_other_encodings_are_named(server: str, coding: str) -> None:
    with pytest.raises(
        PhotoError, match=f"encoded as {coding}: only gzip and deflate are supported"
    ):
        fetch(f"{server}/encoded-{coding}")


def test_damaged_compression_is_said_and_a_bomb_stops_at_the_limit(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PhotoError, match=r"more than 99,999 bytes once it is decompressed"):
        fetch(f"{server}/bomb", max_bytes=99_999)
    monkeypatch.setitem(ENCODED, "gzip", gzip.compress(DATA)[:-20])
    with pytest.raises(PhotoError, match="compressed content ends too early"):
        fetch(f"{server}/encoded-gzip")
    monkeypatch.setitem(ENCODED, "gzip", gzip.compress(DATA)[:12] + b"?" * 99)
    with pytest.raises(PhotoError, match="compressed content is damaged"):
        fetch(f"{server}/encoded-gzip")


@pytest.mark.parametrize("number", range(len(PAGES)))
def test_a_web_page_is_called_one(server: str, number: int) -> None:
    with pytest.raises(PhotoError, match="a web page, not a photo") as caught:
        fetch(f"{server}/page-{number}")
    assert caught.value.reason == "not_an_image"


def test_urls_as_browsers_show_them(server: str) -> None:
    port = server.rpartition(":")[2]
    for url in (f" HTTP://LOCALHOST:{port}/photo#top\n", f"http://localhost:{port}/photo-ä ö?x=ü"):
        assert fetch(url) == DATA
    assert Handler.seen[1][1] == "/photo-%C3%A4%20%C3%B6?x=%C3%BC"


@pytest.mark.parametrize("place", ["/photo-ä b".encode(), b"/photo-\xe4 b", b"photo", b"?#"])
def test_redirects_in_any_alphabet(server: str, place: bytes) -> None:
    text = base64.urlsafe_b64encode(place).decode()
    if place == b"?#":  # to itself
        with pytest.raises(PhotoError, match="more than 5 redirects"):
            fetch(f"{server}/to-{text}")
    else:
        assert fetch(f"{server}/to-{text}") == DATA


def test_a_password_is_sent_to_the_server_that_it_is_for_alone(server: str) -> None:
    port = server.rpartition(":")[2]
    secret = "Basic " + base64.b64encode(b"user:se cret").decode()

    def headers_of(place: str) -> list[str | None]:
        Handler.seen.clear()
        text = base64.urlsafe_b64encode(place.encode()).decode()
        assert fetch(f"http://user:se%20cret@127.0.0.1:{port}/to-{text}") == DATA
        return [authorization for _, _, authorization in Handler.seen]

    assert headers_of("/photo") == [secret, secret]
    assert headers_of(f"http://localhost:{port}/photo") == [secret, None]
    assert headers_of(f"http://other:password@127.0.0.1:{port}/photo") == [secret, secret]
    with pytest.raises(PhotoError) as caught:
        fetch(f"http://user:secret@127.0.0.1:{port}/status-401")
    assert "secret" not in str(caught.value)


def test_a_certificate_that_nobody_trusts(server: str, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
            *("-keyout", str(key), "-out", str(certificate), "-days", "2"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with running(context) as port:
        with pytest.raises(PhotoError, match=r"its certificate isn't trusted \(self-signed"):
            fetch(f"https://localhost:{port}/photo")
        with pytest.raises(PhotoError, match="can't be fetched: "):
            fetch(f"http://localhost:{port}/photo")
    with pytest.raises(PhotoError, match="no TLS connection") as caught:
        fetch(server.replace("http:", "https:") + "/photo")
    assert "is it an http:// address?" in str(caught.value)


@pytest.mark.parametrize("path", ["stream", "announced", "photo", "unsized"])
def test_reading_stops_at_the_size_limit(server: str, path: str) -> None:
    with pytest.raises(PhotoError, match=r"more than 99,999 bytes \(max_bytes\)") as caught:
        fetch(f"{server}/{path}", max_bytes=99_999)
    assert caught.value.reason == "too_large"


def fetching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "fetch"]


@pytest.mark.parametrize(
    "path", ["drip", "header", "silence", "continue", "headers", "long", "extension", "trailer"]
)
def test_after_the_time_limit_neither_thread_nor_connection_is_left(server: str, path: str) -> None:
    with pytest.raises(PhotoError, match="can't be fetched"):
        fetch(f"{server}/{path}", timeout_s=0.3)
    for thread in fetching():
        thread.join(30)  # generous: without an end it would last as long as the server
    assert not fetching()
    assert not Handler.stopped.is_set(), "the server went on"


def test_a_connection_of_tls_that_is_being_made_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    connections = FetchConnections(time.monotonic() + 600)
    errors: list[Exception] = []

    def request(url: str) -> None:
        try:
            connections.request(url, {})
        except OSError as error:
            errors.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        thread = threading.Thread(target=request, args=(url,))
        thread.start()
        connection, _ = listening.accept()
        with connection:
            assert connection.recv(1), "its greeting, which is never answered"
            connections.end()
            thread.join(60)
            assert not thread.is_alive()
        request(url)  # nor is another one made
    assert len(errors) == 2


@pytest.mark.parametrize("path", ["drip", "header", "silence"])
def test_the_time_limit_holds_for_the_whole(server: str, path: str) -> None:
    with pytest.raises(PhotoError, match=r"it took longer than 0.5 s \(timeout_s\)"):
        fetch(f"{server}/{path}", timeout_s=0.5)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/hostname",
        "ftp://127.0.0.1/photo.jpg",
        "photo.jpg",
        "http://",
        "http://127.0.0.1:1/photo.jpg",
        "http://127.0.0.1:99999/",
        "http://[::1/photo.jpg",
        "http://127.0.0.1/a b\n.jpg",
        "http://" + "a" * 70 + ".invalid/",
    ],
)
def test_what_is_no_url_of_the_web_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(PhotoError, match=r"^can't be fetched: .+"):
        fetch(url)
