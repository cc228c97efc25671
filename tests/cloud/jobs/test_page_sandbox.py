"""Pages that a job wrote: whatever is in them, opening them runs and fetches nothing of theirs."""

import html
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from helpers.local_server import wait_until
from helpers.made_facts import make_facts

from dogbreed.cloud.jobs.page_sandbox import sandbox_pages
from dogbreed.report.frame import policy
from dogbreed.report.run.report import write_report

if TYPE_CHECKING:
    from helpers.browser import OpenPage
    from playwright.sync_api import Browser, Locator

pytest_plugins = ("helpers.browser",)

REFRESHED = '<!DOCTYPE html><meta http-equiv="refresh" content="0;url=ADDRESS/refresh">'
EVIL = """<!DOCTYPE html><html><head>
<base href="ADDRESS/">
<link rel="stylesheet" href="ADDRESS/style.css"><style>@import "ADDRESS/import.css";
body { background: url(ADDRESS/background) }</style>
<script src="ADDRESS/script.js"></script>
<script>fetch("ADDRESS/fetch"); top.location = "ADDRESS/top"; open("ADDRESS/open")</script>
</head><body onload="location = 'ADDRESS/onload'">
<img src="ADDRESS/image"><img src="x" onerror="location = 'ADDRESS/onerror'">
<iframe src="ADDRESS/frame"></iframe><object data="ADDRESS/object"></object>
<video src="ADDRESS/video"></video>
<form action="ADDRESS/form" id="form"><input name="q"></form>
<a id="link" href="ADDRESS/link">x</a><a id="top" target="_top" href="ADDRESS/top-link">x</a>
<a id="new" target="_blank" href="ADDRESS/new">x</a>
<svg><script>fetch("ADDRESS/svg")</script></svg>
"></iframe><script>fetch("ADDRESS/escaped")</script><img src="ADDRESS/escaped-image">
'></iframe>&quot;></iframe><script>location = "ADDRESS/entity"</script>
<p id="end">read</p></body></html>
"""


def test_pages_are_framed_and_other_active_files_renamed(tmp_path: Path) -> None:
    pages = {"report.html": EVIL, "below/Other.HTM": "<p>", "drawn.svg": "<svg/>", "x.xhtml": "<"}
    for name, text in {**pages, "log.txt": "<script>"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    sandbox_pages(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == sorted(
        ["Other.HTM", "drawn.svg.txt", "log.txt", "report.html", "x.xhtml.txt"]
    )
    framed = (tmp_path / "report.html").read_text("utf-8")
    start, attribute, end = re.split(r'srcdoc="([^"]*)"', framed)
    assert html.unescape(attribute) == EVIL
    assert start.rstrip().endswith('sandbox="allow-scripts"')
    assert end == "></iframe>\n</body>\n</html>\n"
    assert "<script" not in start
    assert f'http-equiv="Content-Security-Policy" content="{policy()}"' in start


@pytest.fixture
def requested() -> Iterator[tuple[str, list[str]]]:
    """A server's address, and the requested paths."""
    paths: list[str] = []

    class Notes(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Notes)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_hostile_page_reaches_nobody(
    chromium: "Browser", requested: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, paths = requested
    for name, text in (("report.html", EVIL), ("refreshed.html", REFRESHED)):
        (tmp_path / name).write_text(text.replace("ADDRESS", address), "utf-8")
    sandbox_pages(tmp_path)
    page = chromium.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    inside = page.frame_locator("iframe")
    assert inside.locator("#end").inner_text() == "read"
    for link in ("#new", "#top", "#link"):
        inside.locator(link).evaluate("element => element.click()")
    assert page.url == (tmp_path / "report.html").as_uri()
    page.goto((tmp_path / "refreshed.html").as_uri())
    page.wait_for_timeout(500)  # the frame goes nowhere, or it has gone there by then
    assert page.url == (tmp_path / "refreshed.html").as_uri()
    assert len(page.context.pages) == 1
    page.close()
    assert paths == []


def test_our_report_draws_its_charts_in_the_frame(open_page: "OpenPage", tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, make_facts(tmp_path / "photos"))
    sandbox_pages(tmp_path)
    inside = open_page(path).frame_locator("iframe")
    inside.locator(".plot-container svg").first.wait_for(state="attached")
    assert inside.locator("h1").inner_text()
    assert not in_view(inside.locator("section").last)
    inside.locator("nav a").last.click()
    wait_until(lambda: in_view(inside.locator("section").last), "it scrolled there")


def in_view(element: "Locator") -> bool:
    shown: bool = element.evaluate("element => element.getBoundingClientRect().top < innerHeight")
    return shown
