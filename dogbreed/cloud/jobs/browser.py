"""A page opened in the user's browser, where there is a screen to see it on."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

SCREENS = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")


def show(page: Path) -> None:
    """Open a page if somebody sits there to see it; whatever comes of it, the command goes on."""
    if not (page.is_file() and sys.stdout.isatty() and _has_screen()):
        return
    # The standard library's own choice of browser, without a terminal: none in text can take it
    # over, and without TERM none is even tried.
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


def _has_screen() -> bool:
    return sys.platform == "darwin" or any(os.environ.get(name) for name in SCREENS)
