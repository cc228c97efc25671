"""All that observes one run: the debugger, the profiler, the samples, a trace; or nothing of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dogbreed.configuration.debug import DebugConfig
from dogbreed.debug.profiling.profile import FEATURES, LOOP, Profile, Rates
from dogbreed.debug.profiling.sampler import Sampler
from dogbreed.debug.recording.records import RECORDING, Recording, empty_recording, read_recording
from dogbreed.debug.rules.verdicts import Verdict
from dogbreed.debug.run_profile import build_profile, split_fit
from dogbreed.errors import RecordingError
from dogbreed.utils.clock import Clock
from dogbreed.utils.files import write_json
from dogbreed.utils.progress import is_main_process

# A run checks its photos before it imports Lightning.
if TYPE_CHECKING:
    from pytorch_lightning import Callback

    from dogbreed.debug.debugger import Debugger
    from dogbreed.debug.profiling.time_profiler import TimeProfiler

# The parts of a pass over the photos; its engine is built once, whatever their number.
PASS_PARTS = ("wait", "compute", "write")
PROFILE_FILE = "profile.json"


class DebugSession:
    """The observers of a run, from its first second to its last.

    `limit` is what `photos_per_s_limit` measured, where features were computed.
    """

    def __init__(self, config: DebugConfig, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._debugger: Debugger | None = None
        self._profiler: TimeProfiler | None = None
        self._photos_per_step = 0.0
        self.limit: float | None = None
        self._sampler = Sampler(clock) if is_main_process() else None

    def __enter__(self) -> "DebugSession":
        if self._sampler is not None:
            self._sampler.start()
        return self

    def __exit__(self, *failure: object) -> None:
        if self._sampler is not None:
            self._sampler.stop()

    def callbacks(self, run: Path) -> "list[Callback]":
        """The callbacks that observe the training of the run's folder."""
        from dogbreed.debug.debugger import Debugger
        from dogbreed.debug.profiling.trace import TraceSteps

        self._debugger = Debugger(run / "debug", self._config)
        callbacks: list[Callback] = [self._debugger]
        if self._config.trace and is_main_process():
            callbacks.append(TraceSteps(run / "profile"))
        return callbacks

    @contextmanager
    def fit(self, photos_per_step: float) -> "Iterator[TimeProfiler]":
        """The profiler for the training that the block is; its parts are added to the clock."""
        from dogbreed.debug.profiling.time_profiler import TimeProfiler

        self._profiler, self._photos_per_step = TimeProfiler(), photos_per_step
        # What no action of Lightning's covers is its own, too.
        self._profiler.start(LOOP)
        try:
            yield self._profiler
        finally:
            self._profiler.stop(LOOP)
            split_fit(self._clock, self._profiler.parts())

    def verdicts(self) -> tuple[Verdict, ...]:
        """The result of each rule."""
        return self._debugger.verdicts() if self._debugger is not None else ()

    def recording(self, run: Path) -> Recording:
        """What was recorded of the training; nothing, where nothing could be written."""
        try:
            return read_recording(run / "debug" / RECORDING)
        except RecordingError:
            return empty_recording()

    def profile(self) -> Profile:
        """Where the time has gone so far."""
        done, seconds = self._clock.done, self._clock.seconds
        computed, steps = done.get(FEATURES), self._profiler.steps if self._profiler else None
        passing = sum(seconds.get(f"{FEATURES}/{part}", 0.0) for part in PASS_PARTS)
        rates = Rates(
            features=computed / passing if computed else None,
            limit=self.limit,
            fit=self._photos_per_step / steps.mean_s if steps and steps.count else None,
        )
        samples = self._sampler.samples if self._sampler is not None else ()
        gpu = self._sampler.gpu if self._sampler is not None else None
        return build_profile(
            self._clock,
            steps.step_times(self._config.triggers.outlier_times) if steps else None,
            samples,
            gpu.name if gpu is not None else None,
            rates,
            self._config.triggers,
        )

    def write_profile(self, run: Path) -> None:
        """Write profile.json, of a run that failed as well."""
        if is_main_process():
            write_json(run / PROFILE_FILE, self.profile().as_dict())
