"""From a search to the training after it: its best hyperparameters under its configuration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dogbreed.cli import compose_as
from dogbreed.search.config import FinalConfig, TuneConfig
from dogbreed.search.hyperparameters import as_hyperparameters, as_overrides, changed
from dogbreed.search.trials import Best, find_best

# Of this search alone, not of the training that follows it: that one takes all photos.
LEFT_OUT = ("search.", "wait", "attach", "dry_run", "data.fraction", "data.feature_set", "resume")


def settings_of(config: TuneConfig) -> dict[str, Any]:
    """The keys that a search's configuration has otherwise than conf/, for the final training."""
    values = changed(config, compose_as(TuneConfig, "tune", []))
    settings = {name: value for name, value in values.items() if not name.startswith(LEFT_OUT)}
    for name in ("data.root", "model.weights"):  # the training may start from another folder
        path = Path(str(settings.get(name, "")))
        if name in settings and path.exists():
            settings[name] = str(path.absolute())
    return settings


def compose_final(arguments: Sequence[str]) -> tuple[FinalConfig, Best | None]:
    """conf/final.yaml, then what the search had set, then its best, then what was typed.

    A group that was typed (launcher=local) is taken as it is, without the search's keys of it.

    Raises:
        ConfigError: a mistyped key, or no search of that name.
    """
    config = compose_as(FinalConfig, "final", arguments)
    if config.best is None or config.attach is not None:
        return config, None
    best = find_best(config.best, Path(config.output_root))
    groups = {argument.partition("=")[0].lstrip("+") for argument in arguments}
    settings = {
        name: value for name, value in best.settings.items() if name.split(".")[0] not in groups
    }
    values = as_hyperparameters({**settings, **best.parameters})
    return compose_as(FinalConfig, "final", [*as_overrides(values), *arguments]), best
