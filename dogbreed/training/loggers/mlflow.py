"""A run in MLflow: on a server (SageMaker's by its ARN), or in a file in the working folder."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dogbreed.configuration.loggers import LOGGERS, LoggedRun, LoggerKind

if TYPE_CHECKING:
    from pytorch_lightning.loggers import MLFlowLogger

# MLflow's names for how a run ended.
STATUSES = {"success": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}


def build(run: LoggedRun) -> "MLFlowLogger":
    """Lightning's MLFlowLogger of a new run, or of the one that is resumed."""
    import mlflow
    from pytorch_lightning.loggers import MLFlowLogger

    # It logs that it creates the experiment.
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logger = MLFlowLogger(
        experiment_name=run.experiment,
        run_name=run.name,
        tracking_uri=run.uri or mlflow.get_tracking_uri(),
        run_id=run.resumed,
    )
    client: Any = logger.experiment  # asks the server
    if run.resumed is not None:
        client.update_run(run.resumed, "RUNNING")
    return logger


def add_file(logger: Any, file: Path) -> None:
    """Log a file as an artifact."""
    logger.experiment.log_artifact(logger.run_id, str(file))


def end(logger: Any, status: str) -> None:
    """Set the run's status."""
    logger.finalize(STATUSES[status])


LOGGERS.register(
    "mlflow",
    LoggerKind(
        build=build,
        packages=("mlflow",),
        extra="mlflow",
        add_file=add_file,
        end=end,
        variables={
            # MLflow waits 120 s for a server, eight times.
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            "MLFLOW_LOGGING_LEVEL": "ERROR",
            "GIT_PYTHON_REFRESH": "quiet",  # it needs no git
        },
    ),
)
