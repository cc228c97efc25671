"""The report in the user's browser: only where somebody sees it, and never in the terminal."""

import os
import subprocess
import sys
from pathlib import Path

from contract.terminal import browser_in, on_a_terminal, opened

SHOW = """
import pathlib, sys
from dogbreed.cloud.jobs.browser import open_page
open_page(pathlib.Path(sys.argv[1]))
"""


def test_a_page_opens_beside_the_terminal(tmp_path: Path) -> None:
    browser = browser_in(tmp_path)
    page = tmp_path / "a report.html"
    page.touch()
    command = (sys.executable, "-c", SHOW, page.name)
    assert on_a_terminal(*command, cwd=tmp_path, BROWSER=str(browser)) == ""
    assert opened(browser, 10) == [page.as_uri()]


def test_nothing_opens_where_nobody_sees_it(tmp_path: Path) -> None:
    browser = browser_in(tmp_path)
    page = tmp_path / "report.html"
    page.touch()
    command = (sys.executable, "-c", SHOW, str(page))
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "BROWSER": str(browser)},
        capture_output=True,
        check=True,
    )
    assert done.stdout + done.stderr == b""
    on_a_terminal(*command, cwd=tmp_path)
    on_a_terminal(*command[:-1], "nowhere.html", cwd=tmp_path, BROWSER=str(browser))
    on_a_terminal(*command, cwd=tmp_path, BROWSER="/nowhere/browser")
    assert opened(browser, 1) == []
