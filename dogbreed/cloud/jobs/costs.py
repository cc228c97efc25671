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

    `types` are the instance types that they may run on; `idle_s` is how long a warm pool stays
    after the last of them.
    """

    what: str
    jobs: int
    types: tuple[str, ...]
    instances: int
    max_run_s: float
    volume_gb: int
    spot: bool
    idle_s: float = 0.0

    @classmethod
    def of(cls, job: "Job", launcher: LauncherConfig, *, jobs: int) -> "Use":
        """The use of `jobs` jobs like `job`.

        A warm pool counts as idle time; each further job of a launch would use it.
        """
        return cls(
            what=job.kind,
            jobs=jobs,
            types=job.types,
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

    Jobs count on the dearest of their instance types, spot instances as on-demand, their maximum
    price; what is stored, for a month.
    """
    priced = [_Priced(use, dearest(use.types, prices), prices) for use in uses]
    known = {each.instance_type: each.price for each in priced if each.price is not None}
    left_out = tuple(sorted({each.instance_type for each in priced} - known.keys()))
    total = sum(each.max_usd() for each in priced) + stored.usd()
    typical = None if left_out else sum(each.typical_usd(work) for each in priced)
    without = f", without {', '.join(left_out)}" if left_out else ""
    lines = [
        *(each.line() for each in priced),
        f"S3: {stored.sent_bytes / 1e6:,.0f} MB sent and at most "
        f"{stored.written_bytes / 1e6:,.0f} MB written by jobs, stored for a month, "
        f"{stored.writes:,} writes, {stored.reads:,} reads: {dollars(stored.usd())}",
        f"in all at most {dollars(total)}{without}",
    ]
    if typical is not None:
        typical += stored.usd()
        lines.append(f"typically about {dollars(typical)}: {ASSUMPTIONS}")
    return Costs(
        lines=(*lines, *basis([known[name] for name in sorted(known)])),
        total_usd=total,
        typical_usd=typical,
        left_out=left_out,
    )


class _Priced:
    """Jobs on the instance type that they are priced for; `price` is None if none is known."""

    def __init__(self, use: Use, instance_type: str, prices: Prices | None) -> None:
        self._use, self.instance_type = use, instance_type
        self.price = price(instance_type, prices)

    def line(self) -> str:
        use, name = self._use, self.instance_type
        number = "1 job" if use.jobs == 1 else f"{use.jobs:,} jobs"
        machines = name if use.instances == 1 else f"{use.instances} {name}"
        what = f"{use.what}: {number} of at most {use.max_run_s / 60:,.0f} min on {machines}"
        if self.price is None:
            return f"{what}: no price is known, and it is left out of the total"
        about = "about " if self.price.known == DERIVED else ""
        spot = " (on spot instances usually far less)" if use.spot else ""
        idle = f", then idle for {use.idle_s / 60:,.0f} min" if use.idle_s else ""
        usd = dollars(self.max_usd())
        return f"{what}{idle} at {about}${self.price.usd_per_hour:,} an hour: {usd}{spot}"

    def max_usd(self) -> float:
        return self._usd(self._use.max_run_s)

    def typical_usd(self, work: Workload) -> float:
        if self.price is None:
            return 0.0
        run_s = typical_s(
            *(work, self._use.what, self.instance_type),
            vcpus=self.price.vcpus,
            instances=self._use.instances,
        )
        return self._usd(min(self._use.max_run_s, run_s))

    def _usd(self, run_s: float) -> float:
        """The costs of instances and disks in US dollars; 0 without a price."""
        use = self._use
        if self.price is None:
            return 0.0
        seconds = (use.jobs * run_s + use.idle_s) * use.instances
        instances = self.price.usd_per_hour * seconds / 3600
        if has_local_disk(self.instance_type):
            return instances
        return instances + use.volume_gb * seconds / SECONDS_IN_A_MONTH * _DISK_USD_PER_GB_MONTH
