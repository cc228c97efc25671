"""A hyperparameter search on SageMaker: as an object, and as launch/tune.py runs it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from sagemaker.train.model_trainer import ModelTrainer
from sagemaker.train.tuner import HyperparameterTuner

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.account_keys import check_attach, checked_keys
from dogbreed.cloud.aws.dry_account import dry_run_copy
from dogbreed.cloud.jobs import search_results
from dogbreed.cloud.jobs.attach import attached_tuner, search_of
from dogbreed.cloud.jobs.dry_run import log_costs, log_plan
from dogbreed.cloud.jobs.feature_job import extract
from dogbreed.cloud.jobs.inputs import (
    JobInputs,
    job_name,
    plan_inputs,
    upload_inputs,
)
from dogbreed.cloud.jobs.launch import Launch
from dogbreed.cloud.jobs.results import check_no_local_results
from dogbreed.cloud.jobs.search_jobs import SearchJobs, extracts
from dogbreed.cloud.jobs.start import find_training, find_tuning
from dogbreed.cloud.jobs.trainer import channel_of, trainer_of
from dogbreed.cloud.jobs.tuner import Tuner, tuner_of
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.schema import AUTO
from dogbreed.configuration.search import MANY, ONE, TuneConfig
from dogbreed.errors import CloudError, ConfigError
from dogbreed.search.best import SEARCHES
from dogbreed.search.final import settings_of
from dogbreed.search.sagemaker_limits import check_on_sagemaker, job_notes
from dogbreed.search.user_settings import save_settings
from dogbreed.training.run_folder import log


class Search(Launch[TuneConfig]):
    """A search in the AWS account, from the arguments of launch/tune.py.

        search = Search("+experiment=hpo", "data.root=PHOTOS")
        search.tuner.tune()
        search.tuner.best_training_job()

    `tuner` is the SDK's HyperparameterTuner (`trainer` its ModelTrainer with search.jobs=one).
    `start` starts the search, `wait` writes its results to outputs/searches, `run` does both.

    Raises:
        ConfigError: an unknown key, or what SageMaker would refuse.
    """

    def _compose(self, overrides: Sequence[str]) -> TuneConfig:
        return compose_as(TuneConfig, "tune", overrides)

    def _configure(self, config: TuneConfig) -> None:
        if config.attach is not None:
            check_attach(config.attach, dry_run=config.dry_run)
            self.config, self.name = config, config.attach
        else:
            search, self.space = check_on_sagemaker(config)
            self._notes = job_notes(config)
            self.config = replace(config, search=search)
            self.name = job_name() if search.name == AUTO else search.name
        self.config = replace(self.config, launcher=checked_keys(config.launcher))

    @property
    def folder(self) -> Path:
        return Path(self.config.output_root) / SEARCHES / self.name

    @cached_property
    def inputs(self) -> JobInputs:
        launcher, types = self.config.launcher, self.config.launcher.instance_type
        if extracts(self.config):
            types = launcher.extract_instance_type + types
        return plan_inputs(self.account, self.config, types)

    @cached_property
    def tuner(self) -> HyperparameterTuner:
        """The SDK's tuner; `tune` uploads the inputs and extracts the features first.

        Raises:
            ConfigError: search.jobs=one, which is one training job: see `trainer`.
            CloudError: `attach` names no search.
        """
        if self.config.attach is not None:
            found = find_tuning(self.account, self.name)
            if found is None:
                raise _no_such_search(self.name, self.account)
            search, space = search_of(self.name, found, self.config.search)
            self.config, self.space = replace(self.config, search=search), space
            return attached_tuner(self.account, found, search, space)
        if self.config.search.jobs == ONE:
            raise ConfigError(
                "search.jobs=one runs the search in one training job: take Search.trainer, or "
                "search.jobs=many."
            )
        self._check_new()
        tuner = self._tuner(self.account)
        tuner.before_start(self._stage_trials)
        return tuner

    @cached_property
    def trainer(self) -> ModelTrainer:
        """The SDK's trainer of the trials, or of the one job; see `tuner`."""
        if self.config.attach is not None or self.config.search.jobs == MANY:
            return self.tuner.model_trainer
        self._check_new()
        trainer = trainer_of(self.account, self.config.launcher, self.jobs.one())
        trainer.before_start(self._stage_one)
        return trainer

    def start(self) -> None:
        """Upload the inputs, extract the features, and start the search; or log a dry run's plan.

        Raises:
            DogbreedError: as `run`.
        """
        for line in self._notes:
            log.info("%s", line)
        if self.config.search.jobs == ONE:
            self.trainer.train(wait=False, logs=False)
        else:
            self.tuner.tune(wait=False)
        if self.account.dry:
            log_plan(self.account, self.inputs, self.jobs.uses(), self._validations())

    def wait(self) -> Path:
        """Wait for the search with a live table; write its results, and return their folder.

        Raises:
            CloudError: no trial completed, or AWS refuses.
            Stopped: Ctrl-C; the message names the job that still runs.
        """
        check_no_local_results(self.folder, self.name)
        if self.config.attach is not None:
            if find_tuning(self.account, self.name) is not None:
                _ = self.tuner  # reads search and space
            elif find_training(self.account, self.name) is not None:
                search = replace(self.config.search, jobs=ONE)
                self.config = replace(self.config, search=search)
            else:
                raise _no_such_search(self.name, self.account)
        if self.config.search.jobs == ONE:
            search_results.finish_one(self.account, self.config, self.name, self.folder)
        else:
            search_results.finish_many(
                self.account, self.config, self.name, self.folder, self.space
            )
        return self.folder

    @cached_property
    def jobs(self) -> SearchJobs:
        """The definitions of the search's jobs."""
        return SearchJobs(
            account=self.account,
            config=self.config,
            inputs=self.inputs,
            name=self.name,
            space=self.space,
        )

    def _tuner(self, account: Account, features_uri: str | None = None) -> Tuner:
        config = self.config
        trainer = trainer_of(account, config.launcher, self.jobs.trial(features_uri))
        return tuner_of(trainer, config.launcher, config.search, self.space, config.trainer.epochs)

    def _stage_trials(self) -> None:
        """Before the tuning job is created: validate all requests, upload, extract the features."""
        account = self.account
        if not account.dry:
            validating = dry_run_copy(account)
            self._extract(validating)
            self._tuner(validating).tune(wait=False)
            self._upload()
        uri = self._extract(account)
        if uri is not None:
            channels = [channel_of(*each) for each in self.jobs.trial(uri).channels.items()]
            self.tuner.model_trainer.input_data_config = channels

    def _stage_one(self) -> None:
        """Before the one training job is created: validate its request, and upload."""
        if self.account.dry:
            return
        validating = dry_run_copy(self.account)
        trainer_of(validating, self.config.launcher, self.jobs.one()).train(wait=False, logs=False)
        self._upload()

    def _extract(self, account: Account) -> str | None:
        return extract(account, self.config, self.inputs) if extracts(self.config) else None

    def _upload(self) -> None:
        log_costs(self.account, self.inputs, self.jobs.uses())
        upload_inputs(self.account, self.config, self.inputs)
        save_settings(self.folder, settings_of(self.config))

    def _check_new(self) -> None:
        """Check that the name is new here and in the account, and that its parents exist."""
        check_no_local_results(self.folder, self.name)
        if self.account.dry:
            return
        if find_tuning(self.account, self.name) or find_training(self.account, self.name):
            raise ConfigError(
                f"search.name={self.name}: the account has a job of that name, and job names can't "
                f"be reused: attach={self.name} waits for it, another search.name starts a new "
                "search."
            )
        for parent in self.config.search.warm_start:
            if find_tuning(self.account, parent) is None:
                raise ConfigError(
                    f"search.warm_start={parent}: there is no tuning job of that name in "
                    f"{self.account.region}."
                )

    def _validations(self) -> list[str]:
        search = self.config.search
        return [
            f"{len(self.space)} searched keys and their ranges",
            f"{search.strategy} can do {search.trials} trials, {search.parallel} at a time",
            f"{search.direction} is right for {search.objective}",
            "every request fits the service's model",
        ]


def _no_such_search(name: str, account: Account) -> CloudError:
    return CloudError(f"attach={name}: there is no job of that name in {account.region}.")
