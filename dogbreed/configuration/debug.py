"""The keys of conf/debug/: what is recorded, each rule with its limits, each trigger with its own.

The values, with their reasons, stand in conf/debug/default.yaml.
"""

from dataclasses import asdict, dataclass

from dogbreed.configuration.schema import brief, conf_dir, key, parse
from dogbreed.errors import ConfigError

WARN, STOP, OFF = "warn", "stop", "off"


def _action() -> str:
    action: str = key("what happens when it fires", choices=(WARN, STOP, OFF))
    return action


@dataclass(frozen=True, kw_only=True)
class NotFiniteLimits:
    """The loss is infinite or not a number."""

    action: str = _action()


@dataclass(frozen=True, kw_only=True)
class NotDecreasingLimits:
    """The training cross entropy doesn't fall below where it began."""

    action: str = _action()
    steps: int = key("steps per window; the first window is the start", at_least=1)
    patience: int = key("windows before it may fire", at_least=1)
    fall_share: float = key(
        "share of the start by which a window's mean has to be lower", at_least=0, below=1
    )


@dataclass(frozen=True, kw_only=True)
class OverfitLimits:
    """Validation cross entropy rises while that of training falls."""

    action: str = _action()
    rise_share: float = key("rise of validation over its lowest, as a share of it", above=0)
    patience: int = key("epochs in a row of such a rise", at_least=1)


@dataclass(frozen=True, kw_only=True)
class OvertrainingLimits:
    """Training goes on although validation has long been as good as it gets."""

    action: str = _action()
    fall_share: float = key("fall of validation's lowest that counts as better", at_least=0)
    level_share: float = key("distance from its lowest at which it still counts as level", above=0)
    patience: int = key("epochs without a better one", at_least=1)


@dataclass(frozen=True, kw_only=True)
class VanishingGradientLimits:
    """A layer's gradient is next to nothing although there is something to learn."""

    action: str = _action()
    mean_below: float = key("root mean square of a layer's gradient", above=0)
    loss_above: float = key("only at a training cross entropy above this (nats)", at_least=0)
    patience: int = key("records in a row", at_least=1)


@dataclass(frozen=True, kw_only=True)
class ExplodingGradientLimits:
    """A layer's gradient is huge, or not finite."""

    action: str = _action()
    norm_above: float = key("norm of a layer's gradient", above=0)


@dataclass(frozen=True, kw_only=True)
class DeadUnitsLimits:
    """Units that give nothing for any photo of many batches."""

    action: str = _action()
    share_above: float = key("share of an activation's units", above=0, at_most=1)
    patience: int = key("records that a unit has to be silent for", at_least=1)


@dataclass(frozen=True, kw_only=True)
class UnchangedWeightsLimits:
    """A layer that should be trained, and isn't."""

    action: str = _action()
    patience: int = key("records in a row without any change", at_least=1)


@dataclass(frozen=True, kw_only=True)
class UpdateRatioLimits:
    """Steps that are much too large or too small for the weights that they change."""

    action: str = _action()
    above: float = key("update over weights, as norms: too large", above=0)
    below: float = key("update over weights, as norms: too small", at_least=0)
    skip: int = key("first records that don't count: weights may start at zero", at_least=0)
    patience: int = key("records in a row", at_least=1)


@dataclass(frozen=True, kw_only=True)
class PoorStartLimits:
    """The first loss is far from that of a network that knows nothing."""

    action: str = _action()
    off_share: float = key("distance of the first loss from ln(classes), as a share of it", above=0)


@dataclass(frozen=True, kw_only=True)
class ClassImbalanceLimits:
    """Some classes have many times the photos of others, and the loss doesn't weigh them."""

    action: str = _action()
    ratio_above: float = key("photos of the largest class over those of the smallest", at_least=1)


@dataclass(frozen=True, kw_only=True)
class InputsLimits:
    """What the first layer sees isn't normalised."""

    action: str = _action()
    mean_above: float = key("mean of the inputs, without its sign", above=0)
    sd_below: float = key("standard deviation of the inputs: too small", at_least=0)
    sd_above: float = key("standard deviation of the inputs: too large", above=0)


@dataclass(frozen=True, kw_only=True)
class StalledLimits:
    """No step ends for a long time."""

    action: str = key("what happens when it fires", choices=(WARN, OFF))
    seconds: float = key("seconds without a step", above=0)


@dataclass(frozen=True, kw_only=True)
class RulesConfig:
    """A rule per key."""

    loss_not_finite: NotFiniteLimits
    loss_not_decreasing: NotDecreasingLimits
    overfit: OverfitLimits
    overtraining: OvertrainingLimits
    vanishing_gradient: VanishingGradientLimits
    exploding_gradient: ExplodingGradientLimits
    dead_units: DeadUnitsLimits
    unchanged_weights: UnchangedWeightsLimits
    update_ratio: UpdateRatioLimits
    poor_start: PoorStartLimits
    class_imbalance: ClassImbalanceLimits
    inputs_not_normalised: InputsLimits
    stalled: StalledLimits


@dataclass(frozen=True, kw_only=True)
class TriggersConfig:
    """Limits of what the profiler calls attention to."""

    cpu_bottleneck_share: float = key(
        "share of the seconds in which the GPU waits for busy cores", above=0, at_most=1
    )
    data_wait_share: float = key("share of training that waits for photos", above=0, at_most=1)
    low_use_share: float = key("use of cores, or of the GPU, below this", above=0, at_most=1)
    memory_growth_share: float = key("growth of memory over the training", above=0)
    step_overhead_share: float = key(
        "share of a step outside its computation: batches too small", above=0, at_most=1
    )
    set_up_share: float = key("share of the run before the photos are read", above=0, at_most=1)
    outlier_times: float = key("a step is an outlier at so many times the median", above=1)
    outlier_share: float = key("share of training that outliers take", above=0, at_most=1)
    io_wait_share: float = key("share of the cores' time that waits for disks", above=0, at_most=1)
    gpu_memory_share: float = key("share of the GPU's memory in use", above=0, at_most=1)
    least_seconds: float = key("what lasted less isn't judged by its samples", at_least=0)


@dataclass(frozen=True, kw_only=True)
class DebugConfig:
    """What is watched of a training."""

    enabled: bool = key("record the training, watch it by the rules, and profile it")
    every_n_steps: int = key(
        "steps between two records of each layer's norms; losses are recorded at each", at_least=1
    )
    tensorboard: bool = key("also write TensorBoard's events (extra tensorboard)")
    smdebug: bool = key("also write the losses through SageMaker Debugger's hook (extra smdebug)")
    trace: bool = key("also write a trace of some steps, which ui.perfetto.dev opens")
    rules: RulesConfig
    triggers: TriggersConfig


def default_config() -> DebugConfig:
    """What conf/debug/default.yaml says, for those who use the callbacks alone."""
    import yaml

    text = (conf_dir() / "debug" / "default.yaml").read_text("utf-8")
    return parse(DebugConfig, yaml.safe_load(text), "debug.")


def checked_config(config: DebugConfig | None) -> DebugConfig:
    """A configuration that was put together in Python, each value held to its bounds.

    Raises:
        ConfigError: it isn't one, or one of its values is outside them.
    """
    if config is None:
        return default_config()
    if not isinstance(config, DebugConfig):
        raise ConfigError(
            f"config={brief(config)}: must be a DebugConfig: such as "
            "dataclasses.replace(dogbreed.configuration.debug.default_config(), every_n_steps=10)."
        )
    return parse(DebugConfig, asdict(config), "debug.")
