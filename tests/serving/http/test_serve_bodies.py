"""The local endpoint as curl and other clients really send photos to it, and its page /docs."""

import base64
import gzip
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from helpers.bombs import scans
from helpers.local_server import LocalServer, as_text, photo, picture, serving
from playwright.sync_api import Browser

pytest_plugins = ("helpers.browser",)
pytestmark = pytest.mark.servers

BIG = photo("BMP", picture(size=(900, 700)))  # curl sends Expect: 100-continue over 1 MB


@pytest.fixture(scope="module")
def server(tiny_model: Path) -> Iterator[LocalServer]:
    with serving(tiny_model, "threads=1") as started:
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the commands name."""
    for name, content in {
        "photo.jpg": photo(),
        "a.jpg": photo(),
        "b.jpg": photo("PNG"),
        "big.bmp": BIG,
        "photo.b64": base64.encodebytes(photo()),
        "photo.jpg.gz": gzip.compress(photo()),
    }.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def curl(server: LocalServer, folder: Path, command: str) -> tuple[int, Any]:
    """The status and the values of what a command for http://127.0.0.1:8080 gets from here."""
    if shutil.which("curl") is None:
        pytest.skip("curl isn't installed")
    url = f"http://127.0.0.1:{server.port}/invocations"
    command = command.replace("http://127.0.0.1:8080/invocations", url).replace(" URL", f" {url}")
    done = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl -s -w '\\n%{http_code}' ")],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


ACCEPTED = {
    "curl --data-binary @photo.jpg URL": 1,
    "curl --data-binary @photo.b64 URL": 1,
    "curl -d @photo.b64 URL": 1,
    'curl -d "data:image/jpeg;base64,$(base64 -w0 photo.jpg)" URL': 1,
    "curl -T photo.jpg -X POST URL": 1,
    "curl --data-binary @big.bmp URL": 1,
    "curl --http1.0 --data-binary @photo.jpg URL": 1,
    "curl -H 'Transfer-Encoding: chunked' --data-binary @photo.jpg URL": 1,
    "curl -H 'Content-Encoding: gzip' --data-binary @photo.jpg.gz URL": 1,
    "curl -H 'Content-Type: text/html' --data-binary @photo.jpg URL": 1,
    "curl -F file=@photo.jpg URL": 1,
    "curl -F 'anything=@photo.jpg;type=text/plain' -F top_k=1 URL": 1,
    "curl -F file=@big.bmp -F file=@b.jpg -F other=@a.jpg URL": 3,
    "curl -F 'file=<photo.b64' URL": 1,
    'echo \'{"photos": ["\'"$(base64 photo.jpg)"\'"]}\' | curl --data-binary @- URL': 1,
}


@pytest.mark.parametrize("command", ACCEPTED)
def test_commands_that_work(server: LocalServer, folder: Path, command: str) -> None:
    status, values = curl(server, folder, command)
    assert status == 200, values
    assert len(values["predictions"]) == ACCEPTED[command]
    for entry in values["predictions"]:
        assert len(entry["classes"]) == (1 if "top_k=1" in command else 3)


def test_a_tiff_is_refused_and_the_photos_beside_it_are_answered(server: LocalServer) -> None:
    tiff = photo("TIFF", compression="tiff_lzw")
    status, error = server.send(tiff).status, server.send(tiff).values["error"]
    assert (status, error["code"]) == (415, "unsupported_format")
    assert "tiff=true" in error["message"]
    first, second = server.send_json(photos=[as_text(tiff), as_text(photo())]).values["predictions"]
    assert first["error"] == error
    assert len(second["classes"]) == 3


def test_a_photo_of_too_many_scans_is_a_413(server: LocalServer) -> None:
    answer = server.send(scans(40))
    assert (answer.status, answer.values["error"]["code"]) == (413, "too_complex")


REFUSED = {
    "curl -d @photo.jpg URL": (400, "stripped"),
    "curl -d photo.jpg URL": (415, "not_an_image"),
    "curl -d photo=@photo.jpg URL": (415, "url_encoded"),
    "curl --data-urlencode photo@photo.jpg URL": (415, "url_encoded"),
    "curl --data-urlencode photo@photo.b64 URL": (415, "url_encoded"),
    "curl -X POST URL": (400, "empty"),
    "curl -F top_k=1 URL": (400, "no_photos"),
    "curl -H 'Content-Encoding: br' --data-binary @photo.jpg.gz URL": (415, "encoded"),
}


@pytest.mark.parametrize("command", REFUSED)
def test_commands_that_are_refused_name_one_that_works(
    server: LocalServer, folder: Path, command: str
) -> None:
    status, values = curl(server, folder, command)
    assert (status, values["error"]["code"]) == REFUSED[command]
    named = re.findall(r"curl \S+ \S+ URL", values["error"]["message"])
    assert named
    for other in named:
        assert curl(server, folder, other)[0] == 200


def test_the_commands_of_the_documentation_work(server: LocalServer, folder: Path) -> None:
    operation = server.get("/openapi.json").values["paths"]["/invocations"]["post"]
    samples = [sample["source"] for sample in operation["x-codeSamples"]]
    assert len(samples) == 3
    for command in samples:
        assert curl(server, folder, command)[0] == 200, command


def test_an_expectation_is_met_or_the_refusal_comes_at_once(server: LocalServer) -> None:
    head = f"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BIG)}\r\n"
    for more, first in (("", b"HTTP/1.1 100 "), ("Accept: image/png\r\n", b"HTTP/1.1 406 ")):
        with closing(socket.create_connection(("127.0.0.1", server.port), timeout=60)) as client:
            client.sendall(f"{head}{more}Expect: 100-continue\r\n\r\n".encode())
            assert client.recv(65536).startswith(first)
            if not more:
                client.sendall(BIG)
                assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_bodies_that_grow_take_no_more_memory_than_others(server: LocalServer) -> None:
    bomb = gzip.compress(bytes(25 * 2**20))
    for _ in range(8):
        assert server.send(bomb).refused == (415, "not_an_image")
    assert server.send(gzip.compress(bytes(26 * 2**20))).refused == (413, "too_large")
    assert server.send(gzip.compress(photo())).status == 200


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_documentation_reads_well_without_another_host(
    server: LocalServer, chromium: Browser, width: int, dark: bool
) -> None:
    address = f"http://127.0.0.1:{server.port}"
    page = chromium.new_page(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
    )
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith(address) else complaints.append(request.url),
    )
    page.goto(f"{address}/")
    page.get_by_role("link", name="All requests and responses").click()
    page.wait_for_url(f"{address}/docs")
    for operation in ("GET /ping", "POST /invocations"):
        assert page.get_by_role("heading", name=operation).is_visible()
    for text in ("multipart/form-data", "predictions[].classes[].probability", "429"):
        assert page.get_by_text(text, exact=True).first.is_visible()
    assert f"{address}/invocations?top_k=3" in page.locator("pre").first.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
    assert complaints == []
