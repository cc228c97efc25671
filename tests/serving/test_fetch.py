"""Photos from a real HTTP server on loopback that does all that servers do."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dogbreed.errors import PhotoError
from dogbreed.serving.fetch import MAX_REDIRECTS, fetch

DATA = bytes(range(256)) * 400


class Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    stopped: threading.Event  # the test is over: streams end
    agents: set[str]

    def do_GET(self) -> None:
        self.agents.add(self.headers["User-Agent"])
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

    def say_garbage(self, _: str) -> None:
        self.wfile.write(b"no HTTP at all\r\n\r\n")

    def until_stopped(self, data: bytes, pause_s: float) -> None:
        try:
            while not self.stopped.wait(pause_s):
                self.wfile.write(data)
        except OSError:  # the other end has had enough
            pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Handler.stopped, Handler.agents = threading.Event(), set()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        Handler.stopped.set()
        http.shutdown()
        thread.join()


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
        ("missing", "can't be fetched: the server answers 404 Not Found"),
        ("nowhere", "can't be fetched: the server answers 302"),
        ("file", "can't be fetched: file: only http and https"),
        ("ftp", "can't be fetched: ftp: only http and https"),
        ("short", "the connection ended after 102,400 of 102,401 bytes"),
        ("garbage", "can't be fetched: "),
    ],
)
def test_what_a_server_says_instead_is_one_sentence(server: str, path: str, sentence: str) -> None:
    with pytest.raises(PhotoError, match=sentence) as caught:
        fetch(f"{server}/{path}")
    assert "\n" not in str(caught.value)
    assert caught.value.reason == "not_fetched"


@pytest.mark.parametrize("path", ["stream", "announced", "photo", "unsized"])
def test_reading_stops_at_the_size_limit(server: str, path: str) -> None:
    with pytest.raises(PhotoError, match=r"more than 99,999 bytes \(max_bytes\)") as caught:
        fetch(f"{server}/{path}", max_bytes=99_999)
    assert caught.value.reason == "too_large"


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
