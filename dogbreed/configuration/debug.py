"""The keys of `debug`: what is recorded, and the thresholds that rules and triggers register.

A rule and a trigger define their keys, with the defaults and the reasons for them, in their own
modules; the values of all others are in conf/debug/default.yaml.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, make_dataclass
from functools import cache
from typing import Any

from dogbreed.configuration.schema import brief, conf_dir, key, parse, section_key
from dogbreed.errors import ConfigError
from dogbreed.utils.registry import Registry

WARN, STOP, OFF = "warn", "stop", "off"


# Rules and triggers bring their own keys. They are in a higher package, which is imported by its
# name once a key of theirs is read; a rule is a subclass of dogbreed.debug.rules.base.Rule.
RULES: Registry[Any] = Registry("debug rule", "dogbreed.debug.rules")


def rules_config() -> type[Any]:
    """The class of debug.rules: a group of keys per rule, of the rule's own thresholds."""
    return _rules_config(tuple((name, rule.thresholds_class) for name, rule in RULES.items()))


@cache
def _rules_config(thresholds: tuple[tuple[str, type[Any]], ...]) -> type[Any]:
    methods = {"__reduce__": lambda self: _reduced(rules_config, self)}
    return make_dataclass("RulesConfig", thresholds, namespace=methods, frozen=True, kw_only=True)


# pickle finds no class that is made while the program runs: a search sends its configuration to
# worker processes, which make the class again.
def _reduced(schema: Callable[[], type[Any]], config: Any) -> tuple[Any, ...]:
    values = {item.name: getattr(config, item.name) for item in fields(config)}
    return _restored, (schema, values)


def _restored(schema: Callable[[], type[Any]], values: Mapping[str, Any]) -> Any:
    # A rule that only the first process has registered has no keys in this one.
    made = schema()
    return made(**{item.name: values[item.name] for item in fields(made)})


@dataclass(frozen=True, kw_only=True)
class TriggersConfig:
    """What all triggers share. Each has a subclass with keys of its own, which have defaults."""

    outlier_times: float = key("a step is an outlier at so many times the median", above=1)
    least_seconds: float = key("a phase of the run that lasted less isn't evaluated", at_least=0)


# A dogbreed.debug.profiling.triggers.base.Trigger each.
TRIGGERS: Registry[Any] = Registry("profiler trigger", "dogbreed.debug.profiling.triggers")


def triggers_config() -> type[TriggersConfig]:
    """The class of debug.triggers: the thresholds of every trigger in one group of keys."""
    return _triggers_config(tuple(trigger.thresholds_class for trigger in TRIGGERS.values()))


@cache
def _triggers_config(thresholds: tuple[type[Any], ...]) -> type[TriggersConfig]:
    # The fields of a dataclass are in the order of its bases from the last to the first.
    bases = (*reversed(thresholds), TriggersConfig)
    return make_dataclass(
        "AllTriggersConfig",
        (),
        bases=bases,
        namespace={"__reduce__": lambda self: _reduced(triggers_config, self)},
        frozen=True,
        kw_only=True,
    )


@dataclass(frozen=True, kw_only=True)
class DebugConfig:
    """What is recorded and evaluated of a training."""

    enabled: bool = key("record the training, evaluate the rules, and profile it")
    every_n_steps: int = key(
        "steps between two records of each layer's norms; losses are recorded at each", at_least=1
    )
    tensorboard: bool = key("also write TensorBoard's events (extra tensorboard)")
    smdebug: bool = key("also write the losses through SageMaker Debugger's hook (extra smdebug)")
    trace: bool = key("also write a trace of some steps, which ui.perfetto.dev opens")
    rules: Any = section_key(rules_config)
    triggers: Any = section_key(triggers_config)


def default_config() -> DebugConfig:
    """The values of conf/debug/default.yaml, for those who use the callbacks alone."""
    import yaml

    text = (conf_dir() / "debug" / "default.yaml").read_text("utf-8")
    return parse(DebugConfig, yaml.safe_load(text), "debug.")


def checked_config(config: DebugConfig | None) -> DebugConfig:
    """A configuration that was made in Python, its values checked against their bounds.

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
