"""From a search to the training after it: its best hyperparameters under its configuration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dogbreed.configuration.composing import compose_as, override_name
from dogbreed.configuration.schema import keys
from dogbreed.configuration.search import FinalConfig, TuneConfig
from dogbreed.errors import ConfigError
from dogbreed.search.best import Best, find_best, read_best
from dogbreed.search.hyperparameters import changed
from dogbreed.search.user_settings import load_settings

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
    """conf/final.yaml, then what the user set for the search, then its best, then what was typed.

    Of a search of somebody else only the best counts: hyperparameters, no paths and no account.
    A group that was typed (launcher=local) is taken as it is, without the search's keys of it.

    Raises:
        ConfigError: a mistyped key, no search of that name, or one of somebody else and no photos.
        SearchError: a best.yaml that sets what no search may, or can't be read.
    """
    config = compose_as(FinalConfig, "final", arguments)
    if config.best is None or config.attach is not None:
        return config, None
    path = find_best(config.best, Path(config.output_root))
    best = read_best(path)
    own = load_settings(path.parent)
    if own is None and not any(_chooses_photos(argument) for argument in arguments):
        raise ConfigError(
            f"best={path}: where that search ran and on which photos isn't known here: type "
            "data.root=PHOTOS (data=samples for drawn ones), and launcher=local unless it is to be "
            "trained on SageMaker."
        )
    known = {name for name, _, _ in keys(FinalConfig)}  # an older version may have had others
    groups = {override_name(argument) for argument in arguments}
    settings = {
        name: value
        for name, value in {**(own or {}), **best.settings}.items()
        if name.split(".")[0] not in groups and name in known
    }
    config = compose_as(FinalConfig, "final", arguments, {**settings, **best.parameters})
    return config, best


def _chooses_photos(argument: str) -> bool:
    return override_name(argument) in ("data", "data.root", "data.source")
