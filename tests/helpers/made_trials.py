"""Made-up trials of a search that never was, for tests of what is written of a search."""

import math
import random
from datetime import UTC, datetime, timedelta

from dogbreed.search.space import Choice, Numbers, Space
from dogbreed.search.trials import COMPLETED, FAILED, STOPPED, Trial

SPACE: Space = {
    "optim.lr": Numbers("float", 1e-4, 0.1, True),
    "optim.eps": Numbers("float", 1e-9, 1e-8, True),
    "data.batch_size": Choice((64, 128, 256)),
}
EPOCHS = 12
STARTED = datetime(2026, 11, 21, 11, 6, 31, tzinfo=UTC)


def make_trials(count: int = 20, seed: int = 0) -> list[Trial]:
    """Trials whose loss hangs on the learning rate; every ninth was stopped, the fourth failed."""
    generator = random.Random(seed)
    return [_make_trial(number, generator) for number in range(1, count + 1)]


def _make_trial(number: int, generator: random.Random) -> Trial:
    lr = 10 ** generator.uniform(-4, -1)
    batch_size = generator.choice((64, 128, 256))
    loss = 0.77 + 0.25 * (math.log10(lr) + 2.1) ** 2 + generator.gauss(0, 0.02)
    curve = [loss + 3.5 * math.exp(-0.6 * epoch) for epoch in range(EPOCHS)]
    status = FAILED if number == 4 else STOPPED if number % 9 == 0 else COMPLETED
    if status != COMPLETED:
        curve = curve[: 0 if status == FAILED else 4]
    started = STARTED + timedelta(seconds=3 * number)
    objective = min(curve, default=None)
    return Trial(
        name=f"trial-{number:03}",
        status=status,
        parameters={
            "optim.lr": lr,
            "optim.eps": 10 ** generator.uniform(-9, -8),
            "data.batch_size": batch_size,
        },
        objective=objective,
        ci95=(objective - 0.07, objective + 0.075) if objective is not None else None,
        started=started,
        ended=started + timedelta(seconds=2.5),
        seconds=2.5,
        reason="Loss is not a number after epoch 1." if status == FAILED else "",
        curve=tuple(curve),
    )
