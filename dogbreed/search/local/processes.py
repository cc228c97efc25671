"""Run the trials of a local search in worker processes, which share one feature cache."""

import multiprocessing
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import optuna

from dogbreed.errors import SearchError, Stopped
from dogbreed.search.local.study import Study
from dogbreed.search.local.worker import Epoch, TrialFailed, Work, run_trials
from dogbreed.search.trials import Show
from dogbreed.utils.signals import ENDING_SIGNALS, NotedSignal, starting_helpers


class _Worker:
    """A worker process and its current trial."""

    def __init__(self, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=run_trials, args=(theirs, work), daemon=True
        )
        with starting_helpers():
            self.process.start()
        theirs.close()
        self.trial: optuna.Trial | None = None

    def begin(self, trial: optuna.Trial | None) -> None:
        """Send the worker a trial; None: no trials are left."""
        self.trial = trial
        if trial is not None:
            self.connection.send(trial.params)


def run_study(study: Study, work: Work, parallel: int, show: Show) -> None:
    """Run the remaining trials, `parallel` at a time; `show` is called after each change.

    Raises:
        Stopped: Ctrl-C or SIGTERM; ended trials are saved, running ones are queued again.
        SearchError: a worker process died.
    """
    count = min(parallel, study.remaining())
    with _noted_signals() as noted:
        workers = [_Worker(work) for _ in range(count)]
        try:
            for worker in workers:
                worker.begin(study.next_trial())
            while any(worker.trial for worker in workers) and not noted.number:
                busy = {w.connection: w for w in workers if w.trial}
                for connection in wait(list(busy), timeout=0.2):
                    assert isinstance(connection, Connection)
                    if _receive(study, busy[connection]) and not noted.number:
                        busy[connection].begin(study.next_trial())
                        show(study.trials())
        finally:
            for worker in workers:
                worker.process.kill()
                if worker.trial is not None:
                    study.requeue(worker.trial.number)
            show(study.trials())
    if noted.number:
        done = sum(trial.over for trial in study.trials())
        raise Stopped(
            f"stopped with {done} of {study.total} trials; they are saved: the same command with "
            "the name of this search as search.name resumes it.",
            noted.number,
        )


def _receive(study: Study, worker: _Worker) -> bool:
    """Receive one message of a worker; return whether its trial has ended."""
    trial = worker.trial
    assert trial is not None
    try:
        message: Any = worker.connection.recv()
    except (EOFError, ConnectionResetError) as error:
        worker.process.join()
        raise SearchError(
            f"A trial's process died (exit code {worker.process.exitcode}; a machine out of memory "
            "kills with -9): try search.parallel=1. Ended trials are saved."
        ) from error
    if isinstance(message, Epoch):
        trial.report(message.objective, message.number)
        worker.connection.send(trial.should_prune())
        return False
    worker.trial = None
    if isinstance(message, TrialFailed):
        study.record_failure(trial, message.reason)
    else:
        study.record(trial, message)
    return True


@contextmanager
def _noted_signals() -> Iterator[NotedSignal]:
    """Record Ctrl-C and SIGTERM instead of ending at once."""
    noted = NotedSignal()
    before: Mapping[int, Any] = {number: signal.signal(number, noted) for number in ENDING_SIGNALS}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
