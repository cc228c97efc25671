"""The experiment loggers by the names that `logger` takes.

The configuration lists the names in --help: no module that registers one imports Lightning or its
own library before it builds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dogbreed.utils.registry import Registry

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger


@dataclass(frozen=True, kw_only=True)
class LoggedRun:
    """What a logger gets of the run.

    `folder` is the run's; `uri` and `experiment` are the keys of `tracking`. `resumed` is the
    `version` that the logger had before the run was interrupted, None for a new run.
    """

    folder: Path
    name: str
    uri: str | None
    experiment: str
    resumed: str | None


def _finalize(logger: "Logger", status: str) -> None:
    logger.finalize(status)


@dataclass(frozen=True, kw_only=True)
class LoggerKind:
    """How a logger is made, and what it can do beyond Lightning's interface.

    Any function may raise any exception: training continues without the logger.

    Attributes:
        build: gives Lightning's logger of a run, connected; only its main process has one.
        packages: modules that must be installed, which dogbreed doesn't require.
        extra: the extra of dogbreed that has them; empty: their own names are to be installed.
        add_file: adds a file of the run, such as the report; None: it takes none.
        end: ends the run with "success", "failed" or "stopped" (which is resumed later).
        in_run_folder: it writes only to `folder`/<name>, which is empty when it is built: a resumed
            run writes all its epochs again.
        variables: of the environment while it works, unless the user has set them.
    """

    build: Callable[[LoggedRun], "Logger"]
    packages: tuple[str, ...] = ()
    extra: str = ""
    add_file: Callable[["Logger", Path], None] | None = None
    end: Callable[["Logger", str], None] = _finalize
    in_run_folder: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


LOGGERS: Registry[LoggerKind] = Registry("logger", "dogbreed.training.loggers")
