"""best.yaml: write, find and read the best trial of a search.

A file from another user is as safe as the user's: it has hyperparameters, and no keys that say
where a training runs, what it reads, or where it writes.
"""

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dogbreed.configuration.commands import typed
from dogbreed.configuration.schema import brief
from dogbreed.configuration.search import DIRECTIONS, NEWEST
from dogbreed.errors import ConfigError, SearchError
from dogbreed.evaluation.metrics.registry import objectives
from dogbreed.search.searchable import MAX_CHARACTERS, SEARCHABLE, Value, searched_values
from dogbreed.training.run_folder import yaml_text
from dogbreed.utils.documents import DocumentError, read_yaml
from dogbreed.utils.files import write_text
from dogbreed.utils.printable import printable

BEST_FILE = "best.yaml"
SEARCHES = "searches"
_HEAD = """\
# The best trial of a search; `dogbreed final` trains it.
# It was selected on the validation photos, so its objective is optimistic.
"""


@dataclass(frozen=True, kw_only=True)
class Best:
    """The content of best.yaml: the best trial of a search, and the settings of its training.

    `settings` are the searchable keys that weren't searched, where the search's configuration
    differs from conf/.
    """

    search: str
    trial: str
    metric: str
    direction: str
    objective: float
    ci95: tuple[float, float] | None
    parameters: Mapping[str, Value]
    settings: Mapping[str, Value]


def write_best(path: Path, best: Best) -> None:
    """Write best.yaml."""
    values = {
        "search": best.search,
        "trial": best.trial,
        "objective": {
            "metric": best.metric,
            "direction": best.direction,
            "value": best.objective,
            "ci95": list(best.ci95) if best.ci95 else None,
        },
        "parameters": dict(best.parameters),
        "settings": dict(best.settings),
    }
    text = yaml_text(values)
    write_text(path, f"{_HEAD}{text}")


def searchable_settings(settings: Mapping[str, Any], searched: Collection[str]) -> dict[str, Value]:
    """The settings of a search that best.yaml has in addition to the searched keys."""
    return {
        name: value
        for name, value in settings.items()
        if name in SEARCHABLE and name not in searched
    }


def find_best(best: str, output_root: Path) -> Path:
    """The best.yaml that the key `best` names: a search, the file, its folder, or the newest.

    Raises:
        ConfigError: there is none.
    """
    searches = output_root / SEARCHES
    if best == NEWEST:
        found = sorted(searches.glob(f"*/{BEST_FILE}"), key=lambda path: path.lstat().st_mtime)
        if not found:
            raise ConfigError(
                f"There is no search with a result in {searches}: run {typed('tune')} first, "
                "name a search (best=NAME), or set best=null to train the configuration as it is."
            )
        return found[-1]
    for path in (searches / best / BEST_FILE, Path(best) / BEST_FILE, Path(best)):
        if path.exists() and not path.is_dir():
            return path
    folders = [path.parent for path in searches.glob(f"*/{BEST_FILE}")]
    known = sorted(folder.name for folder in folders if not folder.is_symlink())
    listed = f" There are: {', '.join(known[-5:])}." if known else ""
    raise ConfigError(f"best={printable(best)}: no search of that name has a {BEST_FILE}.{listed}")


def read_best(path: Path) -> Best:
    """Read best.yaml.

    Raises:
        SearchError: it isn't in the format of write_best, or sets a key that can't be searched.
    """
    try:
        values = read_yaml(path)
        _check_keys(values, ("search", "trial", "objective", "parameters", "settings"), "")
        objective = _mapping(values, "objective")
        _check_keys(objective, ("metric", "direction", "value", "ci95"), "objective.")
        return Best(
            search=_name(values, "search"),
            trial=_name(values, "trial"),
            metric=_one_of(objective, "metric", objectives()),
            direction=_one_of(objective, "direction", DIRECTIONS),
            objective=_number("objective.value", objective["value"]),
            ci95=_interval(objective["ci95"]),
            parameters=searched_values(_mapping(values, "parameters")),
            settings=searched_values(_mapping(values, "settings")),
        )
    except DocumentError as error:
        reason = f"{error}. It can't be read as a search's best.yaml"
    except ConfigError as error:
        reason = str(error).rstrip(".")
    raise SearchError(f"{printable(str(path))}: {reason}: run the search again, or name another.")


def _check_keys(values: Mapping[str, Any], names: tuple[str, ...], prefix: str) -> None:
    """Check that the mapping has exactly these keys."""
    for name in values:
        if name not in names:
            raise ConfigError(
                f"{printable(prefix + name[:MAX_CHARACTERS])} is no key of best.yaml, "
                f"which has {', '.join(names)}. Remove it"
            )
    for name in names:
        if name not in values:
            raise ConfigError(f"{prefix}{name} is missing in best.yaml")


def _mapping(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = values[name]
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name}={printable(brief(value))}: must be KEY: VALUE lines")
    return value


def _name(values: Mapping[str, Any], key: str) -> str:
    value = values[key]
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= 255:
        raise ConfigError(f"{key}={printable(brief(value))}: must be a name")
    return value


def _one_of(values: Mapping[str, Any], key: str, choices: tuple[str, ...]) -> str:
    value = values[key]
    if value not in choices:
        raise ConfigError(
            f"objective.{key}={printable(brief(value))}: must be one of {', '.join(choices)}"
        )
    return str(value)


def _number(key: str, value: Any) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if not known or not abs(value) <= sys.float_info.max:
        raise ConfigError(f"{key}={printable(brief(value))}: must be a number")
    return float(value)


def _interval(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ConfigError(f"objective.ci95={printable(brief(value))}: must be [LOW, HIGH] or null")
    return _number("objective.ci95", value[0]), _number("objective.ci95", value[1])
