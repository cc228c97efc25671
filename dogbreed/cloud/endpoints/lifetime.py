"""deploy.ttl_hours: after which time an endpoint is deleted, and who has to decide it."""

from dataclasses import replace

from dogbreed.configuration.deploy import BATCH, DeployConfig, ServingConfig
from dogbreed.errors import ConfigError
from dogbreed.training.run_folder import log

SAMPLE_SET_HOURS = 24.0  # as conf/deploy/base.yaml says of auto


def with_lifetime(config: DeployConfig, *, sample_set: bool) -> DeployConfig:
    """The configuration with deploy.ttl_hours=auto resolved.

    A model of the sample set is a trial, so its endpoint is deleted after a day. How long another
    one is needed, and may cost, only its user knows.

    Raises:
        ConfigError: it is auto, and the model isn't one of the sample set.
    """
    deploy = config.deploy
    if not isinstance(deploy.ttl_hours, str):
        return config
    hours = None if deploy.kind == BATCH else SAMPLE_SET_HOURS
    if hours is not None and not sample_set:
        raise ConfigError(
            "deploy.ttl_hours has no value: write deploy.ttl_hours=24 for an endpoint that is "
            "deleted after 24 hours, or deploy.ttl_hours=null for one that stays, and costs, until "
            "you delete it."
        )
    if hours is not None:
        log.info("deploy.ttl_hours: %.12g, as the model is of the sample set", hours)
    return replace(config, deploy=replace(deploy, ttl_hours=hours))


def lifetime_of(deploy: ServingConfig) -> float | None:
    """The hours after which the endpoint is deleted; None: never, or not resolved yet."""
    return None if isinstance(deploy.ttl_hours, str) else deploy.ttl_hours
