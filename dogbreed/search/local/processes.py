"""A search's trials run here: worker processes train heads over one feature store."""

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
from dogbreed.search.local.worker import Broken, Epoch, Work, run_trials
from dogbreed.search.trials import Show
from dogbreed.utils.signals import ENDING_SIGNALS, NotedSignal, starting_helpers


class _Worker:
    """One process and the trial that it is at."""

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
        """Train a trial; nothing, if there is none left."""
        self.trial = trial
        if trial is not None:
            self.connection.send(trial.params)


def run_study(study: Study, work: Work, parallel: int, show: Show) -> None:
    """Run what is missing of the trials, `parallel` at a time; `show` is called as things change.

    Raises:
        Stopped: Ctrl-C or SIGTERM; what ended is kept, what ran will be tried again.
        SearchError: a worker process died.
    """
    count = min(parallel, study.missing())
    with _noted_signals() as noted:
        workers = [_Worker(work) for _ in range(count)]
        try:
            for worker in workers:
                worker.begin(study.ask())
            while any(worker.trial for worker in workers) and not noted.number:
                busy = {w.connection: w for w in workers if w.trial}
                for connection in wait(list(busy), timeout=0.2):
                    assert isinstance(connection, Connection)
                    if _hear(study, busy[connection]) and not noted.number:
                        busy[connection].begin(study.ask())
                        show(study.trials())
        finally:
            for worker in workers:
                worker.process.kill()
                if worker.trial is not None:
                    study.put_back(worker.trial.number)
            show(study.trials())
    if noted.number:
        done = sum(trial.over for trial in study.trials())
        raise Stopped(
            f"stopped with {done} of {study.wanted} trials; they are kept: the same command with "
            "search.name set to this search's goes on with the rest.",
            noted.number,
        )


def _hear(study: Study, worker: _Worker) -> bool:
    """Take one message of a worker's trial; whether the trial is over."""
    trial = worker.trial
    assert trial is not None
    try:
        message: Any = worker.connection.recv()
    except (EOFError, ConnectionResetError) as error:
        worker.process.join()
        raise SearchError(
            f"A trial's process died (exit code {worker.process.exitcode}; a machine out of memory "
            "kills with -9): try search.parallel=1. What ended before is kept."
        ) from error
    if isinstance(message, Epoch):
        trial.report(message.objective, message.number)
        worker.connection.send(trial.should_prune())
        return False
    worker.trial = None
    if isinstance(message, Broken):
        study.give_up(trial, message.reason)
    else:
        study.tell(trial, message)
    return True


@contextmanager
def _noted_signals() -> Iterator[NotedSignal]:
    """Note Ctrl-C and SIGTERM instead of ending at once."""
    noted = NotedSignal()
    before: Mapping[int, Any] = {number: signal.signal(number, noted) for number in ENDING_SIGNALS}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
