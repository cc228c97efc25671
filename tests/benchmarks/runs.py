"""The list and the page of 500 runs over 1,200 test photos of 120 classes.

python tests/benchmarks/runs.py
"""

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from common import row, timed, title
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.browser import FLAGS
from helpers.made_runs import write_runs

from dogbreed.report.runs.index import update_index

RUNS = 500
REPEATS = 7
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary, "outputs")
        write_runs(root, RUNS)
        title(f"{RUNS} runs")
        command = [sys.executable, "-m", "dogbreed", "runs", f"output_root={root}"]
        times = [timed(command, Path.cwd()).seconds for _ in range(REPEATS + 1)][1:]
        listed = statistics.median(times)
        row("dogbreed runs", f"{listed:.2f} s", "<= 1 s", listed <= 1)
        start = time.monotonic()
        update_index(root)
        row("index.html, written by a run's end", f"{time.monotonic() - start:.2f} s", "", True)
        size = (root / "index.html").stat().st_size
        row("its size", f"{size / 1e6:.2f} MB", "<= 2 MB", size <= 2e6)
        painted = statistics.median(first_paints(root / "index.html"))
        row("its first contentful paint in Chromium", f"{painted:.2f} s", "<= 1 s", painted <= 1)


def first_paints(path: Path) -> list[float]:
    """Seconds until the page shows something, each in a fresh tab."""
    program = shutil.which("chromium")
    if program is None:
        sys.exit("error: chromium isn't installed (apt-get install chromium)")
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        for _ in range(REPEATS):
            page = browser.new_page()
            page.goto(path.as_uri())
            page.screenshot()  # waits until it is painted
            found.append(float(page.evaluate(PAINT)))
            page.close()
        browser.close()
    return found


if __name__ == "__main__":
    main()
