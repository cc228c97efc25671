"""launcher.instance_type as a list: what SageMaker takes in a list of instance types."""

from dogbreed.cloud.aws.images import TRAINING_TYPES, check_instance_type, has_gpu
from dogbreed.configuration.search import LauncherConfig
from dogbreed.errors import ConfigError

# SageMaker's API reference: InstancePreferences of a training job. A tuning job takes six.
MAX_TYPES = 5


def check_instance_types(launcher: LauncherConfig) -> None:
    """Check both lists of instance types, and the warm pool.

    Raises:
        ConfigError: names the key, and what SageMaker would refuse.
    """
    if not launcher.instance_type:
        raise ConfigError("launcher.instance_type=[] is empty: name an instance type.")
    for name in ("instance_type", "extract_instance_type"):
        types: tuple[str, ...] = getattr(launcher, name)
        for each in types:
            check_instance_type(f"launcher.{name}", each, TRAINING_TYPES)
        if len(types) > 1:
            _check_list(f"launcher.{name}=[{','.join(types)}]", types, spot=launcher.spot)
    if launcher.keep_alive_minutes and launcher.spot:
        raise ConfigError(
            f"launcher.keep_alive_minutes={launcher.keep_alive_minutes}: SageMaker keeps no spot "
            "instances: leave it out, or set launcher.spot=false."
        )


def _check_list(shown: str, types: tuple[str, ...], *, spot: bool) -> None:
    if len(types) > MAX_TYPES:
        raise ConfigError(f"{shown}: {len(types)} types; SageMaker takes at most {MAX_TYPES}.")
    twice = sorted({each for each in types if types.count(each) > 1})
    if twice:
        raise ConfigError(f"{shown}: {twice[0]} is given twice: leave one out.")
    if len({has_gpu(each) for each in types}) > 1:
        raise ConfigError(
            f"{shown}: a job has one container image, and types with and without GPUs need "
            "different ones: list types of one kind."
        )
    if spot:
        raise ConfigError(
            f"{shown}: SageMaker takes a list for on-demand instances only, and spot jobs wait "
            "for capacity (launcher.max_wait_minutes): set launcher.spot=false, or name one type."
        )
