"""The size of a search's page where it has many trials, epochs and parameters."""

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.made_trials import SPACE, make_trials

from dogbreed.search.report import page
from dogbreed.search.report.facts import MAX_DRAWN, SearchFacts
from dogbreed.search.report.page_table import MAX_ROWS
from dogbreed.search.space import Numbers, Space
from dogbreed.search.trials import COMPLETED, best_of

MAX_BYTES = 12_000_000


@pytest.mark.slow
def test_two_thousand_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its time grows with the trials, its chart doesn't.
    monkeypatch.setattr(page, "importance", lambda *_: "Left out here.")
    more = {f"model.parameter_{n}": Numbers("float", 0.0, 1.0, False) for n in range(12)}
    space: Space = {**SPACE, **more}
    generator = random.Random(0)
    trials = [
        replace(
            trial,
            parameters={**trial.parameters, **{name: generator.random() for name in more}},
            curve=tuple(3 / epoch for epoch in range(1, 301)),
        )
        for trial in make_trials(2000)
    ]
    # The best is none of those that are evenly spaced.
    number = next(n for n, t in enumerate(trials) if n % 2 and t.status == COMPLETED)
    trials[number] = replace(trials[number], objective=0.01)
    assert best_of(trials, "minimize") is trials[number]
    path = tmp_path / "search.html"
    facts = SearchFacts(
        name="many",
        trials=tuple(trials),
        parameters=tuple(space),
        space=space,
        metric="valid_loss",
        direction="minimize",
        settings={},
    )
    page.write_page(path, facts)
    text = path.read_text("utf-8")
    assert path.stat().st_size < MAX_BYTES
    drawn = re.search(r"The charts show ([\d,]+) trials of 2,000", text)
    assert drawn is not None
    assert int(drawn[1].replace(",", "")) in (MAX_DRAWN, MAX_DRAWN + 1)
    assert "The table has the 1,000 best of 2,000 trials" in text
    assert text.count("<tr") == MAX_ROWS + 1 + len(space)
    assert f'<tr class="main"><th scope="row"><bdi>{trials[number].name}</bdi>' in text
