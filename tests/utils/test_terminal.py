"""No module writes lines, CSV or HTML in another way than the one that makes names safe."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from conftest import PROJECT

# What writes lines, CSV or HTML, and the modules that do.
WRITERS = {
    "print": (),
    "stdout.write": (),
    "stderr.write": (),
    "traceback.print_exc": (),
    "traceback.print_exception": (),
    "csv.writer": ("csv_cells", "sent_labels"),  # the second is for a job, not for people
    "csv.DictWriter": (),
    "logging.Formatter": (),
    "logging.basicConfig": (),
    "Console": ("terminal",),
    "Environment": ("templates",),
    "Text.from_markup": (),
}
LOGS = ("debug", "info", "warning", "error", "exception", "critical", "log")


@cache
def calls() -> list[tuple[Path, ast.Call, str]]:
    """Every call in the project's own files, with the name of what is called."""
    return list(_found())


def _found() -> Iterator[tuple[Path, ast.Call, str]]:
    for folder in ("dogbreed", "launch", "inference"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    yield path, node, ast.unparse(node.func)


def test_nothing_is_written_past_the_place_that_makes_it_printable() -> None:
    for path, node, name in calls():
        for writer, modules in WRITERS.items():
            if name == writer or (writer != "print" and name.endswith(f".{writer}")):
                assert path.stem in modules, f"{path}:{node.lineno}: {name}"


def test_what_is_logged_is_a_message_of_ours_with_arguments() -> None:
    """A line break in the message starts a line, in an argument it doesn't."""
    for path, node, name in calls():
        *owner, method = name.split(".")
        if method in LOGS and owner and (owner[-1] == "log" or owner[0] == "logging"):
            message = node.args[0]
            made = isinstance(message, ast.Call) and ast.unparse(message.func) in (
                *("metric_line", "result_line"),
            )
            constant = isinstance(message, ast.Constant) and isinstance(message.value, str)
            assert constant or made, f"{path}:{node.lineno}: {ast.unparse(node)}"
