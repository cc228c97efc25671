"""A notebook's cell: whether code runs in one, and lines of its output that change in place."""

import os
import sys
from collections.abc import Sequence
from typing import Any

SIZE = os.terminal_size((100, 24))  # of a cell; nothing tells how wide the browser's window is


def in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this: a browser, an editor such as VS Code, or nbconvert."""
    ipython = sys.modules.get("IPython")  # who runs in a notebook has imported it
    shell = ipython.get_ipython() if ipython is not None else None
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in type(shell).__mro__)


class CellOutput:
    """Lines in the output of the running cell, each time in place of those before.

    It is plain text, which every front end shows in its own colours without widgets.
    """

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, lines: Sequence[str]) -> None:
        """Show these lines."""
        from IPython.display import display

        content = {"text/plain": "\n".join(lines)}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(content, raw=True)
