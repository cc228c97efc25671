"""Pages of other sites, opened in a real browser, against the local endpoint; and its token."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import draw_photo
from helpers.local_server import LocalServer, photo, serving
from playwright.sync_api import Browser, Page, expect

pytest_plugins = ("helpers.browser",)
pytestmark = pytest.mark.servers

TOKEN = "geheim-0123456789+/=="
expect.set_options(timeout=15_000)


class _Empty(BaseHTTPRequestHandler):
    """A site whose pages are empty; a test decides what they do."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>Another site</title><body>")

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server(tiny_model: Path) -> Iterator[LocalServer]:
    with serving(tiny_model, "threads=1") as started:
        yield started


@pytest.fixture(scope="module")
def other_port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Empty) as other:
        threading.Thread(target=other.serve_forever).start()
        yield other.server_address[1]
        other.shutdown()


@contextmanager
def opened(chromium: Browser, address: str) -> Iterator[Page]:
    page = chromium.new_page()
    try:
        page.goto(address)
        yield page
    finally:
        page.close()


@pytest.fixture(params=["evil.test", "127.0.0.1", "localhost"])
def attacker(request: pytest.FixtureRequest, chromium: Browser, other_port: int) -> Iterator[Page]:
    """A page of another site, or of another port of this machine."""
    with opened(chromium, f"http://{request.param}:{other_port}/") as page:
        yield page


ATTACKS = {
    "fetch": "(url) => fetch(url + 'invocations', {method: 'POST', body: photo()})",
    "fetch that reads nothing": """async (url) => {
        const options = {method: 'POST', mode: 'no-cors', body: photo()};
        const answer = await fetch(url + 'invocations', options);
        return answer.type === 'opaque' ? 'nothing read' : 'read';
    }""",
    "fetch of a form": """async (url) => {
        const form = new FormData();
        form.append('file', photo(), 'a.jpg');
        await fetch(url + 'invocations', {method: 'POST', mode: 'no-cors', body: form});
        return 'nothing read';
    }""",
    "fetch of figures": "(url) => fetch(url + 'metrics').then((answer) => answer.text())",
    "beacon": """(url) => {
        navigator.sendBeacon(url + 'invocations', photo());
        return new Promise(() => {});
    }""",
    "form in a frame": """(url) => new Promise(() => {
        const [form, frame, field] = ['form', 'iframe', 'input'].map(
            (name) => document.body.appendChild(document.createElement(name)));
        const files = new DataTransfer();
        files.items.add(new File([photo()], 'a.jpg'));
        Object.assign(field, {type: 'file', name: 'file', files: files.files});
        form.append(field);
        frame.name = 'frame';
        Object.assign(form, {method: 'POST', action: url + 'invocations', target: 'frame',
                             enctype: 'multipart/form-data'});
        form.submit();
    })""",
    "image": "(url) => element('img', {src: url + 'icon.svg'})",
    "script": "(url) => element('script', {src: url + 'page.js'})",
    "module": "(url) => import(url + 'token.js')",
    "style": "(url) => element('link', {rel: 'stylesheet', href: url + 'page.css'})",
    "events": "(url) => element(new EventSource(url + 'metrics'))",
    "socket": "(url) => element(new WebSocket(url.replace('http', 'ws') + 'invocations'))",
}
TOOLS = """
const photo = () => new Blob([Uint8Array.from(PHOTO)]);
const element = (what, properties) => new Promise((done, failed) => {
    const target = typeof what === 'string' ? document.createElement(what) : what;
    target.onload = target.onopen = target.onmessage = () => done('loaded');
    target.onerror = failed;
    if (target instanceof Element) document.head.append(Object.assign(target, properties));
});
"""


def result(page: Page, attack: str, address: str) -> str:
    """What a page gets that does it: what it reads, or that it fails."""
    tools = TOOLS.replace("PHOTO", str(list(photo())))
    script = f"""(url) => {{
        {tools}
        const late = new Promise((done) => setTimeout(done, 2000, 'nothing read'));
        return Promise.race([({attack})(url), late]).catch(() => 'failed');
    }}"""
    return str(page.evaluate(script, address))


def work_of(server: LocalServer) -> dict[str, float]:
    """The server's metrics but for the refusals, which it counts."""
    refused = "dogbreed_refused_requests"
    return {name: value for name, value in server.metrics().items() if not name.startswith(refused)}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_page_of_another_site_gets_and_costs_nothing(
    server: LocalServer, attacker: Page, name: str
) -> None:
    before = work_of(server)
    found = result(attacker, ATTACKS[name], f"http://127.0.0.1:{server.port}/")
    assert found in ("failed", "nothing read")
    assert work_of(server) == before, "nothing is computed"


def test_the_page_cannot_be_put_into_a_frame(server: LocalServer, attacker: Page) -> None:
    attacker.evaluate(
        """(url) => new Promise((done) => {
            const frame = document.body.appendChild(document.createElement('iframe'));
            frame.onload = done;
            frame.src = url;
            setTimeout(done, 2000);
        })""",
        f"http://127.0.0.1:{server.port}/",
    )
    (frame,) = attacker.frames[1:]
    assert str(server.port) not in frame.url


