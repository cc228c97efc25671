"""Notebooks that a real kernel executes."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import nbformat
from nbclient import NotebookClient


def notebook_of(*sources: str) -> Any:
    """A notebook of code cells."""
    notebook = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    notebook.cells = [nbformat.v4.new_code_cell(each) for each in sources]  # type: ignore[no-untyped-call]
    return notebook


def read(path: Path) -> Any:
    """The notebook in a file."""
    return nbformat.read(path, 4)  # type: ignore[no-untyped-call]


def execute(
    notebook: Any,
    folder: Path,
    *,
    allow_errors: bool = False,
    meanwhile: Callable[[int], None] | None = None,
) -> None:
    """Execute all cells of `notebook` in `folder`; their outputs are in it afterwards.

    `meanwhile` runs in a thread of its own, with the process of the kernel.
    """

    def start(cell: Any, cell_index: int) -> None:
        if meanwhile is not None and cell_index == 0:
            kernel: Any = client.km
            process = kernel.provisioner.process.pid
            Thread(target=meanwhile, args=(process,), daemon=True).start()

    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        allow_errors=allow_errors,
        coalesce_streams=True,
        on_cell_start=start,
    )
    client.execute(cwd=str(folder), env=dict(os.environ))
