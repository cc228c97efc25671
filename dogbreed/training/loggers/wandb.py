"""A run in Weights & Biases; without a key or a network an offline one in the run's folder."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dogbreed.configuration.loggers import LOGGERS, LoggedRun, LoggerKind

if TYPE_CHECKING:
    from pytorch_lightning.loggers import WandbLogger

INIT_S = 15
UPLOAD_S = 60  # at the end; what isn't uploaded by then stays in the run's folder

log = logging.getLogger("dogbreed")


def build(run: LoggedRun) -> "WandbLogger":
    """Lightning's WandbLogger of a new run, or of the one that is resumed."""
    import wandb
    from pytorch_lightning.loggers import WandbLogger

    mode: Any = wandb.setup().settings.mode  # WANDB_MODE
    if mode == "online" and (reason := _why_offline(wandb)):
        log.warning(
            "logger=wandb: %s; recorded offline, to upload it: wandb sync --append %s",
            *(reason, run.folder / "wandb" / "offline-run-*"),
        )
        mode = "offline"
    experiment = wandb.init(
        project=run.experiment,
        name=run.name,
        dir=run.folder,
        id=run.resumed,
        resume="allow",
        mode=mode,
        reinit="create_new",  # a user's own run in this process goes on
        settings=_settings(wandb),
    )
    experiment.define_metric("*", step_metric="epoch")
    return WandbLogger(experiment=experiment, save_dir=run.folder)


def _why_offline(wandb: Any) -> str:
    """Why nothing can be sent; empty where it can. Nobody is prompted for a key."""
    try:
        return "" if wandb.login(prompt=False) else "no API key (WANDB_API_KEY, wandb login)"
    except Exception as error:  # which it raises for a key that isn't one, or no network
        return str(error).split("\n")[0][:200]


def _settings(wandb: Any) -> Any:
    """Not sent, as nobody requested it: output, code, usage and description of the machine."""
    return wandb.Settings(
        silent=True,
        console="off",
        symlink=False,  # a run's folder with links isn't resumed
        disable_git=True,
        save_code=False,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
        init_timeout=INIT_S,
        finish_timeout=UPLOAD_S,
    )


def add_file(logger: Any, file: Path) -> None:
    """Add a file to the run's files."""
    logger.experiment.save(str(file), base_path=str(file.parent), policy="now")


def end(logger: Any, status: str) -> None:
    """Upload what is left, and end the run."""
    logger.finalize(status)
    logger.experiment.finish(exit_code=0 if status == "success" else 1)


LOGGERS.register(
    "wandb",
    LoggerKind(
        build=build,
        packages=("wandb",),
        extra="wandb",
        add_file=add_file,
        end=end,
        variables={"WANDB_SILENT": "true"},
    ),
)
