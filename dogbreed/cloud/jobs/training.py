"""A training on SageMaker: as an object, and as launch/train.py runs it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from sagemaker.train.model_trainer import ModelTrainer

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.account_keys import check_attach, checked_keys
from dogbreed.cloud.aws.dry_account import dry_run_copy
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
from dogbreed.cloud.jobs.launch import Launch
from dogbreed.cloud.jobs.results import check_no_local_results
from dogbreed.cloud.jobs.start import find_training
from dogbreed.cloud.jobs.trainer import Trainer, trainer_of
from dogbreed.cloud.jobs.training_results import finish
from dogbreed.configuration.search import FinalConfig
from dogbreed.errors import CloudError
from dogbreed.search.final import compose_final


class Training(Launch[FinalConfig]):
    """A training in the AWS account, from the arguments of launch/train.py.

        training = Training("best=newest", "data.root=PHOTOS")
        training.trainer.train()

    `trainer` is the SDK's ModelTrainer. `start` starts the job, `wait` downloads its results to
    outputs/, `run` does both.

    Raises:
        ConfigError: an unknown key, no such search, or what SageMaker would refuse.
    """

    def _compose(self, overrides: Sequence[str]) -> FinalConfig:
        return compose_final(overrides)[0]

    def _configure(self, config: FinalConfig) -> None:
        if config.attach is not None:
            check_attach(config.attach, dry_run=config.dry_run)
        self.name = config.attach or job_name()
        self.config = replace(with_hook(config), launcher=checked_keys(config.launcher))

    @property
    def folder(self) -> Path:
        return Path(self.config.output_root) / self.name

    @cached_property
    def inputs(self) -> JobInputs:
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

    def start(self) -> None:
        self.trainer.train(wait=False, logs=False)
        if self.account.dry:
            log_plan(
                self.account,
                self.inputs,
                self._uses(),
                ["the configuration", "every request fits the service's model"],
            )

    def wait(self) -> Path:
        check_no_local_results(self.folder, self.name)
        if self.config.attach is not None:
            _ = self.trainer  # raises a CloudError if there is no such job
        finish(self.account, self.name, self.folder)
        return self.folder

    def _started_notes(self) -> list[str]:
        return warm_pool_lines(self.config.launcher, self.name, self.account.region)

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
