"""Open a page in the user's browser if there is a display."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

DISPLAY_VARIABLES = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")


def open_page(page: Path) -> None:
    """Open a page if stdout is a terminal and there is a display; failures are ignored."""
    if not (page.is_file() and sys.stdout.isatty() and _has_display()):
        return
    # The browser that Python's webbrowser module chooses, in a process without a terminal: without
    # TERM it tries no text browser, which would take over the terminal.
    variables = {name: value for name, value in os.environ.items() if name != "TERM"}
    nothing = subprocess.DEVNULL
    with suppress(OSError):
        subprocess.Popen(
            [sys.executable, "-P", "-m", "webbrowser", page.resolve().as_uri()],
            env=variables,
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            start_new_session=True,
        )


def _has_display() -> bool:
    return sys.platform == "darwin" or any(os.environ.get(name) for name in DISPLAY_VARIABLES)
