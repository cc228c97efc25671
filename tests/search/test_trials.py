"""Which trial of a search is the best, and what trials.csv says of each."""

import csv
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dogbreed.configuration.search import MAXIMIZE, MINIMIZE
from dogbreed.search.trials import COMPLETED, FAILED, RUNNING, STOPPED, Trial, best_of, write_csv

DONE = Trial(name="a", status=COMPLETED, parameters={"optim.lr": 0.1}, objective=0.5)
OTHERS = [
    replace(DONE, name="stopped", status=STOPPED, objective=0.1),
    replace(DONE, name="failed", status=FAILED, objective=None),
    replace(DONE, name="running", status=RUNNING, objective=0.9),
    replace(DONE, name="nan", objective=math.nan),
    replace(DONE, name="low", objective=0.2),
    replace(DONE, name="low again", objective=0.2),
    replace(DONE, name="high", objective=0.8),
    replace(DONE, name="infinite", objective=math.inf),
]


@pytest.mark.parametrize(("direction", "name"), [(MINIMIZE, "low"), (MAXIMIZE, "high")])
def test_the_best_is_completed_and_has_a_finite_objective(direction: str, name: str) -> None:
    best = best_of([DONE, *OTHERS], direction)
    assert best is not None
    assert best.name == name
    assert best_of(OTHERS[:4], direction) is None


def test_each_trial_is_a_row(tmp_path: Path) -> None:
    started = datetime(2026, 11, 21, 11, 6, 31, tzinfo=UTC)
    trial = replace(
        DONE, ci95=(0.4, 0.6), started=started, seconds=2.54, cost_usd=0.00126, reason="because"
    )
    write_csv(tmp_path / "trials.csv", [trial, OTHERS[1]], ["optim.lr", "optim.eps"])
    with (tmp_path / "trials.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["optim.lr"], first["optim.eps"]) == ("0.1", "")
    assert (first["FinalObjectiveLow95"], first["FinalObjectiveHigh95"]) == ("0.4", "0.6")
    assert (first["TrainingStartTime"], first["TrainingEndTime"]) == (
        "2026-11-21T11:06:31+00:00",
        "",
    )
    assert (first["TrainingElapsedTimeSeconds"], first["CostUSD"]) == ("2.5", "0.0013")
    assert (second["TrainingJobStatus"], second["FinalObjectiveValue"]) == ("Failed", "")
