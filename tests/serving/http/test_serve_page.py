"""The page of `python -m dogbreed.serve` as a person meets it, in a real browser."""

import base64
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import THREADS, draw_photo, wait_for_line
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Route, expect

from dogbreed.artifact.folder import read_description
from dogbreed.serving.http.page import pages

pytest_plugins = ("helpers.browser",)
pytestmark = pytest.mark.servers

HEAT_MS = 60_000  # the first one loads torch
REFUSED = "Failed to load resource: the server responded with a status of 4"
Open = Callable[..., Page]
expect.set_options(timeout=15_000)  # other tests run beside it


@pytest.fixture(scope="module")
def address(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the tiny model."""
    errors = tmp_path_factory.mktemp("server") / "errors.txt"
    with errors.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, "-um", "dogbreed.serve", f"model={tiny_model}", "port=0", "threads=1"],
            cwd=errors.parent,
            env={**os.environ, **THREADS},
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
        try:
            line = wait_for_line(server.stdout, "serving ")
            yield re.findall(r"http://\S+", line)[0]
        finally:
            server.terminate()
            server.wait(timeout=30)
            assert server.stdout is not None
            server.stdout.close()
    assert errors.read_text() == ""


@pytest.fixture
def open_at(chromium: Browser, address: str) -> Iterator[Open]:
    """Open the page; the test fails if the page complains or asks another host.

    `expected` begins what Chromium itself writes where a photo is refused.
    """
    complaints: list[str] = []
    opened: list[Page] = []

    def open_(expected: str = "nothing", **options: Any) -> Page:
        def hear(message: ConsoleMessage) -> None:
            if not message.text.startswith(expected):
                complaints.append(f"console: {message.text}")

        def see(request: Request) -> None:
            if not request.url.startswith((address, "blob:", "data:")):
                complaints.append(f"request: {request.url}")

        page = chromium.new_page(**options)
        opened.append(page)
        page.on("console", hear)
        page.on("request", see)
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        # Chromium is told now that choosers are awaited: at the key press it sometimes is late.
        page.on("filechooser", lambda chooser: None)
        page.goto(address)
        return page

    yield open_
    for page in opened:
        page.close()
    assert complaints == []


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "rex & <b>.jpg"
    draw_photo(path, hue=40, seed=1, size=(300, 200))
    return path


def as_files(*paths: Path) -> list[tuple[str, str]]:
    return [(path.name, base64.b64encode(path.read_bytes()).decode()) for path in paths]


def transfer(page: Page, event: str, *paths: Path) -> None:
    """Drop or paste real files."""
    page.evaluate(
        """([event, files]) => {
            const data = new DataTransfer();
            for (const [name, content] of files) {
                const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
                data.items.add(new File([bytes], name));
            }
            const options = { bubbles: true, cancelable: true };
            const target = document.querySelector("#zone p");
            target.dispatchEvent(
                event === "paste"
                    ? new ClipboardEvent("paste", { ...options, clipboardData: data })
                    : new DragEvent(event, { ...options, dataTransfer: data }));
        }""",
        [event, as_files(*paths)],
    )


def asked(address: str, photo: bytes) -> dict[str, Any]:
    """What /invocations says of one photo."""
    with urllib.request.urlopen(f"{address}/invocations", data=photo, timeout=30) as answer:
        entry: dict[str, Any] = json.load(answer)["predictions"][0]
        return entry


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


def expect_breeds(of: Locator, entry: dict[str, Any]) -> None:
    """The card says what the answer does, in text and for who hears it."""
    bars = of.get_by_role("list", name="Breeds").get_by_role("listitem")
    expect(bars).to_have_text(
        [f"{own['breed']} {100 * own['probability']:.1f} %" for own in entry["breeds"]]
    )
    for bar, own in zip(bars.all(), entry["breeds"], strict=True):
        meter = bar.get_by_role("meter", name=own["breed"])
        assert meter.evaluate("own => own.value") == pytest.approx(own["probability"])
    best = "Unknown" if entry["unknown"] else entry["breeds"][0]["breed"]
    expect(of.get_by_role("heading")).to_have_text(best)


def test_a_dropped_photo_gets_its_breeds(open_at: Open, address: str, photo: Path) -> None:
    page = open_at()
    transfer(page, "dragover", photo)
    expect(page.locator("body")).to_have_class("dragging")
    transfer(page, "drop", photo)
    expect(page.locator("body")).not_to_have_class("dragging")
    own = card(page, photo.name)
    expect_breeds(own, asked(address, photo.read_bytes()))
    expect(own.get_by_text("in the server")).to_have_text(
        re.compile(r"^Answered in \d+ ms, \d+ ms of it in the server$")
    )
    shown = own.get_by_role("img", name="The photo")
    assert shown.evaluate("own => own.naturalWidth") == 300
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("article")).to_have_count(0)
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()


def test_pasted_and_chosen_photos_the_newest_first(
    open_at: Open, address: str, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(8)]
    for number, path in enumerate(paths):
        draw_photo(path, hue=25 * number, seed=number)
    page = open_at()
    transfer(page, "paste", paths[0])
    page.set_input_files("#file", paths[1:])
    articles = page.get_by_role("article")
    expect(articles).to_have_count(8)
    names = [own.get_attribute("aria-label") for own in articles.all()]
    assert names == [path.name for path in (*paths[1:], paths[0])]
    for path in paths:
        expect_breeds(card(page, path.name), asked(address, path.read_bytes()))
    # Who listens hears every answer.
    expect(page.get_by_role("log").get_by_text("Looking at 7 photos")).to_have_count(1)
    for path in paths:
        expect(page.get_by_role("log").get_by_text(f"{path.name}: ")).to_have_count(1)


def test_everything_by_keyboard(open_at: Open, photo: Path) -> None:
    page = open_at()
    page.keyboard.press("Tab")
    choose = page.get_by_role("button", name="Choose photos")
    expect(choose).to_be_focused()
    assert choose.evaluate("own => getComputedStyle(own).outlineStyle") == "solid"
    for number, key in enumerate(("Enter", "Space"), start=1):
        with page.expect_file_chooser() as chooser:
            page.keyboard.press(key)
        chooser.value.set_files(photo)
        expect(page.get_by_role("meter")).to_have_count(3 * number)
    seen = []
    for _ in range(6):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.textContent"))
    assert seen[0] == "Clear"
    assert [name.startswith("What speaks for ") for name in seen[1:3]] == [True, True]
    assert seen[3].startswith("curl ")
    assert seen[4] == "Copy"
    assert seen[5] == "The 3 breeds it knows"
    page.keyboard.press("Enter")
    expect(page.get_by_text("golden retriever", exact=True).last).to_be_visible()


def test_a_bad_file_says_why_and_the_others_are_answered(
    open_at: Open, address: str, photo: Path, tmp_path: Path
) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("no photo")
    page = open_at(REFUSED)
    transfer(page, "drop", text, photo)
    bad = card(page, "notes.jpg")
    expect(bad.get_by_role("heading")).to_have_text("No answer")
    expect(bad.get_by_text("Not an image of a known format.")).to_be_visible()
    expect(bad.get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("log")).to_contain_text("notes.jpg: no answer. Not an image of a known")
    expect_breeds(card(page, photo.name), asked(address, photo.read_bytes()))


def test_what_speaks_for_a_breed(open_at: Open, photo: Path) -> None:
    page = open_at()
    page.set_input_files("#file", photo)
    own = card(page, photo.name)
    button = own.get_by_role("button", name=re.compile("^What speaks for "))
    button.press("Space")
    expect(own.get_by_text("Looking closer")).to_be_visible()
    heat = own.get_by_role("img", name=re.compile("^Heat map: What speaks for .* is bright$"))
    expect(heat).to_be_visible(timeout=HEAT_MS)
    size, box = heat.evaluate("own => [own.naturalWidth / own.naturalHeight, own.clientWidth]")
    assert size == pytest.approx(1.5, abs=0.01)
    assert box > 200
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(own.get_by_text("Looking closer")).to_be_hidden()
    button.press("Enter")
    expect(heat).to_be_hidden()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert button.evaluate("own => own === document.activeElement")


def test_a_large_photo_is_scaled_down_before_it_is_sent(
    open_at: Open, address: str, tmp_path: Path
) -> None:
    large, long = tmp_path / "large.jpg", tmp_path / "long.png"
    draw_photo(tmp_path / "small.png", hue=90, seed=3, size=(30, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    with Image.open(tmp_path / "small.png") as small:
        small.resize((3000, 2000)).save(large, exif=exif)
        small.resize((6000, 800)).save(long)
    page = open_at()
    sent: list[bytes] = []
    page.on("request", lambda own: sent.append(own.post_data_buffer or b""))
    page.set_input_files("#file", large)
    own = card(page, "large.jpg")
    expect(own.get_by_text("sent as 1365 × 2048 pixels")).to_be_visible()
    whole = asked(address, large.read_bytes())["breeds"]
    shown = own.get_by_role("meter").evaluate_all("all => all.map(own => own.value)")
    assert shown == pytest.approx([breed["probability"] for breed in whole], abs=0.01)
    page.set_input_files("#file", long)  # its shorter side stays large enough to be looked at
    expect(card(page, "long.png").get_by_text("sent as 3840 × 512 pixels")).to_be_visible()
    assert max(map(len, sent)) < 2**20


def test_a_busy_server_is_asked_again_and_one_that_is_gone_is_said(
    open_at: Open, photo: Path
) -> None:
    page = open_at("Failed to load resource: ")
    times: list[float] = []

    def busy_once(route: Route) -> None:
        times.append(time.monotonic())
        if len(times) > 1:
            route.continue_()
        else:
            refusal = {"error": {"code": "busy", "message": "Too many photos wait."}}
            route.fulfill(status=429, json=refusal, headers={"Retry-After": "1"})

    page.route("**/invocations*", busy_once)
    page.set_input_files("#file", photo)
    expect(page.get_by_role("meter")).to_have_count(3)
    assert len(times) == 2
    assert times[1] - times[0] > 0.9
    page.get_by_role("button", name="Clear").click()

    page.unroute("**/invocations*")
    page.route("**/invocations*", lambda route: route.abort("connectionrefused"))
    page.set_input_files("#file", photo)
    sentence = card(page, photo.name).get_by_text(
        "The server can't be reached: is it still running?"
    )
    expect(sentence).to_be_visible()
    page.unroute("**/invocations*")
    page.get_by_role("button", name="Try again").press("Enter")
    expect(page.get_by_role("meter")).to_have_count(3)
    expect(sentence).to_be_hidden()
    expect(page.get_by_role("button", name="What speaks")).to_be_focused()


def test_unknown_is_said_in_words(open_at: Open, photo: Path) -> None:
    page = open_at()
    # (The tiny model's own answers depend on its random weights.)
    breeds = [{"breed": "<i>pug</i>", "class": "pug", "probability": 0.3}]
    answer = {"predictions": [{"unknown": True, "breeds": breeds}], "model_ms": 4.2}
    page.route("**/invocations*", lambda route: route.fulfill(json=answer))
    page.set_input_files("#file", photo)
    own = card(page, photo.name)
    expect(own.get_by_role("heading")).to_have_text("Unknown")
    expect(own.get_by_text("No breed reaches 40.0 %. The best guesses:")).to_be_visible()
    expect(own.get_by_role("meter", name="<i>pug</i>")).to_be_visible()
    expect(page.get_by_role("log")).to_contain_text("unknown. No breed reaches 40.0 %.")


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_scrolls_one_way_only(open_at: Open, photo: Path, dark: bool) -> None:
    long = photo.with_name(f"{'x' * 200}.jpg")
    photo.rename(long)
    page = open_at(
        viewport={"width": 390, "height": 844},
        is_mobile=True,
        has_touch=True,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    page.set_input_files("#file", [long, long])
    expect(page.get_by_role("meter")).to_have_count(6)
    page.get_by_text("breeds it knows").tap()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    cut_off = page.evaluate(
        "[...document.querySelectorAll('main :not(.hidden, .hidden *)')]"
        ".filter(own => own.clientWidth && own.scrollWidth > own.clientWidth + 1)"
        ".map(own => own.outerHTML)"
    )
    assert cut_off == []
    heights = page.get_by_role("button").evaluate_all("all => all.map(own => own.clientHeight)")
    assert min(heights) >= 40  # a finger's width
    page_colour, text_colour = page.evaluate(
        """(({ backgroundColor, color }) =>
            [backgroundColor, color].map((own) => own.match(/\\d+/g).map(Number))
        )(getComputedStyle(document.body))"""
    )
    assert (sum(page_colour) < sum(text_colour)) == dark
    for moving in (page.get_by_role("meter"), page.locator(".heat")):
        assert moving.first.evaluate("own => getComputedStyle(own).animationName") == "none"


def test_what_it_says_of_the_model(tiny_model: Path, open_at: Open, address: str) -> None:
    page = open_at()
    expect(page).to_have_title("Which breed is it? · dogbreed")
    banner = page.get_by_role("banner")
    expect(banner).to_have_text(re.compile(r"A model that knows 3 breeds\.\s*$"))  # never tested
    expect(page.locator("#command")).to_have_text(
        f"curl --data-binary @photo.jpg {address}/invocations"
    )
    description = read_description(tiny_model / "model")
    test = {"top1": 0.7708, "n": 1200, "ci95": {"top1": [0.7462, 0.7937]}}
    known = ("<script>alert(1)</script>",)
    changed = replace(description, display_names=known, metrics={"test": test})
    media_type, content = pages(changed)["/"]
    assert media_type == "text/html; charset=utf-8"
    html = " ".join(content.decode().replace("&nbsp;", " ").split())
    assert (
        "A model that knows 1 breed. It named 77.1 % of 1,200 test photos right "
        "(95 % interval: 74.6 to 79.4 %)." in html
    )
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
