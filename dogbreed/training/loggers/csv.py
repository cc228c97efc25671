"""A table of the epochs in the run's folder: csv/metrics.csv, and csv/hparams.yaml."""

from typing import TYPE_CHECKING

from dogbreed.configuration.loggers import LOGGERS, LoggedRun, LoggerKind

if TYPE_CHECKING:
    from pytorch_lightning.loggers import CSVLogger


def build(run: LoggedRun) -> "CSVLogger":
    """Lightning's CSVLogger, which writes each epoch at once."""
    from pytorch_lightning.loggers import CSVLogger

    return CSVLogger(run.folder, name="csv", version="", flush_logs_every_n_steps=1)


LOGGERS.register("csv", LoggerKind(build=build, in_run_folder=True))
