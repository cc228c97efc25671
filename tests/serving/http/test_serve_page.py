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

OVERLAY_MS = 60_000  # the first one loads torch
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
    """Open the page; the test fails on console messages and requests to other hosts.

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
        # Chromium must know now that choosers are awaited: at the key press it sometimes is late.
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


def predicted(address: str, photo: bytes) -> dict[str, Any]:
    """The entry of /invocations for one photo."""
    with urllib.request.urlopen(f"{address}/invocations", data=photo, timeout=30) as answer:
        entry: dict[str, Any] = json.load(answer)["predictions"][0]
        return entry


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


def expect_classes(of: Locator, entry: dict[str, Any]) -> None:
    """The card shows the prediction, as text and to screen readers."""
    bars = of.get_by_role("list", name="The most likely first").get_by_role("listitem")
    expect(bars).to_have_text(
        [
            f"{expected['label']} {100 * expected['probability']:.1f} %"
            for expected in entry["classes"]
        ]
    )
    for bar, expected in zip(bars.all(), entry["classes"], strict=True):
        meter = bar.get_by_role("meter", name=expected["label"])
        assert meter.evaluate("element => element.value") == pytest.approx(expected["probability"])
    best = "Unknown" if entry["unknown"] else entry["classes"][0]["label"]
    expect(of.get_by_role("heading")).to_have_text(best)


def test_a_dropped_photo_gets_its_classes(open_at: Open, address: str, photo: Path) -> None:
    page = open_at()
    transfer(page, "dragover", photo)
    expect(page.locator("body")).to_have_class("dragging")
    transfer(page, "drop", photo)
    expect(page.locator("body")).not_to_have_class("dragging")
    photo_card = card(page, photo.name)
    expect_classes(photo_card, predicted(address, photo.read_bytes()))
    expect(photo_card.get_by_text("in the server")).to_have_text(
        re.compile(r"^\d+ ms, of which \d+ ms in the server$")
    )
    shown = photo_card.get_by_role("img", name="The photo")
    assert shown.evaluate("element => element.naturalWidth") == 300
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
    names = [article.get_attribute("aria-label") for article in articles.all()]
    assert names == [path.name for path in (*paths[1:], paths[0])]
    for path in paths:
        expect_classes(card(page, path.name), predicted(address, path.read_bytes()))
    # Screen readers announce every prediction.
    expect(page.get_by_role("log").get_by_text("Classifying 7 photos")).to_have_count(1)
    for path in paths:
        expect(page.get_by_role("log").get_by_text(f"{path.name}: ")).to_have_count(1)


def test_everything_by_keyboard(open_at: Open, photo: Path) -> None:
    page = open_at()
    page.keyboard.press("Tab")
    choose = page.get_by_role("button", name="Choose photos")
    expect(choose).to_be_focused()
    assert choose.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
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
    assert [name.startswith("Evidence for ") for name in seen[1:3]] == [True, True]
    assert seen[3].startswith("curl ")
    assert seen[4] == "Copy"
    assert seen[5] == "The 3 classes"
    page.keyboard.press("Enter")
    expect(page.get_by_text("golden retriever", exact=True).last).to_be_visible()


def test_a_bad_file_has_an_error_and_the_others_are_classified(
    open_at: Open, address: str, photo: Path, tmp_path: Path
) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("no photo")
    page = open_at(REFUSED)
    transfer(page, "drop", text, photo)
    bad = card(page, "notes.jpg")
    expect(bad.get_by_role("heading")).to_have_text("No prediction")
    expect(bad.get_by_text("Not an image of a known format.")).to_be_visible()
    expect(bad.get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("log")).to_contain_text(
        "notes.jpg: no prediction. Not an image of a known"
    )
    expect_classes(card(page, photo.name), predicted(address, photo.read_bytes()))


def test_the_grad_cam_overlay(open_at: Open, photo: Path) -> None:
    page = open_at()
    page.set_input_files("#file", photo)
    photo_card = card(page, photo.name)
    button = photo_card.get_by_role("button", name=re.compile("^Evidence for "))
    button.press("Space")
    expect(photo_card.get_by_text("Computing")).to_be_visible()
    overlay = photo_card.get_by_role(
        "img", name=re.compile("^Grad-CAM overlay: evidence for .* is bright$")
    )
    expect(overlay).to_be_visible(timeout=OVERLAY_MS)
    size, box = overlay.evaluate(
        "element => [element.naturalWidth / element.naturalHeight, element.clientWidth]"
    )
    assert size == pytest.approx(1.5, abs=0.01)
    assert box > 200
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(photo_card.get_by_text("Computing")).to_be_hidden()
    button.press("Enter")
    expect(overlay).to_be_hidden()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert button.evaluate("element => element === document.activeElement")


def test_a_large_photo_is_scaled_down_before_it_is_sent(
    open_at: Open, address: str, tmp_path: Path
) -> None:
    large, long = tmp_path / "large.jpg", tmp_path / "long.png"
    draw_photo(tmp_path / "small.png", hue=90, seed=3, size=(30, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated
    with Image.open(tmp_path / "small.png") as small:
        small.resize((3000, 2000)).save(large, exif=exif)
        small.resize((6000, 800)).save(long)
    page = open_at()
    sent: list[bytes] = []
    page.on("request", lambda request: sent.append(request.post_data_buffer or b""))
    page.set_input_files("#file", large)
    photo_card = card(page, "large.jpg")
    expect(photo_card.get_by_text("sent as 1365 × 2048 pixels")).to_be_visible()
    unscaled = predicted(address, large.read_bytes())["classes"]
    shown = photo_card.get_by_role("meter").evaluate_all("all => all.map(element => element.value)")
    assert shown == pytest.approx([each["probability"] for each in unscaled], abs=0.01)
    page.set_input_files("#file", long)  # its shorter side stays large enough to be looked at
    expect(card(page, "long.png").get_by_text("sent as 3840 × 512 pixels")).to_be_visible()
    assert max(map(len, sent)) < 2**20


def test_a_busy_server_is_retried_and_one_that_is_gone_is_reported(
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
    expect(page.get_by_role("button", name="Evidence for")).to_be_focused()


def test_unknown_is_written_out(open_at: Open, photo: Path) -> None:
    page = open_at()
    # (The tiny model's own predictions depend on its random weights.)
    classes = [{"label": "<i>pug</i>", "class": "pug", "probability": 0.3}]
    answer = {"predictions": [{"unknown": True, "classes": classes}], "model_ms": 4.2}
    page.route("**/invocations*", lambda route: route.fulfill(json=answer))
    page.set_input_files("#file", photo)
    photo_card = card(page, photo.name)
    expect(photo_card.get_by_role("heading")).to_have_text("Unknown")
    expect(photo_card.get_by_text("No class reaches 40.0 %. The best guesses:")).to_be_visible()
    expect(photo_card.get_by_role("meter", name="<i>pug</i>")).to_be_visible()
    expect(page.get_by_role("log")).to_contain_text("unknown. No class reaches 40.0 %.")


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
    page.get_by_text("The 3 classes").tap()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    cut_off = page.evaluate(
        "[...document.querySelectorAll('main :not(.hidden, .hidden *)')]"
        ".filter(element => element.clientWidth && element.scrollWidth > element.clientWidth + 1)"
        ".map(element => element.outerHTML)"
    )
    assert cut_off == []
    heights = page.get_by_role("button").evaluate_all(
        "all => all.map(element => element.clientHeight)"
    )
    assert min(heights) >= 40  # a finger's width
    page_colour, text_colour = page.evaluate(
        """(({ backgroundColor, color }) =>
            [backgroundColor, color].map((colour) => colour.match(/\\d+/g).map(Number))
        )(getComputedStyle(document.body))"""
    )
    assert (sum(page_colour) < sum(text_colour)) == dark
    for moving in (page.get_by_role("meter"), page.locator(".overlay")):
        assert moving.first.evaluate("element => getComputedStyle(element).animationName") == "none"


def test_the_model_is_described(tiny_model: Path, open_at: Open, address: str) -> None:
    page = open_at()
    expect(page).to_have_title("Which class is it? · dogbreed")
    banner = page.get_by_role("banner")
    expect(banner).to_have_text(re.compile(r"A model of 3 classes\.\s*$"))  # never tested
    expect(page.locator("#command")).to_have_text(
        f"curl --data-binary @photo.jpg {address}/invocations"
    )
    description = read_description(tiny_model / "model")
    test = {"top1": 0.7708, "n": 1200, "ci95": {"top1": [0.7462, 0.7937]}}
    labels = ("<script>alert(1)</script>", "pug", "beagle")
    changed = replace(description, noun="breed", display_names=labels, metrics={"test": test})
    media_type, content = pages(changed)["/"]
    assert media_type == "text/html; charset=utf-8"
    html = " ".join(content.decode().replace("&nbsp;", " ").split())
    assert "<title>Which breed is it? · dogbreed</title>" in html
    assert (
        "A model of 3 breeds. It classified 77.1 % of 1,200 test photos correctly "
        "(95 % interval: 74.6 to 79.4 %)." in html
    )
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
