"""outputs/index.html as a person meets it: sorted, filtered, and two runs compared in a browser."""

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from conftest import draw_photo
from helpers.made_facts import HOSTILE
from helpers.made_runs import folder_name, write_run, write_runs
from helpers.pages import cells, text_of
from playwright.sync_api import Page, expect

from dogbreed.evaluation.baseline import paired_interval
from dogbreed.report.runs import index
from dogbreed.report.runs.index import update_index, write_index
from dogbreed.run_records.listing import list_runs

if TYPE_CHECKING:
    from helpers.browser import OpenPage
pytest_plugins = ("helpers.browser",)

CLASSES = ("Akita", "Beagle", "Collie")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "outputs"


def photos(
    tmp_path: Path, classes: tuple[str, ...] = CLASSES, per_class: int = 4
) -> list[tuple[int, Path]]:
    """Test photos that exist, with their classes."""
    found = []
    for label, name in enumerate(classes):
        for number in range(per_class):
            path = tmp_path / "photos" / "test" / name / f"{number} of 100%.jpg"
            draw_photo(path, 20 + 60 * label, number)
            found.append((label, path))
    return found


def two_runs(root: Path, tmp_path: Path) -> None:
    """The first misses the first photo of each class, the second the last one of the first."""
    tested = photos(tmp_path)
    first = [(label + (number % 4 == 0)) % 3 for number, (label, _) in enumerate(tested)]
    second = [(label + (number == 3)) % 3 for number, (label, _) in enumerate(tested)]
    write_run(root, 0, photos=tested, predicted=first, changes={"optim.lr": 0.01, "seed": 3})
    write_run(root, 1, photos=tested, predicted=second, changes={"seed": 3}, valid=0.9)
    (root / "latest").symlink_to(folder_name(1))
    update_index(root)


