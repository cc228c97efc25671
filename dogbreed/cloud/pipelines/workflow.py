"""The pipeline that searches, trains the best, evaluates it, and registers it if it is good enough.

Extract -> Tune -> TrainBest -> Evaluate -> test top-1 at least min_top1? -> Register
                                                                          -> fail
"""

import warnings
from dataclasses import dataclass, replace
from typing import Any

from sagemaker.core import shapes
from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import ParameterFloat
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import Step, TrainingStep, TuningStep

from dogbreed.artifact.servers.base import ServingImage
from dogbreed.cloud.aws.tags import OWNER
from dogbreed.cloud.container.entry_point import (
    EVALUATE,
    INSTALL,
    MODEL,
    SERVING_WHEELS,
    TRAIN,
    WEIGHTS,
)
from dogbreed.cloud.endpoints.endpoint_requests import PHOTO_TYPES, container_environment
from dogbreed.cloud.jobs.channels import Channel
from dogbreed.cloud.jobs.feature_job import extraction_job
from dogbreed.cloud.jobs.inputs import job_on_inputs
from dogbreed.cloud.jobs.job import Job
from dogbreed.cloud.jobs.search import Search
from dogbreed.cloud.jobs.trainer import trainer_of
from dogbreed.cloud.jobs.tuner import tuner_of
from dogbreed.cloud.wheels.wheel_files import WheelSet
from dogbreed.configuration.pipeline import PipelineConfig
from dogbreed.configuration.search import FEATURES
from dogbreed.search.hyperparameters import encode
from dogbreed.serving.requests.invocations import JSON_TYPE
from dogbreed.utils.metric_lines import TEST_TOP1, metric_regexes

