"""Costs of jobs: a dated price table, and the maximum costs of a launch."""

import csv
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dogbreed.cloud.aws.images import family_of
from dogbreed.configuration.search import LauncherConfig

if TYPE_CHECKING:  # it would bring in the SDK
    from dogbreed.cloud.jobs.job import Job

TABLE = Path(__file__).with_name("prices.csv")
DERIVED = "derived"

SECONDS_IN_A_MONTH = 730 * 3600
# us-east-1. The only source of the disk's price is an undated paper.
_DISK_USD_PER_GB_MONTH = 0.14
_S3_USD_PER_GB_MONTH = 0.023
_S3_USD_PER_WRITE = 0.005 / 1000
_S3_USD_PER_READ = 0.0004 / 1000
# Families with a local disk at no extra cost.
_LOCAL_DISK = frozenset(
    {"g4dn", "g5", "g6", "g6e", "g7", "g7e", "p3dn", "p4d", "p4de", "p5", "p5e", "p5en", "r5d"}
)


@dataclass(frozen=True, kw_only=True)
class Price:
    """A row of the table: an instance's on-demand price in US dollars per hour.

    `known` is `listed` if AWS publishes the price, `derived` if it was computed from others as
    described in `source`. `date` is the day or month of the price.
    """

    instance_type: str
    vcpus: int
    memory_gb: int
    usd_per_hour: float
    known: str
    region: str
    date: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Use:
    """Jobs of one kind, each for its maximum run time; `what` names them in the plan."""

    what: str
    jobs: int
    instance_type: str
    instances: int
    max_run_s: float
    volume_gb: int
    spot: bool

    @classmethod
    def of(cls, job: "Job", launcher: LauncherConfig, *, jobs: int) -> "Use":
        """The use of `jobs` jobs like `job`."""
        return cls(
            what=job.kind,
            jobs=jobs,
            instance_type=job.instance_type,
            instances=job.instance_count,
            max_run_s=launcher.max_run_minutes * 60,
            volume_gb=launcher.volume_gb,
            spot=launcher.spot,
        )


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The lines of a cost estimate, the last ones with total and price source; US dollars.

    `left_out` are the instance types without a price in the table.
    """

    lines: tuple[str, ...]
    total_usd: float
    left_out: tuple[str, ...]


@functools.cache
def _table() -> dict[str, Price]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["instance_type"]: _price(row) for row in csv.DictReader(file)}


def _price(row: dict[str, str]) -> Price:
    return Price(
        instance_type=row["instance_type"],
        vcpus=int(row["vcpus"]),
        memory_gb=int(row["memory_gb"]),
        usd_per_hour=float(row["usd_per_hour"]),
        known=row["known"],
        region=row["region"],
        date=row["date"],
        source=row["source"],
    )


def has_local_disk(instance_type: str) -> bool:
    """Whether the instance has a local disk, to which volume_gb and volume_kms_key don't apply."""
    return family_of(instance_type) in _LOCAL_DISK


def price(instance_type: str) -> Price | None:
    """The price of an instance type; None if it isn't in the table."""
    return _table().get(instance_type)


def cost(instance_type: str, seconds: float, count: int = 1) -> float | None:
    """On-demand costs in US dollars of `count` instances; None if the type isn't in the table."""
    found = price(instance_type)
    return None if found is None else found.usd_per_hour * seconds / 3600 * count


def max_cost(uses: Sequence[Use], *, stored_bytes: int, writes: int, reads: int) -> Costs:
    """The costs if every job runs for its maximum time and S3 stores the inputs for a month.

    `writes` and `reads` are requests to S3. Spot instances count as on-demand, their maximum price.
    """
    storage = stored_bytes / 1e9 * _S3_USD_PER_GB_MONTH
    requests = writes * _S3_USD_PER_WRITE + reads * _S3_USD_PER_READ
    types = sorted({use.instance_type for use in uses})
    left_out = tuple(name for name in types if price(name) is None)
    total = sum(_max_usd(use) or 0 for use in uses) + storage + requests
    without = f", without {', '.join(left_out)}" if left_out else ""
    return Costs(
        lines=(
            *map(_line, uses),
            f"S3: {stored_bytes / 1e6:,.0f} MB stored for a month, {writes:,} writes, {reads:,} "
            f"reads: {dollars(storage + requests)}",
            f"in all at most {dollars(total)}{without}",
            *basis([found for found in map(price, types) if found]),
        ),
        total_usd=total,
        left_out=left_out,
    )


def _line(use: Use) -> str:
    number = "1 job" if use.jobs == 1 else f"{use.jobs:,} jobs"
    machines = use.instance_type if use.instances == 1 else f"{use.instances} {use.instance_type}"
    what = f"{use.what}: {number} of at most {use.max_run_s / 60:,.0f} min on {machines}"
    found, usd = price(use.instance_type), _max_usd(use)
    if found is None or usd is None:
        return f"{what}: not in the table of prices, and left out of the total"
    about = "about " if found.known == DERIVED else ""
    spot = " (on spot instances usually far less)" if use.spot else ""
    return f"{what} at {about}${found.usd_per_hour:,} an hour: {dollars(usd)}{spot}"


def _max_usd(use: Use) -> float | None:
    """The maximum costs of instances and disks in US dollars; None: not in the table."""
    machines = use.jobs * use.instances
    instances = cost(use.instance_type, use.max_run_s, machines)
    if instances is None or family_of(use.instance_type) in _LOCAL_DISK:
        return instances
    months = use.max_run_s * machines / SECONDS_IN_A_MONTH
    return instances + use.volume_gb * months * _DISK_USD_PER_GB_MONTH


def basis(prices: Sequence[Price], *, of_jobs: bool = True) -> list[str]:
    """The sentence on source, date and region of the prices; empty without prices."""
    if not prices:
        return []
    dates = sorted(found.date for found in prices)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    more = (
        " Billing starts when a job's container and data are downloaded and ends when its results "
        "are stored: some minutes more."
    )
    return [
        f"Prices on demand in us-east-1, of {when}, without taxes, from the project's table "
        f"(dogbreed/cloud/jobs/{TABLE.name}). Other regions have others.{more if of_jobs else ''}"
    ]


def dollars(usd: float) -> str:
    """As text, rounded up to a cent."""
    return f"${math.ceil(round(usd * 100, 6)) / 100:,.2f}"
