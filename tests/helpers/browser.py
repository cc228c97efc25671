"""Pages opened in a real headless Chromium: fixtures for the tests of what is read in a browser.

A test module takes them with `pytest_plugins = ("helpers.browser",)`.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

# Without these it looks for updates and accounts in the network, and root may not start it.
FLAGS = (
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    # Names of other sites that nobody owns (RFC 6761); no name server is asked.
    "--host-resolver-rules=MAP *.test 127.0.0.1",
)

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; one for all tests of a process."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium isn't installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[OpenPage]:
    """Open a file or an address; the test fails if the page complains, asks, or reaches out.

    `allowed` are the starts of the addresses that the page may ask for.
    """
    complaints: list[str] = []
    pages: list[Page] = []

    def watch(page: Page, allowed: tuple[str, ...]) -> None:
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("popup", lambda popup: complaints.append(f"popup: {popup.url}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(allowed)
                else complaints.append(f"request: {request.url}")
            ),
        )

        def refuse(dialog: object) -> None:
            complaints.append(f"dialog: {dialog}")
            dialog.dismiss()  # type: ignore[attr-defined]

        page.on("dialog", refuse)

    def open_(
        address: Path | str,
        *,
        width: int = 1280,
        dark: bool = False,
        allowed: tuple[str, ...] = ("file:", "data:", "blob:"),
    ) -> Page:
        page = chromium.new_page(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        pages.append(page)
        watch(page, allowed)
        page.goto(address.as_uri() if isinstance(address, Path) else address)
        return page

    yield open_
    for page in pages:
        page.close()
    assert complaints == []
