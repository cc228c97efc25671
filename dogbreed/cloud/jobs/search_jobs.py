"""The jobs of a search: the extraction of features, the trials, or one job that searches."""

from dataclasses import dataclass
from typing import Any

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.container.entry_point import FEATURES, TRIAL, TUNE
from dogbreed.cloud.jobs.channels import Channel
from dogbreed.cloud.jobs.costs import Use
from dogbreed.cloud.jobs.feature_job import extraction_job
from dogbreed.cloud.jobs.inputs import JobInputs, job_on_inputs
from dogbreed.cloud.jobs.job import Job
from dogbreed.configuration import search as keys
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import MANY, ONE, TuneConfig
from dogbreed.search.hyperparameters import changed
from dogbreed.search.space import Space


def extracts(config: TuneConfig) -> bool:
    """Whether one job extracts the features of all trials first."""
    return config.search.jobs == MANY and config.search.input == keys.FEATURES


@dataclass(frozen=True, kw_only=True)
class SearchJobs:
    """The definitions of a search's jobs; `name` is the search's."""

    account: Account
    config: TuneConfig
    inputs: JobInputs
    name: str
    space: Space

    def trial(self, features_uri: str | None = None) -> Job:
        """The definition of a trial; `features_uri` replaces the folder of a new extraction."""
        settings = {
            name: value for name, value in self.inputs.settings.items() if name not in self.space
        }
        more: dict[str, Any] = {}
        if extracts(self.config):
            uri = features_uri or self._extraction().checkpoints_uri
            more["channels"] = {FEATURES: Channel(str(uri))}
            settings.pop("data.fraction", None)  # the features are those of the fraction already
            # Trials are short, and those of a tuning job could share a prefix: no checkpoints.
            more["checkpoints_uri"] = None
        return job_on_inputs(
            *(self.account, self.config.launcher, self.inputs, self.name, TRIAL, settings), **more
        )

    def one(self) -> Job:
        """The job of search.jobs=one, which runs the local search."""
        settings = changed(self.config, compose_as(TuneConfig, "tune", []))
        search = {name: value for name, value in settings.items() if name.startswith("search.")}
        search |= {"search.name": self.name, "search.jobs": MANY}
        settings = {**self.inputs.settings, **search}
        return job_on_inputs(
            *(self.account, self.config.launcher, self.inputs, self.name, TUNE, settings),
            instance_count=1,
        )

    def uses(self) -> list[Use]:
        """The maximum use of all jobs, for the costs."""
        launcher, search = self.config.launcher, self.config.search
        if search.jobs == ONE:
            return [Use.of(self.one(), launcher, jobs=1)]
        trials = Use.of(self.trial(), launcher, jobs=search.trials)
        if not extracts(self.config):
            return [trials]
        return [Use.of(self._extraction(), launcher, jobs=1), trials]

    def _extraction(self) -> Job:
        return extraction_job(self.account, self.config, self.inputs)
