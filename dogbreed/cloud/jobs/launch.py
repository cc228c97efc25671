"""What a search and a training on SageMaker have in common: start it, attach to it, wait for it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Generic, Self, TypeVar

from dogbreed.cloud.aws.account import Account, sign_in
from dogbreed.cloud.aws.dry_account import dry_run_account
from dogbreed.cloud.jobs.inputs import JobInputs
from dogbreed.configuration.search import LaunchConfig
from dogbreed.training.run_folder import check_writable, log, log_to_terminal

ConfigT = TypeVar("ConfigT", bound=LaunchConfig)


class Launch(ABC, Generic[ConfigT]):
    """Jobs in the AWS account, from a command's arguments.

    `start` starts them, `wait` downloads their results, `run` does both.

    Raises:
        ConfigError: an unknown key, or what SageMaker would refuse.
    """

    config: ConfigT
    name: str

    def __init__(self, *overrides: str) -> None:
        self._configure(self._compose(overrides))

    @classmethod
    def from_config(cls, config: ConfigT) -> Self:
        """The launch of a composed configuration."""
        launch = cls.__new__(cls)
        launch._configure(config)
        return launch

    @classmethod
    def attach(cls, name: str, *overrides: str) -> Self:
        """A launch that was started before, running or ended; nothing is started."""
        return cls(*overrides, f"attach={name}")

    @cached_property
    def account(self) -> Account:
        """The account, signed in on first use; with dry_run=true one that sends nothing."""
        launcher = self.config.launcher
        return dry_run_account(launcher) if self.config.dry_run else sign_in(launcher)

    def run(self) -> Path | None:
        """Start the jobs, or attach to them, and wait for them, as the command does.

        Returns the folder of the results; None after a dry run, and with wait=false.

        Raises:
            DogbreedError: one sentence with the reason and the remedy; `Stopped` after Ctrl-C names
                the job that still runs.
        """
        log_to_terminal()
        check_writable(self.folder.parent)
        if self.config.attach is not None:
            return self.wait()
        self.start()
        if self.account.dry:
            return None
        log.info("started %s (region %s)", self.name, self.account.region)
        for line in self._started_notes():
            log.info("%s", line)
        if not self.config.wait:
            log.info(
                "it runs and costs until it ends: attach=%s waits for it and downloads its results",
                self.name,
            )
            return None
        return self.wait()

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where the results are written."""

    @cached_property
    @abstractmethod
    def inputs(self) -> JobInputs:
        """Source, photos and weights, with their places in S3; nothing is uploaded.

        Raises:
            DogbreedError: no or unreadable photos, or S3 refuses.
        """

    @abstractmethod
    def start(self) -> None:
        """Upload the inputs and start the jobs; or log a dry run's plan.

        Raises:
            DogbreedError: as `run`.
        """

    @abstractmethod
    def wait(self) -> Path:
        """Wait for the jobs; write their results, and return the folder.

        Raises:
            CloudError: they failed, or AWS refuses.
            Stopped: Ctrl-C; the message names the job that still runs.
        """

    @abstractmethod
    def _compose(self, overrides: Sequence[str]) -> ConfigT: ...

    @abstractmethod
    def _configure(self, config: ConfigT) -> None: ...

    def _started_notes(self) -> list[str]:
        """Lines for the user once the jobs have started."""
        return []
