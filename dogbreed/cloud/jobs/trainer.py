"""A training job as the SageMaker SDK's ModelTrainer, built from the configuration."""

import os
from collections.abc import Callable
from typing import Any

from pydantic import Field, PrivateAttr
from sagemaker.core import shapes
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import TrainingJob
from sagemaker.core.training.configs import (
    CheckpointConfig,
    Compute,
    Networking,
    OutputDataConfig,
    StoppingCondition,
)
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.train.model_trainer import ModelTrainer

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.tags import all_tags
from dogbreed.cloud.jobs.capacity import (
    start_within_quotas,
    training_resources,
    types_of,
    with_types,
)
from dogbreed.cloud.jobs.channels import Channel
from dogbreed.cloud.jobs.job import Job
from dogbreed.cloud.jobs.start import create_once, get_training
from dogbreed.configuration.search import LauncherConfig
from dogbreed.evaluation.metrics.registry import objectives
from dogbreed.utils.metric_lines import metric_regexes

# In place of the user's defaults of the SDK, which could add to a request; without telemetry.
SDK_CONFIG = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}


class Trainer(ModelTrainer):  # type: ignore[misc]
    """The SDK's ModelTrainer for one job: `train` starts a job of this name, and never a second.

    ModelTrainer (SDK 3.27) invents a name for each request, so that a retry would start another
    job, and takes no arguments for SageMaker Debugger: `debugger` has them.
    """

    job_name: str
    compute: Compute | None = None  # as in ModelTrainer, whose types aren't known
    debugger: dict[str, Any] = Field(default_factory=dict)
    _stage: Callable[[], None] | None = PrivateAttr(default=None)

    def before_start(self, stage: Callable[[], None]) -> None:
        """Call `stage` before the job is created; it uploads the inputs."""
        self._stage = stage

    def train(
        self,
        input_data_config: list[shapes.Channel] | None = None,
        wait: bool | None = True,
        logs: bool | None = True,
        dry_run: bool = False,
    ) -> Any:
        """Upload the inputs, and start the job; `wait` until it has ended, with its `logs`.

        Raises:
            CloudError: AWS refuses.
        """
        session = self.sagemaker_session
        if dry_run or isinstance(session, PipelineSession):
            return super().train(input_data_config, wait, logs, dry_run)
        if self._latest_training_job is None:
            self._start(input_data_config)
        if wait:
            self._latest_training_job.wait(logs=logs)
        return None

    def _start(self, input_data_config: list[shapes.Channel] | None) -> None:
        if self._stage is not None:
            self._stage()
        session = self.sagemaker_session
        assert session is not None
        boto, compute = session.boto_session, self.compute
        assert compute is not None

        def create(types: tuple[str, ...]) -> None:
            self.compute = with_types(compute, types)
            arguments = self._create_training_job_args(input_data_config)
            self._latest_training_job = create_once(
                self.job_name,
                lambda: TrainingJob.create(session=boto, region=boto.region_name, **arguments),
                lambda: get_training(boto, self.job_name),
            )

        start_within_quotas(types_of(compute), create)

    def _create_training_job_args(
        self, input_data_config: list[shapes.Channel] | None = None, boto3: bool = False
    ) -> dict[str, Any]:
        arguments: dict[str, Any] = super()._create_training_job_args(input_data_config, boto3)
        if "training_job_name" in arguments:
            arguments |= {"training_job_name": self.job_name, **self.debugger}
        return arguments


def trainer_of(
    account: Account, launcher: LauncherConfig, job: Job, session: Session | None = None
) -> Trainer:
    """The ModelTrainer of a job; `session` replaces the account's, e.g. by a pipeline's."""
    run_s = 60 * launcher.max_run_minutes
    trainer = Trainer(
        sagemaker_session=session or sdk_session(account),
        role=account.role_arn,
        job_name=job.name,
        base_job_name=job.name,
        training_image=job.image_uri,
        hyperparameters=job.all_hyperparameters(),
        input_data_config=[channel_of(*item) for item in job.channels.items()],
        compute=Compute(
            **training_resources(launcher, job.types, job.instance_count, job.volume_gb),
            enable_managed_spot_training=launcher.spot,
        ),
        networking=Networking(
            subnets=list(launcher.subnets) or None,
            security_group_ids=list(launcher.security_groups) or None,
            # The toolkit downloads the source from S3 and installs requirements.txt.
            enable_network_isolation=False,
            enable_inter_container_traffic_encryption=False,
        ),
        stopping_condition=StoppingCondition(
            max_runtime_in_seconds=run_s,
            max_wait_time_in_seconds=(
                run_s + 60 * launcher.max_wait_minutes if launcher.spot else None
            ),
        ),
        output_data_config=OutputDataConfig(
            s3_output_path=job.output_uri, kms_key_id=launcher.output_kms_key
        ),
        checkpoint_config=(
            CheckpointConfig(s3_uri=job.checkpoints_uri) if job.checkpoints_uri else None
        ),
        environment={"PYTHONUNBUFFERED": "1", **launcher.environment},
        tags=[
            shapes.Tag(key=name, value=value)
            for name, value in all_tags(launcher, account.owner).items()
        ],
    )
    trainer.with_metric_definitions(metric_definitions())
    if launcher.retries:
        trainer.with_retry_strategy(shapes.RetryStrategy(maximum_retry_attempts=launcher.retries))
    return trainer


def sdk_session(account: Account, kind: type[Session] = Session) -> Session:
    """The SDK's session in the account, or a pipeline's; it sends no request by itself."""
    # Otherwise the SDK simulates the role's policies, which needs iam:SimulatePrincipalPolicy.
    os.environ["SAGEMAKER_VALIDATE_ROLE"] = "false"
    return kind(
        boto_session=account.session,
        sagemaker_client=account.client("sagemaker"),
        default_bucket=account.bucket,
        sagemaker_config=SDK_CONFIG,
    )


def channel_of(name: str, channel: Channel) -> shapes.Channel:
    """An input channel as the SDK's shape."""
    source = shapes.S3DataSource(
        s3_data_type=channel.data_type,
        s3_uri=channel.uri,
        s3_data_distribution_type="FullyReplicated",
    )
    return shapes.Channel(
        channel_name=name,
        input_mode="File",
        data_source=shapes.DataSource(s3_data_source=source),
    )


def metric_definitions() -> list[shapes.MetricDefinition]:
    """The metrics that SageMaker reads from a job's log."""
    regexes = metric_regexes(objectives())
    return [shapes.MetricDefinition(name=name, regex=regex) for name, regex in regexes.items()]
