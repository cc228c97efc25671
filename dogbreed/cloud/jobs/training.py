"""A training on SageMaker: as an object, and as launch/train.py runs it."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path

from sagemaker.train.model_trainer import ModelTrainer

from dogbreed.cloud.aws.account import Account, sign_in
from dogbreed.cloud.aws.account_keys import check_attach, checked_keys
from dogbreed.cloud.aws.dry_account import dry_run_account, dry_run_copy
from dogbreed.cloud.container.entry_point import TRAIN
from dogbreed.cloud.jobs.attach import attached_trainer
from dogbreed.cloud.jobs.capacity import warm_pool_lines
from dogbreed.cloud.jobs.costs import Use
from dogbreed.cloud.jobs.debugger import debugger_request, rules_image, with_hook
from dogbreed.cloud.jobs.dry_run import log_costs, log_plan
from dogbreed.cloud.jobs.inputs import (
    JobInputs,
    job_name,
    job_on_inputs,
    plan_inputs,
    upload_inputs,
)
from dogbreed.cloud.jobs.job import Job
from dogbreed.cloud.jobs.results import check_no_local_results
from dogbreed.cloud.jobs.start import find_training
from dogbreed.cloud.jobs.trainer import Trainer, trainer_of
from dogbreed.cloud.jobs.training_results import finish
from dogbreed.configuration.search import FinalConfig
from dogbreed.errors import CloudError
from dogbreed.search.final import compose_final
from dogbreed.training.run_folder import check_writable, log, log_to_terminal


class Training:
    """A training in the AWS account, from the arguments of launch/train.py.

        training = Training("best=newest", "data.root=PHOTOS")
        training.trainer.train()

    `trainer` is the SDK's ModelTrainer. `start` starts the job, `wait` downloads its results to
    outputs/, `run` does both.

    Raises:
        ConfigError: an unknown key, no such search, or what SageMaker would refuse.
    """

    def __init__(self, *overrides: str) -> None:
        self._configure(compose_final(overrides)[0])

    @classmethod
    def from_config(cls, config: FinalConfig) -> "Training":
        """The training of a composed configuration."""
        training = cls.__new__(cls)
        training._configure(config)
        return training

    @classmethod
    def attach(cls, name: str, *overrides: str) -> "Training":
        """A training that was started before, running or ended; nothing is started."""
        return cls(*overrides, f"attach={name}")

    def _configure(self, config: FinalConfig) -> None:
        if config.attach is not None:
            check_attach(config.attach, dry_run=config.dry_run)
        self.name = config.attach or job_name()
        self.config = replace(with_hook(config), launcher=checked_keys(config.launcher))

    @property
    def folder(self) -> Path:
        """Where the results are written."""
        return Path(self.config.output_root) / self.name

    @cached_property
    def account(self) -> Account:
        """The account, signed in on first use; with dry_run=true one that sends nothing."""
        launcher = self.config.launcher
        return dry_run_account(launcher) if self.config.dry_run else sign_in(launcher)

    @cached_property
    def inputs(self) -> JobInputs:
        """Source, photos and weights, with their places in S3; nothing is uploaded.

        Raises:
            DogbreedError: no or unreadable photos, or S3 refuses.
        """
        return plan_inputs(self.account, self.config, self.config.launcher.instance_type)

    @cached_property
    def trainer(self) -> ModelTrainer:
        """The SDK's trainer; `train` uploads the inputs first.

        Raises:
            CloudError: there is no SageMaker Debugger in the region, or `attach` names no training.
        """
        if self.config.attach is not None:
            return self._attached()
        trainer = self._trainer(self.account)
        trainer.before_start(self._stage)
        return trainer

    def run(self) -> Path | None:
        """Start the training, or attach to it, and wait for it, as launch/train.py does.

        Returns its folder; None after a dry run, and with wait=false.

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
        for line in warm_pool_lines(self.config.launcher, self.name, self.account.region):
            log.info("%s", line)
        if not self.config.wait:
            log.info(
                "it runs and costs until it ends: attach=%s waits for it and downloads its model",
                self.name,
            )
            return None
        return self.wait()

    def start(self) -> None:
        """Upload the inputs and start the training; or log a dry run's plan.

        Raises:
            DogbreedError: as `run`.
        """
        self.trainer.train(wait=False, logs=False)
        if self.account.dry:
            log_plan(
                self.account,
                self.inputs,
                self._uses(),
                ["the configuration", "every request fits the service's model"],
            )

    def wait(self) -> Path:
        """Wait for the training; download its results, and return their folder.

        Raises:
            CloudError: it failed, or AWS refuses.
            Stopped: Ctrl-C; the message names the job that still runs.
        """
        check_no_local_results(self.folder, self.name)
        if self.config.attach is not None:
            _ = self.trainer  # raises a CloudError if there is no such job
        finish(self.account, self.name, self.folder)
        return self.folder

    def _job(self) -> Job:
        launcher = self.config.launcher
        return job_on_inputs(
            self.account, launcher, self.inputs, self.name, TRAIN, self.inputs.settings
        )

    def _uses(self) -> list[Use]:
        """The maximum use of the job, for the costs."""
        return [Use.of(self._job(), self.config.launcher, jobs=1)]

    def _trainer(self, account: Account) -> Trainer:
        # Before the photos are read: there may be no SageMaker Debugger in the region.
        rules_uri = rules_image(account.region) if self.config.cloud_debugger else None
        job = self._job()
        trainer = trainer_of(account, self.config.launcher, job)
        if rules_uri is not None:
            trainer.debugger = debugger_request(rules_uri, job.output_uri)
        return trainer

    def _attached(self) -> Trainer:
        job = find_training(self.account, self.name)
        if job is None:
            raise CloudError(
                f"attach={self.name}: there is no training job of that name in "
                f"{self.account.region}."
            )
        return attached_trainer(self.account, job)

    def _stage(self) -> None:
        """Before the job is created: validate its request, and upload the inputs."""
        if not self.account.dry:
            self._trainer(dry_run_copy(self.account)).train(wait=False, logs=False)
            log_costs(self.account, self.inputs, self._uses())
            upload_inputs(self.account, self.config, self.inputs)
