"""Prices of instances: the project's dated table, or AWS's list; how they are written."""

import csv
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("prices.csv")
LISTED, DERIVED = "listed", "derived"


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


Prices = Mapping[str, Price]  # by instance type
PriceOf = Callable[[str], Price | None]  # of an instance type; None if it isn't known


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


def price(instance_type: str, prices: Prices | None = None) -> Price | None:
    """The price of an instance type: of `prices`, else of the table; None if neither has it."""
    return (prices or {}).get(instance_type) or _table().get(instance_type)


def cost(
    instance_type: str, seconds: float, count: int = 1, price_of: PriceOf = price
) -> float | None:
    """On-demand costs in US dollars of `count` instances; None if the type has no price."""
    found = price_of(instance_type)
    return None if found is None else found.usd_per_hour * seconds / 3600 * count


def dearest(instance_types: Sequence[str], prices: Prices | None = None) -> str:
    """The type with the highest price, see `price`; one without a price counts as dearer."""
    found = {each: price(each, prices) for each in instance_types}
    return max(found, key=lambda each: math.inf if (p := found[each]) is None else p.usd_per_hour)


def basis(prices: Sequence[Price], *, of_jobs: bool = True) -> list[str]:
    """The sentence on source, date and region of the prices; empty without prices."""
    if not prices:
        return []
    more = (
        " Billing starts when a job's container and data are downloaded and ends when its results "
        "are stored: some minutes more."
    )
    tabled = [found for found in prices if found in _table().values()]
    listed = [found for found in prices if found not in tabled]
    sentences = []
    if listed:
        sentences.append(
            f"Prices on demand in {listed[0].region}, of {_dates(listed)}, without taxes, from "
            f"{listed[0].source}; S3 and disks as in us-east-1."
        )
    if tabled:
        sentences.append(
            f"Prices on demand in us-east-1, of {_dates(tabled)}, without taxes, from the "
            f"project's table (dogbreed/cloud/jobs/{TABLE.name}). Other regions have others."
        )
    return [f"{' '.join(sentences)}{more if of_jobs else ''}"]


def _dates(prices: Sequence[Price]) -> str:
    dates = sorted(found.date for found in prices)
    return dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"


def dollars(usd: float) -> str:
    """As text, rounded up to a cent."""
    return f"${math.ceil(round(usd * 100, 6)) / 100:,.2f}"
