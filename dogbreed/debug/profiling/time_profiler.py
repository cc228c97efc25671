"""The Lightning profiler that splits a fit into its parts: each second counts once."""

import math
import time
from heapq import heappush, heappushpop

from pytorch_lightning.profilers import Profiler

from dogbreed.configuration.debug import TriggersConfig
from dogbreed.configuration.schema import argument
from dogbreed.debug.profiling.profile import (
    BACKWARD,
    CALLBACKS,
    CHECKPOINTS,
    DATA_WAIT,
    FIT_PARTS,
    FORWARD,
    LOOP,
    STEP,
    VALIDATION,
    StepTimes,
)

# Lightning's names of what it does end in these; the first that fits counts.
PART_OF_ENDING = {
    "train_dataloader_next": DATA_WAIT,
    "batch_to_device": DATA_WAIT,
    "transfer_batch_to_device": DATA_WAIT,
    "before_batch_transfer": DATA_WAIT,
    "after_batch_transfer": DATA_WAIT,
    "training_step": FORWARD,
    "backward": BACKWARD,
    "optimizer_step": STEP,
    "optimizer_zero_grad": STEP,
    "lr_scheduler_step": STEP,
    "clip_gradients": STEP,
    "save_checkpoint": CHECKPOINTS,
}
VALIDATION_BEGINS, VALIDATION_ENDS = "on_validation_model_eval", "on_validation_model_train"
EPOCH_BEGINS, BATCH = "run_training_epoch", "run_training_batch"


class TimeProfiler(Profiler):
    """For `Trainer(profiler=...)`. `parts()` are the seconds of each part of fit, and of
    validation; `step_times()` how long steps took. Memory is constant.

    On a GPU the seconds show where the program waits, not what the GPU does meanwhile: that is
    what a trace is for.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seconds = dict.fromkeys((*FIT_PARTS, VALIDATION), 0.0)
        self._open: list[str] = []
        self._known: dict[str, str | None] = {}
        self._validating = False
        self._last = self._step_began = time.perf_counter()
        self.steps = Durations()

    def start(self, action_name: str) -> None:
        """An action begins: what was open pauses."""
        now = time.perf_counter()
        if action_name == EPOCH_BEGINS or action_name.endswith(VALIDATION_BEGINS):
            self._validating = action_name != EPOCH_BEGINS
            self._step_began = now
        if self._open:
            self._seconds[self._open[-1]] += now - self._last
        self._last = now
        self._open.append(self._part(action_name))

    def stop(self, action_name: str) -> None:
        """An action ends: what was open before continues."""
        now = time.perf_counter()
        if self._open:
            self._seconds[self._open.pop()] += now - self._last
        self._last = now
        if action_name == BATCH:
            self.steps.add(now - self._step_began)
            self._step_began = now
        elif action_name.endswith(VALIDATION_ENDS):
            self._validating = False
            self._step_began = now

    def parts(self) -> dict[str, float]:
        """Seconds of each part so far."""
        return dict(self._seconds)

    def _part(self, action: str) -> str:
        if action not in self._known:
            hook = CALLBACKS if action.startswith(("[Callback]", "[LightningModule]")) else None
            self._known[action] = PART_OF_ENDING.get(action.rpartition(".")[2], hook)
        part = self._known[action]
        if self._validating and part != CHECKPOINTS:
            return VALIDATION
        if part is None:
            return self._open[-1] if self._open and action != EPOCH_BEGINS else LOOP
        return part


class Durations:
    """How long steps took: a histogram of 1 % wide classes, and the slowest."""

    SHORTEST_S, WIDTH, SHOWN = 1e-6, math.log(1.01), 10

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._sums: dict[int, float] = {}
        self._slowest: list[tuple[float, int]] = []
        self.count, self.sum_s = 0, 0.0

    def add(self, seconds: float) -> None:
        """One more step."""
        place = int(math.log(max(seconds, self.SHORTEST_S) / self.SHORTEST_S) / self.WIDTH)
        self._counts[place] = self._counts.get(place, 0) + 1
        self._sums[place] = self._sums.get(place, 0.0) + seconds
        entry = (seconds, self.count)
        if len(self._slowest) < self.SHOWN:
            heappush(self._slowest, entry)
        else:
            heappushpop(self._slowest, entry)
        self.count += 1
        self.sum_s += seconds

    @property
    def mean_s(self) -> float:
        """The mean; there has to be a step."""
        return self.sum_s / self.count

    def quantile_s(self, share: float) -> float:
        """The time that so large a share of the steps took at most, to 1 %."""
        wanted, counted = share * self.count, 0
        for place in sorted(self._counts):
            counted += self._counts[place]
            if counted >= wanted:
                return self.SHORTEST_S * math.exp((place + 0.5) * self.WIDTH)
        return math.nan

    def step_times(self, outlier_times: float) -> StepTimes | None:
        """What is known of them; outliers took more than so many times the median.

        Raises:
            ConfigError: `outlier_times` isn't above 1.
        """
        outlier_times = argument(TriggersConfig, "outlier_times", outlier_times)
        if not self.count:
            return None
        limit = outlier_times * self.quantile_s(0.5)
        far = [p for p in self._counts if self.SHORTEST_S * math.exp(p * self.WIDTH) > limit]
        slowest = sorted(self._slowest, reverse=True)
        return StepTimes(
            count=self.count,
            p50_s=self.quantile_s(0.5),
            p95_s=self.quantile_s(0.95),
            max_s=slowest[0][0],
            outliers=sum(self._counts[place] for place in far),
            outlier_share=sum(self._sums[place] for place in far) / self.sum_s,
            slowest=tuple((step, seconds) for seconds, step in slowest),
        )
