"""The loggers of a run get its parameters, epochs and results; one that fails is dropped."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from dogbreed.configuration.help import as_typed
from dogbreed.configuration.loggers import LOGGERS, LoggedRun, LoggerKind
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import leaves, without_places
from dogbreed.data.layouts.splits import TEST
from dogbreed.errors import Stopped
from dogbreed.evaluation.facts import Facts
from dogbreed.training.callbacks import EpochReport
from dogbreed.training.context import RunContext
from dogbreed.training.run_folder import log
from dogbreed.utils.clock import Clock
from dogbreed.utils.documents import DocumentError, read_json
from dogbreed.utils.files import remove, write_json
from dogbreed.utils.printable import printable
from dogbreed.utils.progress import is_main_process

RECORD_FILE = "loggers.json"
MAX_RECORD_BYTES = 64 * 2**10
MAX_REASON = 120  # characters of a library's message that are logged


@contextmanager
def open_loggers(context: RunContext) -> Iterator["RunLoggers"]:
    """The loggers that the configuration names, until the run ends, or fails."""
    loggers = RunLoggers(context.config, context.run.path, context.clock)
    try:
        yield loggers
    except BaseException as error:
        loggers.end("stopped" if isinstance(error, Stopped | KeyboardInterrupt) else "failed")
        raise
    loggers.end("success")


class RunLoggers:
    """The open loggers of a run; none in further processes of a distributed training.

    The run's folder has a record of the id and the last epoch of each, so that a resumed run
    continues where each of them is.
    """

    def __init__(self, config: Config, folder: Path, clock: Clock) -> None:
        self._config, self._folder, self._clock = config, folder, clock
        self._open: dict[str, Logger] = {}
        self._logged: dict[str, int] = {}  # the last epoch of each
        self._record: dict[str, dict[str, Any]] = {}
        if config.logger and is_main_process():
            self._record = _read_record(folder, config)
            for name in dict.fromkeys(config.logger):
                self._start(name, LOGGERS[name], self._record.get(name))
            self._write_record()

    def log_epochs(self, history: Sequence[Mapping[str, float]]) -> None:
        """Log those epochs that a logger doesn't have yet: after an interruption several."""
        for name in tuple(self._open):
            for metrics in history:
                if metrics["epoch"] > self._logged[name]:
                    self._log(name, metrics, int(metrics["epoch"]))
        self._write_record()

    def log_results(self, facts: Facts, report: Path) -> None:
        """Log the metrics of the test photos as test_NAME; add the report, if a logger takes it."""
        self.log_epochs(facts.epochs)  # a resumed run may have had none to train
        metrics = {f"{TEST}_{name}": value for name, value in facts.metrics[TEST].values.items()}
        for name in tuple(self._open):
            self._log(name, metrics, self._logged[name])
            add_file = LOGGERS[name].add_file
            if add_file is not None:
                self._use(name, add_file, report)

    def end(self, status: str) -> None:
        """End every logger's run: "success", "failed" or "stopped"."""
        for name in tuple(self._open):
            self._use(name, LOGGERS[name].end, status)
        self._open.clear()

    def _start(self, name: str, kind: LoggerKind, resumed: Mapping[str, Any] | None) -> None:
        """Open a logger; a new one, or one without all epochs of its own, gets the parameters."""
        if kind.in_run_folder:
            remove(self._folder / name)
            resumed = None
        tracking = self._config.tracking
        run = LoggedRun(
            folder=self._folder,
            name=self._folder.name,
            uri=tracking.uri,
            experiment=tracking.experiment,
            resumed=None if resumed is None else resumed["id"],
        )
        with self._guarded(name):
            logger = kind.build(run)
            if resumed is None:
                logger.log_hyperparams(parameters(self._config))
            self._open[name] = logger
            self._logged[name] = 0 if resumed is None else resumed["epoch"]

    def _log(self, name: str, metrics: Mapping[str, float], epoch: int) -> None:
        """Log metrics at an epoch, which is the step, and remember it."""
        values = {**metrics, "epoch": epoch}
        self._use(name, lambda logger: logger.log_metrics(values, epoch))
        self._logged[name] = epoch

    def _use(self, name: str, action: Callable[..., None], *arguments: Any) -> None:
        """Call `action` with a logger and `arguments`, unless the logger has failed."""
        if name in self._open:
            with self._guarded(name):
                action(self._open[name], *arguments)

    @contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        """Drop the logger, with a warning, if the block fails; with the variables of its kind."""
        try:
            with (
                self._clock.phase("loggers"),
                _variables(LOGGERS[name].variables),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter("ignore")  # they are about the library's own code
                yield
        except Exception as error:  # a library of its own, a server, a disk
            self._open.pop(name, None)
            log.warning(
                "warning: logger=%s has failed and gets nothing more of this run: %s",
                *(name, _reason(error)),
            )

    def _write_record(self) -> None:
        """Write the id and the last epoch of the loggers that are elsewhere."""
        record = {
            name: {"id": str(logger.version), "epoch": self._logged[name], **_place(self._config)}
            for name, logger in self._open.items()
            if not LOGGERS[name].in_run_folder
        }
        if record:
            write_json(self._folder / RECORD_FILE, {**self._record, **record})


class LogEpochs(pl.Callback):
    """Logs each epoch of the report when it ends."""

    def __init__(self, loggers: RunLoggers, report: EpochReport) -> None:
        self._loggers, self._report = loggers, report

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the epoch, which the report has recorded."""
        self._loggers.log_epochs(self._report.history)


def parameters(config: Config) -> dict[str, Any]:
    """The configuration by dotted keys; of paths their last component, as in model.json."""
    values = leaves(without_places(config))
    return {
        name: value if isinstance(value, bool | int | float | str) else as_typed(value)
        for name, value in values.items()
    }


def _place(config: Config) -> dict[str, Any]:
    """Where runs are logged: a run is resumed there only."""
    return {"uri": config.tracking.uri, "experiment": config.tracking.experiment}


def _read_record(folder: Path, config: Config) -> dict[str, dict[str, Any]]:
    """What an interrupted run has logged by logger; nothing of what isn't as it is written."""
    try:
        values = read_json(folder / RECORD_FILE, MAX_RECORD_BYTES)
    except DocumentError:
        return {}
    if not isinstance(values, dict):
        return {}
    place = _place(config)
    return {
        name: entry
        for name, entry in values.items()
        if isinstance(entry, dict)
        and {key: entry.get(key) for key in place} == place
        and isinstance(entry.get("id"), str)
        and type(entry.get("epoch")) is int
    }


def _reason(error: BaseException) -> str:
    """An error's message on one line, and that of the error behind it, often the shorter one."""
    first = cause = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    texts = [" ".join(str(each).split()) or type(each).__name__ for each in (first, cause)]
    texts = [text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]}…" for text in texts]
    return printable(" ... ".join(dict.fromkeys(texts)))


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment that the user has not set, for the block."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
