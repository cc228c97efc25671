"""Write the results of a search: terminal table, trials.csv, search.html and best.yaml."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dogbreed.configuration.search import SearchConfig
from dogbreed.search.best import BEST_FILE, Best, searchable_settings, write_best
from dogbreed.search.report.facts import SearchFacts
from dogbreed.search.report.page import write_page
from dogbreed.search.space import Space
from dogbreed.search.table import print_table, shown_value
from dogbreed.search.trials import Trial, best_of, write_csv
from dogbreed.training.run_folder import log


def finish_search(
    folder: Path,
    trials: Sequence[Trial],
    search: SearchConfig,
    space: Space,
    settings: Mapping[str, Any],
) -> Best | None:
    """Print the table and write the files; return the best trial, None if none completed.

    `settings` are the values in which the search's configuration differs from conf/.
    """
    parameters = list(space)
    print_table(trials, parameters, search.objective, search.direction)
    write_csv(folder / "trials.csv", trials, parameters)
    facts = SearchFacts(
        name=folder.name,
        trials=tuple(trials),
        parameters=tuple(parameters),
        space=space,
        metric=search.objective,
        direction=search.direction,
        settings=settings,
    )
    write_page(folder / "search.html", facts)
    found = best_of(trials, search.direction)
    if found is None or found.objective is None:
        log.info("no trial has completed yet: there is no %s", BEST_FILE)
        return None
    best = Best(
        search=folder.name,
        trial=found.name,
        metric=search.objective,
        direction=search.direction,
        objective=found.objective,
        ci95=found.ci95,
        parameters=found.parameters,
        settings=searchable_settings(settings, parameters),
    )
    write_best(folder / BEST_FILE, best)
    values = " ".join(f"{name}={shown_value(value)}" for name, value in best.parameters.items())
    between = f" (95%: {best.ci95[0]:.4f} to {best.ci95[1]:.4f})" if best.ci95 else ""
    log.info(
        "best: %s, %s %.4f%s: %s",
        *(best.trial, best.metric, best.objective, between, values),
    )
    return best
