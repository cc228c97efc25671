"""Untrusted text as one safe line, in every kind of output that is made for people."""

import copy
import io
import json
import logging
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from helpers.hostile_text import FORGED_LINE, MARKUP, NAMES, READABLE, unsafe

from dogbreed import errors
from dogbreed.evaluation.metrics.registry import objectives
from dogbreed.report.charts import labels
from dogbreed.report.run.model_card import plain
from dogbreed.search.table import live_table, print_table
from dogbreed.search.trials import COMPLETED, FAILED, Trial
from dogbreed.serving.offline.table import json_line
from dogbreed.utils.metric_lines import metric_line, metric_regexes, result_line
from dogbreed.utils.printable import printable
from dogbreed.utils.terminal import LineFormatter, line_of, print_lines


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_is_one_safe_line(name: str) -> None:
    shown = printable(name)
    assert unsafe(shown, kept="") == []
    assert shown.encode()
    assert printable(shown) == shown
    assert unsafe(plain(name), kept="") == []
    assert unsafe("".join(labels([name])), kept="") == []


@pytest.mark.parametrize("name", READABLE)
def test_names_of_all_scripts_stay(name: str) -> None:
    assert printable(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Col\u200dlie", r"Col\u200dlie"),
        ("e\u0301\u200de\u0301", "e\u0301\\u200de\u0301"),  # an accent is nothing to join
        ("عرب\u200d\u200cي", "عرب\\u200d\\u200cي"),
        ("Collie\ufe0f", r"Collie\ufe0f"),
        ("❤\ufe0f\ufe0f", "❤\ufe0f\\ufe0f"),
        ("Collie\u3164", r"Collie\u3164"),
        ("Col\u00adlie\u00a0x", r"Col\xadlie\xa0x"),
        ("a" + 12 * "\u0301", "a" + 8 * "\u0301" + 4 * r"\u0301"),
        ("\U000e0041", r"\U000e0041"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_shown(name: str, shown: str) -> None:
    assert printable(name) == shown


@pytest.mark.parametrize("name", NAMES)
def test_a_line_of_the_log_has_no_other_in_it(name: str) -> None:
    record = logging.LogRecord("dogbreed", 20, "", 1, "\nphotos: %s\n%d", (name, 3), None)
    for text in (
        LineFormatter().format(record),
        LineFormatter().format(logging.makeLogRecord({"msg": "\n%(a)s\n3", "args": {"a": name}})),
    ):
        assert text.count("\n") == 2
        assert unsafe(text) == []
    assert record.args == (name, 3), "other handlers get what was logged"


def test_numbers_of_numpy_stay_numbers() -> None:
    record = logging.makeLogRecord({"msg": "%d of %.1f", "args": (np.int64(3), np.float32(0.5))})
    assert LineFormatter().format(record) == "3 of 0.5"


def test_a_traceback_in_the_log_looks_like_no_record() -> None:
    try:
        raise ValueError(FORGED_LINE)
    except ValueError:
        record = logging.LogRecord("x", 40, "", 1, "failed", (), sys.exc_info())
    first, *rest = LineFormatter("%(asctime)s %(message)s").format(record).split("\n")
    assert first.endswith("failed")
    assert len(rest) > 3
    assert all(line.startswith("  ") and not unsafe(line) for line in rest)


@pytest.mark.parametrize("name", NAMES)
def test_a_printed_line_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_lines(name, "x")
    out = capsys.readouterr().out
    assert out.count("\n") == 2
    assert unsafe(out) == []


@pytest.mark.parametrize("name", NAMES)
def test_an_error_has_the_lines_it_was_given(name: str) -> None:
    error = errors.DataError(f"{name} can't be read:", f"  {name}")
    assert str(error).count("\n") == 1
    assert unsafe(str(error)) == []
    assert str(copy.copy(error)) == str(error)
    assert unsafe(str(errors.PhotoError("empty", name)), kept="") == []
    assert unsafe(str(errors.Stopped(name, 2)), kept="") == []


def test_what_else_a_command_writes_is_safe() -> None:
    name = f"{FORGED_LINE}\x1b[31m"
    body = f"""
import logging, sys, warnings
from dogbreed.utils.command import run_command
name = {name!r}
def command(arguments):
    warnings.warn(name)
    logging.getLogger("library").warning("file %s", name)
    if arguments:
        raise OSError(2, "none", name)
    raise KeyError(name)
run_command(command)
"""
    for argument in ((), ("x",)):
        done = subprocess.run(
            [sys.executable, "-c", body, *argument], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1
        assert unsafe(done.stderr) == []
        assert "UserWarning: break\\n2026" in done.stderr
        assert "\nfile break\\n2026" in done.stderr
        assert "\n2026" not in done.stderr
        assert "valid_loss=0" not in done.stderr
    assert "\nerror: break\\n2026" in done.stderr


# --- metrics that are read back from a job's log ----------------------------------------------


@pytest.mark.parametrize("metric", ["train_loss", "train_top1", *objectives()])
def test_no_name_is_taken_for_a_metric(metric: str) -> None:
    for value in ("0.0", "-1e-9", "nan", "inf"):
        name = f"photos {metric}={value} {metric}_low95={value}"
        record = logging.LogRecord("dogbreed", 20, "", 1, "photos: %s", (name,), None)
        for line in (LineFormatter().format(record), line_of(name)):
            assert not any(
                re.search(pattern, line) for pattern in metric_regexes(objectives()).values()
            )


def test_the_metrics_themselves_are_read_back() -> None:
    result = result_line({"valid_loss": (0.5, (0.4, 0.6))})
    for line, value in ((metric_line(1, {"valid_loss": 0.25}), "0.250000"), (result, "0.500000")):
        written = LineFormatter().format(logging.makeLogRecord({"msg": line}))
        found = re.search(metric_regexes(objectives())["valid_loss"], written)
        assert found is not None
        assert found[1] == value


def test_lines_of_json_stay_json(capsys: pytest.CaptureFixture[str]) -> None:
    for name in (*NAMES, "valid_loss=0.5", "del\x7f"):
        print_lines(json_line({"path": name}).rstrip("\n"))
        assert json.loads(capsys.readouterr().out) == {"path": name}


# --- the table of a search ---------------------------------------------------------------------


def trial(text: str, status: str = COMPLETED) -> Trial:
    objective = 0.5 if status == COMPLETED else None
    return Trial(
        name=text,
        status=status,
        parameters={f"optim.{text}": text},
        objective=objective,
        reason=text,
    )


@pytest.mark.parametrize("text", [*NAMES, "[/]", "[bold", "[/bold]", "\\[x]"])
def test_the_table_of_a_search_shows_any_value(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = [trial(text), trial(text, FAILED)]
    monkeypatch.setattr("dogbreed.search.table.COLUMNS_ELSEWHERE", 2000)
    print_table(trials, [f"optim.{text}"], text, "minimize")
    out = capsys.readouterr().out
    assert line_of(text).strip() in out
    assert unsafe(out) == []
    assert len(out.splitlines()) == 4


def test_the_table_on_a_terminal_shows_any_value(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("TERM", "xterm")
    with live_table([], "valid_top1", "maximize", 1) as show:
        show([trial(MARKUP), trial("\x1b]0;title\x07")])
    written = terminal.getvalue()
    assert "[bold]x[/x] [link=http:x]y" in written
    assert ":dog:" in written
    assert r"\x1b]0;title\x07" in written
    assert "\x1b]0;" not in written
    assert "\x1b]8;" not in written, "no link"


def test_warnings_of_the_tests_are_theirs() -> None:
    """What a command changes for its process isn't changed by importing it."""
    assert warnings.formatwarning.__module__ != "dogbreed.utils.terminal"


def test_the_server_logs_as_all_libraries_do() -> None:
    from dogbreed.serving.http.uvicorn_server import build_server

    build_server(None, 1, lambda: None)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        assert logging.getLogger(name).handlers == [], "theirs would write what a client sent"
