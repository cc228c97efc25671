"""All that watches one run: the debugger, the profiler, the samples, a trace; or nothing of it."""

from pathlib import Path

from pytorch_lightning import Callback

from dogbreed.clock import Clock
from dogbreed.debug.config import DebugConfig
from dogbreed.debug.debugger import RECORDING, Debugger
from dogbreed.debug.profile import Profile, Rates
from dogbreed.debug.recording import Recording, empty_recording, read_recording
from dogbreed.debug.run_profile import build_profile, split_fit
from dogbreed.debug.sampler import Sampler
from dogbreed.debug.time_profiler import TimeProfiler
from dogbreed.debug.trace import TraceSteps
from dogbreed.debug.verdicts import Verdict
from dogbreed.errors import RecordingError
from dogbreed.files import write_json
from dogbreed.progress import is_main_process

FEATURES, FIT = "features", "fit"
PROFILE_FILE = "profile.json"


class DebugSession:
    """What a run is watched by, from its first second to its last.

    `limit` is what `photos_per_s_limit` measured, where features were computed.
    """

    def __init__(self, config: DebugConfig, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._debugger: Debugger | None = None
        self.profiler = TimeProfiler()
        self.limit: float | None = None
        self._ended = not is_main_process()
        self._sampler = Sampler(clock) if is_main_process() else None
        if self._sampler is not None:
            self._sampler.start()

    def callbacks(self, run: Path) -> list[Callback]:
        """What watches the training of the run's folder."""
        self._debugger = Debugger(run / "debug", self._config)
        callbacks: list[Callback] = [self._debugger]
        if self._config.trace and is_main_process():
            callbacks.append(TraceSteps(run / "profile"))
        return callbacks

    def fitted(self) -> None:
        """The training has ended, however it did."""
        split_fit(self._clock, self.profiler)

    def verdicts(self) -> tuple[Verdict, ...]:
        """What has come of each rule."""
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
        computed, trained = done.get(FEATURES), done.get(FIT)
        rates = Rates(
            features=computed / seconds[FEATURES] if computed else None,
            limit=self.limit,
            fit=trained / self.profiler.steps.sum_s if trained else None,
        )
        samples = self._sampler.samples if self._sampler is not None else ()
        gpu = self._sampler.gpu if self._sampler is not None else None
        return build_profile(
            self._clock,
            self.profiler,
            samples,
            gpu.name if gpu is not None else None,
            rates,
            self._config.triggers,
        )

    def end(self, run: Path) -> None:
        """Write profile.json, of a run that failed as well; a second call does nothing."""
        if self._ended:
            return
        self._ended = True
        if self._sampler is not None:
            self._sampler.stop()
        write_json(run / PROFILE_FILE, self.profile().as_dict())