def test_a_link_opens_the_page_and_the_other_site_has_no_hold_on_it(
    server: LocalServer, attacker: Page
) -> None:
    address = f"http://127.0.0.1:{server.port}/"
    with attacker.expect_popup() as popup:
        attacker.evaluate("(url) => { window.other = window.open(url); }", address)
    expect(popup.value).to_have_title("Which class is it? · dogbreed")
    assert popup.value.evaluate("window.opener") is None
    assert attacker.evaluate("window.other.closed"), "cut off"
    popup.value.close()
    attacker.evaluate("(url) => { location.href = url; }", address)
    expect(attacker).to_have_title("Which class is it? · dogbreed")


def test_a_name_that_is_led_here_is_not_answered(server: LocalServer, chromium: Browser) -> None:
    """DNS rebinding: for the browser the server is a part of that site now."""
    before = work_of(server)
    with opened(chromium, f"http://evil.test:{server.port}/") as page:
        expect(page.locator("body")).to_contain_text("wrong_host")
        for method in ("GET", "POST"):
            statuses = page.evaluate(
                """(method) => Promise.all(['', 'ping', 'metrics', 'invocations'].map(
                    async (path) => (await fetch('/' + path, {method})).status))""",
                method,
            )
            assert statuses == [421] * 4
    assert work_of(server) == before


def test_names_of_this_machine_are_answered(
    server: LocalServer, chromium: Browser, tmp_path: Path
) -> None:
    draw_photo(tmp_path / "a.jpg", hue=40, seed=1)
    with opened(chromium, f"http://localhost:{server.port}/") as page:
        page.set_input_files("#file", tmp_path / "a.jpg")
        expect(page.get_by_role("meter")).to_have_count(3)


# With a token

Guarded = Callable[..., Page]


@pytest.fixture(scope="module")
def guarded(tiny_model: Path) -> Iterator[LocalServer]:
    with serving(tiny_model, "threads=1", DOGBREED_TOKEN=TOKEN) as started:
        yield started


@pytest.fixture
def page(chromium: Browser, guarded: LocalServer) -> Iterator[Page]:
    complaints: list[str] = []
    sent: list[str] = []  # a fragment isn't
    with opened(chromium, "about:blank") as page:
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda request: sent.append(request.url.partition("#")[0]))
        yield page
    # What Chromium itself writes where the token is missing.
    assert [each for each in complaints if "status of 401" not in each] == []
    assert not [each for each in sent if TOKEN in each]


def test_a_person_gives_the_token_once(guarded: LocalServer, page: Page, tmp_path: Path) -> None:
    draw_photo(tmp_path / "a.jpg", hue=40, seed=1)
    page.goto(f"http://127.0.0.1:{guarded.port}/")
    field = page.get_by_label("Token", exact=True)
    expect(field).to_be_focused()
    for wrong in ("wrong", "ü€"):
        field.fill(wrong)
        field.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("This isn’t the server’s token.")
    field.fill(TOKEN)
    page.get_by_role("button", name="Open").click()
    expect(page).to_have_title("Which class is it? · dogbreed")
    expect(page.locator("#copy")).to_be_visible()  # by the page's script
    for _ in range(2):
        page.set_input_files("#file", tmp_path / "a.jpg")
        expect(page.get_by_role("meter")).to_have_count(3)
        page.reload()
        expect(page.locator("#command")).to_contain_text("Bearer $DOGBREED_TOKEN")
    page.get_by_role("link", name="All requests and responses").click()
    expect(page).to_have_title(re.compile("^Requests and responses"))
    expect(page.get_by_text("needs the server’s token")).to_be_visible()
    expect(page.locator(".command-line").first).to_contain_text(f":{guarded.port}/invocations")
    page.get_by_role("link", name="Prometheus metrics").click()
    expect(page.locator("pre")).to_contain_text("dogbreed_requests")


def test_the_token_may_be_in_the_fragment(guarded: LocalServer, page: Page) -> None:
    address = f"http://127.0.0.1:{guarded.port}/"
    page.goto(f"{address}#token={TOKEN}")
    expect(page).to_have_title("Which class is it? · dogbreed")
    assert page.url == address, "out of sight"
    page.goto(f"{address}#token=wrong")
    page.reload()
    for wrong in ("%zz", "%C3%BC", "ü"):
        page.goto(f"{address}#token={wrong}")
        expect(page.get_by_role("alert")).to_have_text("This isn’t the server’s token.")
    page.goto(f"{address}#token={TOKEN}")  # in the same tab, without a reload
    expect(page).to_have_title("Which class is it? · dogbreed")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_form_for_the_token_fits(guarded: LocalServer, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"http://127.0.0.1:{guarded.port}/")
    expect(page.get_by_role("button", name="Open")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
