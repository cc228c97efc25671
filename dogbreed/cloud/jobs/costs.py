"""The costs of a launch: the maximum, and the typical, from prices, limits and durations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dogbreed.cloud.jobs.durations import ASSUMPTIONS, typical_s
from dogbreed.cloud.jobs.prices import DERIVED, Prices, basis, dearest, dollars, price
from dogbreed.cloud.jobs.volumes import has_local_disk
from dogbreed.cloud.jobs.workload import Workload
from dogbreed.configuration.search import LauncherConfig

if TYPE_CHECKING:  # it would bring in the SDK
    from dogbreed.cloud.jobs.job import Job

SECONDS_IN_A_MONTH = 730 * 3600
# us-east-1. The disk's: Price List API, USE1-Notebk:VolumeUsage.gp2, 2026-10-01; an undated paper
# has the same for training.
_DISK_USD_PER_GB_MONTH = 0.14
_S3_USD_PER_GB_MONTH = 0.023
_S3_USD_PER_WRITE = 0.005 / 1000
_S3_USD_PER_READ = 0.0004 / 1000


@dataclass(frozen=True, kw_only=True)
class Use:
    """Jobs of one kind, each for its maximum run time; `what` names them in the plan.

    `idle_s` is how long a warm pool stays after the last of them.
    """

    what: str
    jobs: int
    instance_type: str
    instances: int
    max_run_s: float
    volume_gb: int
    spot: bool
    idle_s: float = 0.0

    @classmethod
    def of(cls, job: "Job", launcher: LauncherConfig, *, jobs: int) -> "Use":
        """The use of `jobs` jobs like `job`, on the dearest of its instance types.

        A warm pool counts as idle time; each further job of a launch would use it.
        """
        return cls(
            what=job.kind,
            jobs=jobs,
            instance_type=dearest(job.types),
            instances=job.instance_count,
            max_run_s=launcher.max_run_minutes * 60,
            volume_gb=job.volume_gb,
            spot=launcher.spot,
            idle_s=60 * launcher.keep_alive_minutes,
        )


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What a launch sends to S3 and its jobs write there, in bytes, and the number of requests."""

    sent_bytes: int
    written_bytes: int
    writes: int
    reads: int

    def usd(self) -> float:
        """The costs of a month and of the requests, in US dollars."""
        stored = (self.sent_bytes + self.written_bytes) / 1e9 * _S3_USD_PER_GB_MONTH
        return stored + self.writes * _S3_USD_PER_WRITE + self.reads * _S3_USD_PER_READ


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The lines of a cost estimate, the last ones with totals and price source; US dollars.

    `left_out` are the instance types without a price. `typical_usd` is None if it isn't known.
    """

    lines: tuple[str, ...]
    total_usd: float
    typical_usd: float | None
    left_out: tuple[str, ...]


def launch_costs(
    uses: Sequence[Use], stored: Stored, work: Workload, prices: Prices | None = None
) -> Costs:
    """The costs of a launch: the maximum if every job runs for its maximum time, and the typical.

    Spot instances count as on-demand, their maximum price; what is stored, for a month.
    """
    types = sorted({use.instance_type for use in uses})
    known = {name: found for name in types if (found := price(name, prices))}
    left_out = tuple(name for name in types if name not in known)
    total = sum(_max_usd(use, known) for use in uses) + stored.usd()
    typical = None if left_out else _typical_usd(uses, known, work)
    without = f", without {', '.join(left_out)}" if left_out else ""
    lines = [
        *(_line(use, known) for use in uses),
        f"S3: {stored.sent_bytes / 1e6:,.0f} MB sent and at most "
        f"{stored.written_bytes / 1e6:,.0f} MB written by jobs, stored for a month, "
        f"{stored.writes:,} writes, {stored.reads:,} reads: {dollars(stored.usd())}",
        f"in all at most {dollars(total)}{without}",
    ]
    if typical is not None:
        typical += stored.usd()
        lines.append(f"typically about {dollars(typical)}: {ASSUMPTIONS}")
    return Costs(
        lines=(*lines, *basis(list(known.values()))),
        total_usd=total,
        typical_usd=typical,
        left_out=left_out,
    )


def _line(use: Use, prices: Prices) -> str:
    number = "1 job" if use.jobs == 1 else f"{use.jobs:,} jobs"
    machines = use.instance_type if use.instances == 1 else f"{use.instances} {use.instance_type}"
    what = f"{use.what}: {number} of at most {use.max_run_s / 60:,.0f} min on {machines}"
    found = prices.get(use.instance_type)
    if found is None:
        return f"{what}: no price is known, and it is left out of the total"
    about = "about " if found.known == DERIVED else ""
    spot = " (on spot instances usually far less)" if use.spot else ""
    idle = f", then idle for {use.idle_s / 60:,.0f} min" if use.idle_s else ""
    usd = dollars(_max_usd(use, prices))
    return f"{what}{idle} at {about}${found.usd_per_hour:,} an hour: {usd}{spot}"


def _max_usd(use: Use, prices: Prices) -> float:
    return _usd(use, use.max_run_s, prices)


def _typical_usd(uses: Sequence[Use], prices: Prices, work: Workload) -> float:
    total = 0.0
    for use in uses:
        run_s = typical_s(
            *(work, use.what, use.instance_type),
            vcpus=prices[use.instance_type].vcpus,
            instances=use.instances,
        )
        total += _usd(use, min(use.max_run_s, run_s), prices)
    return total


def _usd(use: Use, run_s: float, prices: Prices) -> float:
    """The costs of instances and disks in US dollars; 0 without a price."""
    found = prices.get(use.instance_type)
    if found is None:
        return 0.0
    seconds = (use.jobs * run_s + use.idle_s) * use.instances
    instances = found.usd_per_hour * seconds / 3600
    if has_local_disk(use.instance_type):
        return instances
    return instances + use.volume_gb * seconds / SECONDS_IN_A_MONTH * _DISK_USD_PER_GB_MONTH