def compare(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_label(f"Select {name}").check()
    page.get_by_role("button", name="Compare").click()


def test_two_runs_side_by_side(open_page: "OpenPage", root: Path, tmp_path: Path) -> None:
    two_runs(root, tmp_path)
    page = open_page(root / "index.html")
    assert text_of(page, "header p") == "2 finished runs"
    expect(page.get_by_role("button", name="Compare")).to_be_disabled()
    compare(page, folder_name(0), folder_name(1))
    said = page.locator("#difference")
    gains = torch.tensor([0.0] * 12)
    gains[[0, 4, 8]], gains[3] = 1.0, -1.0
    low, high = paired_interval(gains.double())
    assert float(said.get_attribute("data-points") or "") == pytest.approx(100 * 2 / 12)
    assert float(said.get_attribute("data-low") or "") == pytest.approx(low, abs=1e-9)
    assert float(said.get_attribute("data-high") or "") == pytest.approx(high, abs=1e-9)
    assert f"+16.7 points [{low:+.1f}, {high:+.1f}], paired on 12 photos" in said.inner_text()
    assert ["optim.lr", "0.01", "0.001 (default)"] in cells(page, "#two")
    assert "seed" not in page.locator("#two table").nth(2).inner_text()
    page.locator("#only-B li").last.scroll_into_view_if_needed()
    assert page.locator("#only-A li").count() == 1
    assert page.locator("#only-B li").count() == 3
    assert " ".join(page.locator("#only-A li").inner_text().split()) == (
        "Akita A: right B: Beagle Akita/3 of 100%.jpg"
    )
    expect(page.locator("#two .missing")).to_have_count(0)
    page.wait_for_function("[...document.querySelectorAll('#two img')].every(i => i.naturalWidth)")
    page.go_back()
    page.reload()
    assert text_of(page, "#two") == "Select two runs in the list above."
    page.go_forward()
    assert page.locator("#only-B li").count() == 3


@pytest.mark.parametrize("seed", range(3))
def test_the_page_s_interval_is_python_s(
    open_page: "OpenPage", root: Path, tmp_path: Path, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    tested = [(n % 3, tmp_path / "photos" / CLASSES[n % 3] / f"{n}.jpg") for n in range(100)]
    targets = torch.tensor([label for label, _ in tested])
    runs = []
    for number in range(2):
        change = torch.rand(100, generator=random) < (0.05 + 0.3 * number * seed)
        predicted = torch.where(change, (targets + 1) % 3, targets)
        runs.append((predicted == targets).double())
        write_run(root, number, photos=tested, predicted=predicted.tolist())
    update_index(root)
    page = open_page(root / "index.html")
    gain = runs[1] - runs[0]
    found = page.evaluate(
        "() => pairedDifference(pairsOf(all.runs.find(r => r.name.includes('120000')), "
        "all.runs.find(r => r.name.includes('120100'))))"
    )
    low, high = paired_interval(gain)
    assert found["points"] == pytest.approx(100 * float(gain.mean()), abs=1e-9)
    assert (found["low"], found["high"]) == (
        pytest.approx(low, abs=1e-9),
        pytest.approx(high, abs=1e-9),
    )


def test_runs_on_other_photos_are_paired_on_those_of_both(
    open_page: "OpenPage", root: Path, tmp_path: Path
) -> None:
    tested = photos(tmp_path)
    write_run(root, 0, photos=tested, predicted=[0] * 12)
    write_run(root, 1, photos=tested[2:], predicted=[1] * 10)
    write_run(root, 2, photos=tested[:2], predicted=[0] * 2)
    write_run(root, 3, classes=("cat", "dog"))
    update_index(root)
    page = open_page(root / "index.html")
    compare(page, folder_name(0), folder_name(1))
    expect(page.locator("#difference")).to_contain_text("paired on 10 photos")
    compare(page, folder_name(2))  # the first one is given up
    expect(page.locator("#two")).to_contain_text("tested on different photos")
    compare(page, folder_name(3))
    expect(page.locator("#two")).to_contain_text("The two runs have different classes")
    expect(page.locator("#two")).to_contain_text("there is no paired difference")


def test_sorting_filtering_and_the_keyboard(
    open_page: "OpenPage", root: Path, tmp_path: Path
) -> None:
    for number, test in enumerate((0.5, 0.9, 0.7)):
        write_run(root, number, test=test, changes={"optim.lr": 10.0**-number}, data=f"d{number}")
    write_run(root, 3, finished=False, failure="no space left", changes={})
    update_index(root)
    page = open_page(root / "index.html")

    def order() -> list[str]:
        return [row[2] for row in cells(page, "table.runs") if row[2]]

    assert order() == ["photos", "d2", "d1", "d0"]
    assert "failed: no space left" in page.locator("table.runs").inner_text()
    expect(page.get_by_label(f"Select {folder_name(3)}")).to_be_disabled()
    head = page.get_by_role("button", name="Test top-1")
    head.focus()
    page.keyboard.press("Enter")
    assert order() == ["d0", "d2", "d1", "photos"]
    page.keyboard.press("Enter")
    assert order() == ["d1", "d2", "d0", "photos"]
    page.get_by_label("Filter").fill("PHOTOS optim.lr=0.1")
    assert page.locator("table.runs tbody tr:visible").count() == 1
    assert text_of(page, "#shown") == "1 of 4 runs"
    page.get_by_label("Filter").fill("")
    for name in (folder_name(0), folder_name(2)):
        page.get_by_label(f"Select {name}").focus()
        page.keyboard.press("Space")
    page.get_by_role("button", name="Compare").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#comparison-title")).to_be_focused()


@pytest.mark.parametrize("dark", [False, True])
def test_a_narrow_page_scrolls_down_only(
    open_page: "OpenPage", root: Path, tmp_path: Path, dark: bool
) -> None:
    two_runs(root, tmp_path)
    page = open_page(root / "index.html", width=390, dark=dark)
    compare(page, folder_name(0), folder_name(1))
    for selector in ("html", ".runs"):
        wide = page.evaluate(f"document.querySelector('{selector}').scrollWidth")
        assert wide <= 390, selector


def test_names_from_outside_stay_text(open_page: "OpenPage", root: Path, tmp_path: Path) -> None:
    """The page fails the test if a script of a name runs, or if it complains."""
    names = tuple(name for name in HOSTILE if "/" not in name)
    tested = [(label, tmp_path / "photos" / name / name) for label, name in enumerate(names)]
    for label, path in tested:
        draw_photo(path.with_suffix(".png"), 20, label)
        path.with_suffix(".png").rename(path)
    for number, name in enumerate(HOSTILE):
        write_run(
            root,
            number,
            name=name.replace("/", "-"),
            classes=names,
            photos=tested,
            predicted=[number % 2] * len(tested),
            data=name,
            changes={name: name},
            version=name,
        )
    write_run(root, 50, finished=False, failure=HOSTILE[0])
    update_index(root)
    page = open_page(root / "index.html")
    boxes = page.locator("table.runs tbody input:enabled")
    assert boxes.count() == len(HOSTILE)
    for number in range(len(HOSTILE) - 1):
        boxes.nth(number).check()
        boxes.nth(number + 1).check()
        page.get_by_role("button", name="Compare").click()
        expect(page.locator("#two")).to_contain_text("Only A is right")
    text = page.locator("body").inner_text()
    assert "<img src=x onerror=alert(1)>" in text
    assert "undecodable \\udcff\\udc80" in text
    page.wait_for_function("[...document.querySelectorAll('#two img')].every(i => i.naturalWidth)")
    assert page.locator("#two .missing").count() == 0


def test_damaged_files_leave_the_rest_of_the_page(root: Path, tmp_path: Path) -> None:
    two_runs(root, tmp_path)
    for number, damage in enumerate(("", "split,class\nx", "\0", "split,class,path\ntest,a,b\n")):
        for run in list_runs(root):
            (run.folder / "predictions.csv").write_text(damage)
        (root / "index.html").unlink()
        update_index(root)
        page = (root / "index.html").read_text("utf-8")
        assert folder_name(1) in page, number
        assert '"sets":[]' in page
    (root / folder_name(0) / "run.json").write_text("{")
    (root / folder_name(1) / "metrics.json").write_text("{")
    update_index(root)
    assert folder_name(0) in (root / "index.html").read_text("utf-8")


def test_a_page_that_cannot_be_written_is_a_warning(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    two_runs(root, tmp_path)
    (root / "index.html").unlink()
    (root / "index.html").mkdir()
    (root / "index.html" / "mine").touch()
    update_index(root)
    (warning,) = caplog.messages
    assert warning.startswith(f"warning: {root / 'index.html'} isn't updated: ")
    assert (root / "index.html" / "mine").exists()


def test_a_run_that_finishes_meanwhile_is_in_the_page(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(root, 0)
    late = iter([1])

    def write(folder: Path, runs: object) -> None:
        for number in late:
            write_run(root, number)
        write_index(folder, runs)  # type: ignore[arg-type]

    monkeypatch.setattr(index, "write_index", write)
    update_index(root)
    assert folder_name(1) in (root / "index.html").read_text("utf-8")


def test_several_runs_finish_at_once(root: Path) -> None:
    write_runs(root, 5, classes=3)
    threads = [threading.Thread(target=update_index, args=(root,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    page = (root / "index.html").read_text("utf-8")
    assert all(run.name in page for run in list_runs(root))
    assert list(root.glob(".*")) == []


@pytest.mark.slow
def test_hundreds_of_runs_are_less_than_two_megabytes(root: Path) -> None:
    write_runs(root, 500)
    update_index(root)
    page = (root / "index.html").read_text("utf-8")
    assert len(page.encode()) <= 2_000_000
    data = json.loads(page.split('id="run-data">')[1].split("</script>")[0])
    assert len(data["runs"]) == 500
    assert all(run["photos"] for run in data["runs"])


def test_photos_of_the_newest_runs_alone_where_not_all_fit(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_runs(root, 10, classes=20)
    monkeypatch.setattr("dogbreed.report.runs.tested_photos.MAX_BYTES", 13_000)
    update_index(root)
    page = (root / "index.html").read_text("utf-8")
    data = json.loads(page.split('id="run-data">')[1].split("</script>")[0])
    held = [run["photos"] is not None for run in data["runs"]]
    assert 0 < sum(held) < 10
    assert held == sorted(held, reverse=True)
