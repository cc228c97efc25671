"""smdebug 1.0.34, its last release, loaded beside today's Python, numpy and protobuf, and quiet."""

import functools
import os
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dogbreed.errors import RecordingError

OR_WITHOUT = "or set debug.smdebug=false"

# What happened in the threads that write.
failures: list[Exception] = []


@functools.cache
def load() -> Any:
    """The module smdebug.pytorch; its log is off unless SMDEBUG_LOG_LEVEL is set.

    Raises:
        RecordingError: it isn't installed, or at odds with what is.
    """
    remedy = "start Python with PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python, or in an environment"
    with (
        translated(
            "smdebug can't be loaded", f"{remedy} with dogbreed[smdebug] alone, {OR_WITHOUT}"
        ),
        environment(**_variables()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # old ways to write Python
        _stub_pyinstrument()
        try:
            import smdebug.pytorch
            from smdebug.pytorch.hook import profiler_config_parser
        except ModuleNotFoundError as error:
            raise RecordingError(
                f"debug.smdebug=true: the module {error.name} isn't installed: "
                f"pip install 'dogbreed[smdebug]', {OR_WITHOUT}."
            ) from error
        # Else it would search for its file at each step.
        profiler_config_parser.load_config = lambda: None
        _mend_tensors()
        _mend_writing()
    return smdebug.pytorch


@functools.cache
def hook_class() -> Any:
    """smdebug's hook, whose errors are raised and that writes nothing once `in_use` is False."""

    class Hook(load().Hook):  # type: ignore[misc]
        in_use = False

        def has_default_configuration(self) -> bool:
            # With the default one smdebug logs an error's traceback and goes silent.
            return False

        def _cleanup(self) -> None:
            # Python's end calls this too, even of a hook that couldn't be made.
            if self.in_use:
                super()._cleanup()

    return Hook


def _variables() -> dict[str, str]:
    variables = {
        "SMDEBUG_LOG_LEVEL": os.environ.get("SMDEBUG_LOG_LEVEL", "off"),
        # Its profiler is for torch before 2.0, and slows each step; dogbreed has its own.
        "SMPROFILER_CONFIG_PATH": "",
    }
    # Its messages were compiled in 2019; protobuf from 4 on takes such in pure Python alone. Can go
    # with the first smdebug that was compiled again.
    if "google.protobuf.internal.api_implementation" not in sys.modules:
        variables["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"
    return variables


def _stub_pyinstrument() -> None:
    """Its profiler's extension wants a function that Python 3.13 dropped; nothing calls it here.

    Can go with the first smdebug that allows pyinstrument 4.
    """
    if sys.version_info >= (3, 13):
        stub = types.ModuleType("pyinstrument_cext")
        stub.setstatprofile = None  # type: ignore[attr-defined]
        sys.modules.setdefault("pyinstrument_cext", stub)


def _mend_tensors() -> None:
    """numpy 2.3 dropped `tostring`; can go with the first smdebug that calls `tobytes`."""
    import numpy as np
    from smdebug.core import writer
    from smdebug.core.tfevent import util

    class Array(np.ndarray[Any, Any]):
        def tostring(self) -> bytes:
            return self.tobytes()

    make = util.make_tensor_proto

    def make_tensor_proto(nparray_data: np.ndarray[Any, Any], tag: str) -> Any:
        return make(nparray_data.view(Array), tag)

    util.make_tensor_proto = writer.make_tensor_proto = make_tensor_proto


def _mend_writing() -> None:
    """On a full disk smdebug prints a traceback and waits for ever for a thread that is dead."""
    from smdebug.core.tfevent import event_file_writer

    class LoggerThread(event_file_writer._EventLoggerThread):  # type: ignore[misc]
        def run(self) -> None:
            try:
                super().run()
            except Exception as error:
                failures.append(error)
                waiting = True
                while waiting:
                    waiting = self._queue.get() is not self._sentinel_event
                    self._queue.task_done()

    event_file_writer._EventLoggerThread = LoggerThread


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set variables of the process for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def translated(what: str, remedy: str) -> Iterator[None]:
    """Whatever smdebug raises as a RecordingError: what, why and what to do in one sentence."""
    try:
        yield
    except RecordingError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise RecordingError(f"{what} ({type(error).__name__}: {reason}): {remedy}.") from error
