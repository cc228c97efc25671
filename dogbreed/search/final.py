"""The final training after a search: its best hyperparameters and its configuration."""

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

# Keys of the search that don't apply to the final training, which uses all photos.
SEARCH_ONLY = (
    "search.",
    "wait",
    "attach",
    "dry_run",
    "data.fraction",
    "data.feature_set",
    "resume",
)


def settings_of(config: TuneConfig) -> dict[str, Any]:
    """The keys in which a search's configuration differs from conf/, for the final training."""
    values = changed(config, compose_as(TuneConfig, "tune", []))
    settings = {name: value for name, value in values.items() if not name.startswith(SEARCH_ONLY)}
    # The training may start from another folder.
    for name in ("data.root", "data.labels", "model.weights"):
        path = Path(str(settings.get(name, "")))
        if name in settings and path.exists():
            settings[name] = str(path.absolute())
    return settings


def compose_final(arguments: Sequence[str]) -> tuple[FinalConfig, Best | None]:
    """Compose conf/final.yaml, the user's settings of the search, its best, and `arguments`.

    Later ones take precedence. From another user's search only best.yaml is used: hyperparameters,
    no paths and no account. A group in `arguments` (launcher=local) replaces the search's keys of
    that group.

    Raises:
        ConfigError: an unknown key, no such search, or another user's search and no photos.
        SearchError: best.yaml can't be read, or sets a key that can't be searched.
    """
    config = compose_as(FinalConfig, "final", arguments)
    if config.best is None or config.attach is not None:
        return config, None
    path = find_best(config.best, Path(config.output_root))
    best = read_best(path)
    saved = load_settings(path.parent)
    if saved is None and not any(_chooses_photos(argument) for argument in arguments):
        raise ConfigError(
            f"best={path}: where that search ran and on which photos isn't saved on this machine: "
            "add data.root=PHOTOS (data=samples for generated ones), and launcher=local to train "
            "on this machine."
        )
    known = {name for name, _, _ in keys(FinalConfig)}  # an older version may have had others
    groups = {override_name(argument) for argument in arguments}
    settings = {
        name: value
        for name, value in {**(saved or {}), **best.settings}.items()
        if name.split(".")[0] not in groups and name in known
    }
    config = compose_as(FinalConfig, "final", arguments, {**settings, **best.parameters})
    return config, best


def _chooses_photos(argument: str) -> bool:
    return override_name(argument) in ("data", "data.root", "data.source")
