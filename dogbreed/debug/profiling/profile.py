"""Where the time of a run went: the facts of profile.json and of the report's section."""

from dataclasses import asdict, dataclass
from typing import Any

from dogbreed.debug.rules.verdicts import Verdict

# Phases of a run, and the parts of the fit.
FEATURES, FIT = "features", "fit"
DATA_WAIT, FORWARD, BACKWARD, STEP = "data wait", "forward", "backward", "step"
CALLBACKS, CHECKPOINTS, LOOP, VALIDATION = "callbacks", "checkpoints", "loop", "validation"
FIT_PARTS = (DATA_WAIT, FORWARD, BACKWARD, STEP, CALLBACKS, CHECKPOINTS, LOOP)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a run; `parts` are those of it that were measured by themselves."""

    name: str
    seconds: float
    parts: tuple["Phase", ...] = ()


@dataclass(frozen=True, kw_only=True)
class StepTimes:
    """How long training steps took, from one to the next, in seconds.

    p50 and p95 are known to 1 %. `slowest` are (step, seconds), the slowest first; `outliers` how
    many took more than the limit's times the median, `outlier_share` their share of the time.
    """

    count: int
    p50_s: float
    p95_s: float
    max_s: float
    outliers: int
    outlier_share: float
    slowest: tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What was in use at one moment.

    `cpu_share` is of the cores that the process may run on, over its children too; `memory_bytes`
    is theirs together. Bytes per second are the process's own. `machine_share` is how busy the
    machine as a whole was, `io_wait_share` how much of it waited for disks.
    """

    elapsed_s: float
    phase: str
    cpu_share: float
    memory_bytes: int
    read_bytes_per_s: float
    written_bytes_per_s: float
    io_wait_share: float
    machine_share: float
    gpu_share: float | None = None
    gpu_memory_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Photos a second, None where nothing was computed.

    `features` counts views of photos through the frozen part, decoding included; `limit` is what
    the machine's own matrix product allows in the same precision; `fit` is training photos.
    """

    features: float | None
    limit: float | None
    fit: float | None


@dataclass(frozen=True, kw_only=True)
class Profile:
    """All of it. The seconds of `phases` add up to `total_s` but for what none of them covers.

    `decode_s` are the seconds of all threads that decoded photos beside the computation.
    """

    total_s: float
    phases: tuple[Phase, ...]
    decode_s: float
    steps: StepTimes | None
    samples: tuple[Sample, ...]
    cores: int
    gpu: str | None
    photos_per_s: Rates
    triggers: tuple[Verdict, ...]

    def as_dict(self) -> dict[str, Any]:
        """For profile.json."""
        return asdict(self)
