"""Prices of the region from AWS's Price List API, cached for a day; optional, and bounded in time.

Without an answer within seconds, or without pricing:GetProducts, the table of prices is used.
"""

import functools
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import code_of
from dogbreed.cloud.aws.regions import nearest_region
from dogbreed.cloud.jobs.prices import LISTED, Price, PriceOf, price
from dogbreed.utils.documents import DocumentError, json_value, read_json
from dogbreed.utils.files import write_json
from dogbreed.utils.user_paths import optional_cache_dir, private_folder

SOURCE = "AWS's Price List API"
SERVICE_CODE = "AmazonSageMaker"
FOLDER = "prices"  # in the cache
MAX_SECONDS = 5.0  # for all instance types together
# One try of two seconds: prices are worth no longer wait, and the table is there.
CLIENT = ClientConfig(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 1})
# An instance type has a product per use (training, hosting, notebooks ...): some 20 in a region.
PAGE, MAX_PAGES, MAX_DOCUMENT_CHARACTERS = 100, 2, 100_000
MAX_CACHE_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Prices by instance type, and a note for the user if some couldn't be read."""

    prices: Mapping[str, Price]
    note: str | None = None


def listed_prices(account: Account, instance_types: Sequence[str]) -> Listed:
    """The on-demand prices of training jobs in the account's region; never raises.

    A dry run sends nothing, so it has none.
    """
    if account.dry:
        return Listed(prices={})
    path, day = _path(account.region), datetime.now(UTC).date().isoformat()
    known = _cached(path, day)
    missing = [each for each in dict.fromkeys(instance_types) if each not in known]
    note = None
    if missing:
        try:
            found = _query(account, missing)
        except (BotoCoreError, ClientError, TimeoutError) as error:
            found = {}
            note = (
                f"{SOURCE} can't be read ({code_of(error) or type(error).__name__}): the prices "
                "are from the project's table"
            )
        known |= found
        if found:
            _save(path, day, known)
    return Listed(prices={each: known[each] for each in instance_types if each in known}, note=note)


def price_reader(account: Account) -> PriceOf:
    """A function for the listed price of an instance type, or else that of the table.

    Each type is queried once, however often its costs are computed while a job is polled.
    """
    return functools.cache(lambda name: price(name, listed_prices(account, [name]).prices))


def _query(account: Account, instance_types: Sequence[str]) -> dict[str, Price]:
    region = nearest_region("pricing", account.region)
    if region is None:  # the partition has no such service
        return {}
    client = account.session.client("pricing", region_name=region, config=CLIENT)
    deadline = time.monotonic() + MAX_SECONDS
    found: dict[str, Price] = {}
    for each in instance_types:
        filters = {
            "productFamily": "ML Instance",
            "regionCode": account.region,
            "instanceName": each,
        }
        for document in _documents(client, filters, deadline):
            price = _price(document, each, account.region)
            if price is not None:
                found[each] = price
    return found


def _documents(client: Any, filters: Mapping[str, str], deadline: float) -> Iterator[Any]:
    """The products of a price list, each a JSON text."""
    terms = [{"Type": "TERM_MATCH", "Field": k, "Value": value} for k, value in filters.items()]
    request: dict[str, Any] = {"ServiceCode": SERVICE_CODE, "Filters": terms, "MaxResults": PAGE}
    for _ in range(MAX_PAGES):
        if time.monotonic() > deadline:
            raise TimeoutError
        answer = client.get_products(**request)
        for text in answer.get("PriceList", ())[:PAGE]:
            if len(text) <= MAX_DOCUMENT_CHARACTERS:
                with suppress(DocumentError):
                    yield json_value(text)
        if not answer.get("NextToken"):
            return
        request["NextToken"] = answer["NextToken"]


def _price(document: Any, instance_type: str, region: str) -> Price | None:
    """The on-demand price in a product of training jobs; None for another or unreadable one."""
    try:
        attributes = document["product"]["attributes"]
        # Such as USE1-Train:ml.m5.large; without a region in us-east-1's oldest products.
        usage = rf"(?:[A-Z0-9]+-)?Train:{re.escape(instance_type)}"
        if not re.fullmatch(usage, attributes["usagetype"]) or attributes["regionCode"] != region:
            return None
        (term,) = document["terms"]["OnDemand"].values()
        (dimension,) = term["priceDimensions"].values()
        usd = float(dimension["pricePerUnit"]["USD"])
        if dimension["unit"] not in ("Hrs", "hours", "Hours") or not 0 < usd < 10_000:
            return None
        return Price(
            instance_type=instance_type,
            vcpus=int(attributes["vCpu"]),
            memory_gb=round(float(attributes["memory"].split()[0].replace(",", ""))),
            usd_per_hour=usd,
            known=LISTED,
            region=region,
            date=datetime.fromisoformat(term["effectiveDate"]).date().isoformat(),
            source=SOURCE,
        )
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _path(region: str) -> Path | None:
    folder = optional_cache_dir(FOLDER)
    return None if folder is None else folder / f"{region}.json"


def _cached(path: Path | None, day: str) -> dict[str, Price]:
    """The prices that were read today (UTC); empty if there are none, or the file is damaged."""
    if path is None:
        return {}
    try:
        private_folder(path.parent)
        saved = read_json(path, MAX_CACHE_BYTES)
        if saved["day"] != day:
            return {}
        found = [Price(**each) for each in saved["prices"]]
        return {each.instance_type: each for each in found if 0 < each.usd_per_hour < 10_000}
    except (OSError, DocumentError, LookupError, TypeError):
        return {}


def _save(path: Path | None, day: str, prices: Mapping[str, Price]) -> None:
    if path is not None:
        with suppress(OSError):
            private_folder(path.parent)
            write_json(path, {"day": day, "prices": [asdict(each) for each in prices.values()]})