MIN_TOP1 = "MinTop1"  # the pipeline's parameter


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """The steps of the pipeline, from a search and the container that serves its best model."""

    config: PipelineConfig
    search: Search
    session: PipelineSession
    image: ServingImage
    wheels: WheelSet | None  # unpacked into the model's archive; None: deploy.install isn't wheels
    wheels_uri: str

    def pipeline(self) -> Pipeline:
        """The pipeline; nothing is sent."""
        with warnings.catch_warnings():  # that nothing is started is known
            warnings.filterwarnings("ignore", "Running within a PipelineSession")
            return self._pipeline()

    def _pipeline(self) -> Pipeline:
        minimum = ParameterFloat(name=MIN_TOP1, default_value=self.config.pipeline.min_top1)
        steps: list[Step] = []
        if self.config.search.input == FEATURES:
            steps.append(TrainingStep("Extract", step_args=self._trainer(self._extraction).train()))
        tune = TuningStep("Tune", step_args=self._tuner().tune(), depends_on=list(steps))
        train = TrainingStep("TrainBest", step_args=self._trainer(self._best_job(tune)).train())
        evaluate = TrainingStep("Evaluate", step_args=self._evaluation(train).train())
        top1 = evaluate.properties.FinalMetricDataList[TEST_TOP1].Value
        condition = ConditionStep(
            "IsGoodEnough",
            conditions=[ConditionGreaterThanOrEqualTo(left=top1, right=minimum)],
            if_steps=[self._register(evaluate)],
            else_steps=[
                FailStep(
                    "NotGoodEnough",
                    error_message=Join(on="", values=["test top-1 ", top1, " < ", minimum]),
                )
            ],
        )
        return Pipeline(
            name=self.config.pipeline.name,
            parameters=[minimum],
            pipeline_experiment_config=None,
            steps=[*steps, tune, train, evaluate, condition],
            sagemaker_session=self.session,
        )

    def _trainer(self, job: Job) -> Any:
        return trainer_of(self.search.account, self.config.launcher, job, self.session)

    @property
    def _extraction(self) -> Job:
        """In a folder of its own: a search uses only features that its own jobs wrote."""
        job = extraction_job(self.search.account, self.config, self.search.inputs)
        return replace(job, checkpoints_uri=f"{str(job.checkpoints_uri).rstrip('/')}-pipeline/")

    def _tuner(self) -> Any:
        config = self.config
        trainer = self._trainer(self.search.jobs.trial(self._extraction.checkpoints_uri))
        return tuner_of(
            *(trainer, config.launcher, self.search.config.search, self.search.space),
            config.trainer.epochs,
        )

    def _best_job(self, tune: TuningStep) -> Job:
        """The training of all photos with the hyperparameters of the best trial."""
        settings = dict(self.search.inputs.settings)
        settings.pop("data.fraction", None)
        job = self._job(TRAIN, settings)
        best = tune.properties.BestTrainingJob.TunedHyperParameters
        values = {name: best[name] for name in self.search.space}
        return replace(job, hyperparameters={**job.hyperparameters, **values})

    def _evaluation(self, train: TrainingStep) -> Any:
        """The job that measures the trained model on the test photos, and packs it for serving."""
        settings = dict(self.search.inputs.settings)
        settings.pop("data.fraction", None)
        inputs = self.search.inputs.channels
        channels = {name: channel for name, channel in inputs.items() if name != WEIGHTS}
        channels[MODEL] = Channel(train.properties.ModelArtifacts.S3ModelArtifacts)
        packing = {INSTALL: encode(self.config.deploy.install)}
        if self.wheels is not None:
            channels[SERVING_WHEELS] = Channel(self.wheels_uri)
            digests = {wheel.file.name: wheel.sha256 for wheel in self.wheels.wheels or ()}
            packing[SERVING_WHEELS] = encode(digests)
        job = self._job(EVALUATE, settings, channels=channels, checkpoints_uri=self._metrics_uri())
        trainer = self._trainer(replace(job, hyperparameters={**job.hyperparameters, **packing}))
        regexes = metric_regexes([TEST_TOP1])
        return trainer.with_metric_definitions(
            [shapes.MetricDefinition(name=TEST_TOP1, regex=regexes[TEST_TOP1])]
        )

    def _job(self, kind: str, settings: dict[str, Any], **other: Any) -> Job:
        return job_on_inputs(
            *(self.search.account, self.config.launcher, self.search.inputs),
            *(self.config.pipeline.name, kind, settings),
            **{"instance_count": 1, **other},
        )

    def _metrics_uri(self) -> Join:
        """The folder of an execution's metrics.json. Jobs may write below checkpoints/."""
        account, prefix = self.search.account, self.config.launcher.prefix
        return Join(
            on="/",
            values=[
                f"s3://{account.bucket}/{prefix}/checkpoints/evaluations",
                ExecutionVariables.PIPELINE_EXECUTION_ID,
            ],
        )

    def _register(self, evaluate: TrainingStep) -> ModelStep:
        """The model package, which a person approves."""
        request = {
            "ModelPackageGroupName": self.config.pipeline.group,
            "ModelApprovalStatus": "PendingManualApproval",
            # Versions can't be tagged.
            "CustomerMetadataProperties": {OWNER: self.search.account.owner},
            "InferenceSpecification": {
                "Containers": [
                    {
                        "Image": self.image.uri,
                        "ModelDataUrl": evaluate.properties.ModelArtifacts.S3ModelArtifacts,
                        "Environment": container_environment(self.config.deploy),
                    }
                ],
                "SupportedContentTypes": list(PHOTO_TYPES),
                "SupportedResponseMIMETypes": [JSON_TYPE],
            },
            "ModelMetrics": {
                "ModelQuality": {
                    "Statistics": {
                        "ContentType": JSON_TYPE,
                        "S3Uri": Join(on="/", values=[self._metrics_uri(), "metrics.json"]),
                    }
                }
            },
        }
        return model_step("Register", self.session, request)


def model_step(name: str, session: PipelineSession, request: dict[str, Any]) -> ModelStep:
    """A step that sends CreateModelPackage, or CreateModel if `request` has no group."""
    method = (
        "create_model_package_from_containers"
        if "ModelPackageGroupName" in request
        else "create_model"
    )
    session.init_model_step_arguments(_InPipeline(session))
    arguments = session._intercept_create_request(request, None, method)
    session.context = None
    return ModelStep(name=name, step_args=arguments)


@dataclass(frozen=True)
class _InPipeline:
    """In place of the SDK's model, of which ModelStep only reads the session."""

    sagemaker_session: PipelineSession
