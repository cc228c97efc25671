"""How every command starts and ends: closed streams, what the system refuses, odd encodings."""

import logging
import os
import signal
import subprocess
import sys
import types
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import draw_photo
from helpers.in_process import run_in_process

from dogbreed.training.run_folder import log_to_terminal
from dogbreed.utils.signals import ENDING_SIGNALS

START = "from dogbreed.utils.command import run_command\nimport os, sys\ndef main(arguments):\n    "
END = "\nrun_command(main)"


def run(
    body: str, redirection: str = "", cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A command whose work is `body`, started by a shell with its streams redirected."""
    return shell([sys.executable, "-c", START + body + END], redirection, cwd, **variables)


def shell(
    command: list[str], redirection: str, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **variables},
        timeout=60,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_starts_with_closed_streams(closed: str) -> None:
    body = "sys.stdout.isatty(); sys.stderr.isatty(); print(len(sys.stdin.buffer.read()))"
    done = run(body, closed if "<" in closed else f"{closed} </dev/null")
    assert done.returncode == 0
    assert done.stdout == ("" if ">&-" in closed.replace("2>&-", "") else "0\n")
    assert done.stderr == ""


def test_what_is_written_to_a_closed_stream_ends_up_in_no_file(tmp_path: Path) -> None:
    # As a library of C does; without care the file would be number 1.
    body = f"file = open({str(tmp_path / 'model')!r}, 'w'); os.write(1, b'x'); file.write('y')"
    assert run(body, ">&-").returncode == 0
    assert (tmp_path / "model").read_text() == "y"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-"])
def test_predict_answers_with_a_closed_stream(
    tiny_model: Path, tmp_path: Path, closed: str
) -> None:
    draw_photo(tmp_path / "dog.jpg", 120, 1)
    command = [sys.executable, "-m", "dogbreed.predict", f"model={tiny_model}", "dog.jpg"]
    done = shell(command, closed, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("Chihuahua" in done.stdout) == (closed != ">&-")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("open('none/x')", "none/x: No such file or directory: check the path."),
        ("open('file/x')", "file/x: Not a directory: a file is where a folder is needed"),
        ("open('.', 'w')", ".: Is a directory: a folder is where a file is needed"),
        ("open('x' * 300)", "File name too long: take a shorter name."),
        ("open('loop')", "loop: Too many levels of symbolic links: its symbolic links lead back"),
        ("os.mkdir('file')", "file: File exists: name another path, or remove it."),
        ("os.rename('file', 'none/x')", "file: No such file or directory"),
        ("open(b'none')", "none: No such file or directory"),
        (
            "raise PermissionError(13, 'Permission denied', 'x')",
            "x: Permission denied: check its owner",
        ),
        (
            "raise OSError(30, 'Read-only file system', 'x')",
            "x: Read-only file system: name a path",
        ),
        ("raise OSError(28, 'No space left on device', 'x')", "the disk is full while writing x"),
        ("raise OSError('words of its own')", "words of its own."),
        ("os.rmdir(os.getcwd()); os.getcwd()", "the current folder doesn't exist any more"),
        ("'犬'.encode('ascii')", "this locale's encoding (ascii) lacks some of its characters"),
    ],
)
def test_what_the_system_refuses_is_one_message(tmp_path: Path, body: str, message: str) -> None:
    if "rmdir" not in body:
        (tmp_path / "file").touch()
        (tmp_path / "loop").symlink_to("loop")
    work = types.FunctionType(compile(body, "body", "exec"), {"os": os})
    assert_one_message(run_in_process(lambda _: work(), cwd=tmp_path), message)


def assert_one_message(done: subprocess.CompletedProcess[str], message: str) -> None:
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(".\n")


def test_too_many_open_files_are_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    body = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50)); "
        "kept = [open('file') for _ in range(99)]"
    )
    assert_one_message(run(body, cwd=tmp_path), "Too many open files: raise the limit")


def test_a_command_in_process_leaves_nothing_behind(tmp_path: Path) -> None:
    def command(arguments: Sequence[str]) -> None:
        warnings.simplefilter("ignore")
        log_to_terminal()
        logging.getLogger("dogbreed").info("the line of %s", *arguments)
        sys.exit(3)

    log = logging.getLogger("dogbreed")
    before = [log.level, log.propagate, *log.handlers]
    filters = list(warnings.filters)
    signals = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    done = run_in_process(command, "it", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, "the line of it\n", "")
    assert [log.level, log.propagate, *log.handlers] == before
    assert list(warnings.filters) == filters
    assert {number: signal.getsignal(number) for number in ENDING_SIGNALS} == signals
    assert logging.raiseExceptions
    nothing: dict[str, None] = {}
    with pytest.raises(KeyError):
        run_in_process(lambda _: nothing["x"], cwd=tmp_path)


def test_a_fault_of_our_own_still_shows_where_it_is() -> None:
    assert "Traceback" in run("raise KeyError('x')").stderr


def test_characters_that_a_terminal_lacks_are_shown_as_escapes() -> None:
    done = run("print('犬', '\\udcff'); raise OSError(2, 'none', '犬')", PYTHONIOENCODING="ascii")
    assert done.stdout == "\\u72ac \\udcff\n"
    assert done.stderr == "error: \\u72ac: none: check the path.\n"


def test_output_that_cannot_be_written_is_no_success() -> None:
    done = run("print('x')", ">/dev/full")
    assert done.returncode == 1
    assert "the disk is full" in done.stderr
    buffered = run("print('x')", ">/dev/full", PYTHONUNBUFFERED="")
    assert buffered.returncode == 1
    assert buffered.stderr.startswith("error: the standard output: the disk is full")
    assert run("raise KeyError", "2>/dev/full").returncode == 1
    nobody_reads = run("import time; time.sleep(0.3); print('x', flush=True)", "| true")
    assert nobody_reads.stderr == ""


def test_lines_that_nobody_reads_stop_no_work(tmp_path: Path) -> None:
    body = (
        "import time; from dogbreed.training.run_folder import log, log_to_terminal; "
        "log_to_terminal(); time.sleep(0.3); "
        f"log.info('x'); open({str(tmp_path / 'result')!r}, 'w').close()"
    )
    assert run(body, "| true").stderr == ""
    assert (tmp_path / "result").exists()
