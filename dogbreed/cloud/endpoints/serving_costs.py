"""The costs of a deployed model: per hour and month, or per second of computing."""

from dogbreed.cloud.endpoints.lifetime import lifetime_of
from dogbreed.cloud.jobs.prices import DERIVED, Price, basis, dollars, price
from dogbreed.configuration.deploy import ASYNC, BATCH, SERVERLESS, ServingConfig

HOURS_IN_A_MONTH = 730
# us-east-1, from 2026-09-01 on: Price List API, USE1-ServerlessInf:Mem-3GB is $0.00006 a second,
# and the sizes are priced by their gigabytes.
SERVERLESS_USD_PER_GB_SECOND = 0.00002
SERVERLESS_DATE = "2026-09-01"


def serving_costs(deploy: ServingConfig) -> list[str]:
    """Sentences for the user: the costs, and the source of the prices."""
    if deploy.kind == SERVERLESS:
        return _serverless(deploy.memory_mb)
    assert deploy.instance_type is not None
    found = price(deploy.instance_type)
    if found is None:
        return [f"{deploy.instance_type} is not in the table of prices: see AWS's price list."]
    about = "about " if found.known == DERIVED else ""
    if deploy.kind == ASYNC:
        return _async(deploy, found)
    minimum, maximum = deploy.instance_count, deploy.max_instances or deploy.instance_count
    hour = minimum * found.usd_per_hour
    machines = deploy.instance_type if minimum == 1 else f"{minimum} {deploy.instance_type}"
    line = f"{machines}: {about}${hour:,.3f} an hour"
    if deploy.kind == BATCH:
        return [f"{line}, for as long as the job takes", *basis([found])]
    lines = [f"{line}, {about}{dollars(hour * HOURS_IN_A_MONTH)} a month, billed while idle"]
    if maximum > minimum:
        month = dollars(maximum * found.usd_per_hour * HOURS_IN_A_MONTH)
        lines.append(f"scaled up to {maximum} instances all the time: {about}{month} a month")
    hours = lifetime_of(deploy)
    if hours is not None:
        total = dollars(hour * hours)
        lines.append(f"until it is deleted after {hours:.12g} h: {about}{total}")
    return [*lines, *basis([found], of_jobs=False)]


def _async(deploy: ServingConfig, found: Price) -> list[str]:
    about = "about " if found.known == DERIVED else ""
    return [
        f"{deploy.instance_type}: {about}${found.usd_per_hour:,.3f} an hour for each of at most "
        f"{deploy.max_instances} instances, nothing while it has none: about ten minutes after the "
        "last photo",
        *basis([found], of_jobs=False),
    ]


def _serverless(memory_mb: int) -> list[str]:
    second = memory_mb / 1024 * SERVERLESS_USD_PER_GB_SECOND
    return [
        f"serverless, {memory_mb} MB: ${second:.5f} a second of computing, nothing while idle; "
        f"10,000 photos of 0.5 s each: {dollars(5000 * second)}; data transfer costs extra and "
        "isn't in the table",
        f"Price in us-east-1, of {SERVERLESS_DATE}, without taxes, derived from AWS's Price "
        "List API. Other regions have others.",
    ]
