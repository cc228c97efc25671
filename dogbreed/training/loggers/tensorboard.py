"""TensorBoard's events of the epochs, in the run's folder: `tensorboard --logdir outputs`."""

from typing import TYPE_CHECKING

from dogbreed.configuration.loggers import LOGGERS, LoggedRun, LoggerKind

if TYPE_CHECKING:
    from pytorch_lightning.loggers import TensorBoardLogger


def build(run: LoggedRun) -> "TensorBoardLogger":
    """Lightning's TensorBoardLogger."""
    from pytorch_lightning.loggers import TensorBoardLogger

    return TensorBoardLogger(run.folder, name="tensorboard", version="", default_hp_metric=False)


LOGGERS.register(
    "tensorboard",
    LoggerKind(build=build, packages=("tensorboard",), extra="tensorboard", in_run_folder=True),
)
