"""Commands run inside the test's own process, seen as if each had been a process of its own."""

import importlib.util
import io
import logging
import os
import random
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO

import numpy as np

from dogbreed.utils.command import run

Main = Callable[[Sequence[str]], None]

PROJECT = Path(__file__).parents[2]
# Variables that are read when a process or a library starts: they need a process.
READ_AT_START = ("PYTHON", "LC_", "LANG", "OMP_", "LD_", "HOME", "XDG_")

# They stay open, so that a library's handler that was made in one command writes into the output
# of whichever command runs. What they write to is file descriptors 1 and 2 of the moment.
_STREAMS = {
    number: io.TextIOWrapper(
        io.FileIO(number, "w", closefd=False), "utf-8", "backslashreplace", write_through=True
    )
    for number in (1, 2)
}


def run_in_process(
    what: str | Path | Main,
    *arguments: str | bytes,
    cwd: Path,
    stdin: IO[bytes] | None = None,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """`python -m WHAT ARGUMENTS` (a module) or `python WHAT ARGUMENTS` (a path), but no process;
    or a command's own function.

    Everything that a command could leave behind is put back: working folder, environment, streams,
    random states, torch's threads. Warnings stay errors, as in every test.
    """
    wrong = [name for name in variables if name.startswith(READ_AT_START)]
    assert not wrong, f"{wrong} are read when a process starts: start one"
    main = what if callable(what) else _main_of(what)
    with (
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
        _place(cwd, variables),
        _states(),
        _streams(stdin, stdout, stderr),
    ):
        code = run(main, list(map(os.fsdecode, arguments)))
        for stream in _STREAMS.values():
            stream.flush()
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess([str(what), *map(os.fsdecode, arguments)], code, *texts)


def _main_of(what: str | Path) -> Main:
    """The `main` of a module, or of a file of launch/."""
    if isinstance(what, str):
        main: Main = import_module(what).main
        return main
    name = f"launch.{what.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, what)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    loaded: Main = sys.modules[name].main
    return loaded


@contextmanager
def _place(cwd: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """In a folder, with further variables."""
    folder, environment, path, argv = Path.cwd(), dict(os.environ), sys.path[:], sys.argv[:]
    os.chdir(cwd)
    os.environ.update(variables)
    urllib.request.install_opener(None)  # it has read the proxies of the environment before
    try:
        yield
    finally:
        os.chdir(folder)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        sys.path[:], sys.argv[:] = path, argv
        urllib.request.install_opener(None)


@contextmanager
def _states() -> Iterator[None]:
    """Random states, torch's threads and the package's log handlers, put back after the block."""
    import torch

    log = logging.getLogger("dogbreed")
    handlers, log.handlers = log.handlers, []  # a test's own
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    others, numbers = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        log.handlers = handlers
        torch.set_num_threads(threads)
        torch.set_rng_state(state)
        random.setstate(others)
        np.random.set_state(numbers)


@contextmanager
def _streams(stdin: IO[bytes] | None, stdout: IO[bytes], stderr: IO[bytes]) -> Iterator[None]:
    """Files as the standard streams, of further processes too; without stdin nothing to read."""
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdout.flush()
    sys.stderr.flush()
    saved = {number: os.dup(number) for number in (1, 2)}
    for number, file in ((1, stdout), (2, stderr)):
        os.dup2(file.fileno(), number)
    source = os.open(os.devnull, os.O_RDONLY) if stdin is None else os.dup(stdin.fileno())
    with os.fdopen(source, encoding="utf-8") as text:
        sys.stdin, sys.stdout, sys.stderr = text, _STREAMS[1], _STREAMS[2]
        try:
            yield
        finally:
            for stream in _STREAMS.values():
                stream.flush()
            sys.stdin, sys.stdout, sys.stderr = before
            for number, copy in saved.items():
                os.dup2(copy, number)
                os.close(copy)
