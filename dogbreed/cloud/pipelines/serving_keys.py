"""The keys of launch/pipeline.py that decide how an approved model is served."""

from dogbreed.cloud.endpoints.deploy_keys import check_deployment
from dogbreed.configuration.deploy import REALTIME, DeployConfig
from dogbreed.configuration.pipeline import PipelineConfig
from dogbreed.configuration.run import FolderConfig
from dogbreed.errors import ConfigError


def serving_config(config: PipelineConfig) -> DeployConfig:
    """The configuration of launch/deploy.py for an approved model of the pipeline's group."""
    return DeployConfig(
        deploy=config.deploy,
        endpoint=str(config.pipeline.endpoint),
        model=f"registry:{config.pipeline.group}",
        photo=None,
        output_root=config.output_root,
        dry_run=config.dry_run,
        data=FolderConfig(links=False),
        launcher=config.launcher,
    )


def check_serving_keys(config: PipelineConfig) -> None:
    """Check how approved models are to be served, if they are.

    Raises:
        ConfigError: SageMaker would refuse a key, or a pipeline has no step for it.
    """
    deploy = config.deploy
    if config.pipeline.endpoint is None:
        return
    if deploy.kind != REALTIME:
        raise ConfigError(
            f"deploy={deploy.kind}: a pipeline deploys to instances: take deploy=realtime, or "
            "pipeline.endpoint=null."
        )
    if deploy.register is not None:
        raise ConfigError(
            f"deploy.register={deploy.register}: a pipeline registers its models in "
            "pipeline.group: leave it out."
        )
    without_step = {
        "ttl_hours": deploy.ttl_hours is not None,
        "alarms": deploy.alarms,
        "max_instances": deploy.max_instances is not None,
    }
    for name, given in without_step.items():
        if given:
            raise ConfigError(
                f"deploy.{name}={getattr(deploy, name)}: a pipeline has no step for it: leave it "
                "out, or take pipeline.endpoint=null and deploy approved models with "
                f"model=registry:{config.pipeline.group}."
            )
    check_deployment(serving_config(config))
