"""What jobs cost: the table, its dates, and the most that a plan can come to."""

import csv
import re
from dataclasses import replace

import pytest

from dogbreed.cloud.aws.images import family_of
from dogbreed.cloud.jobs.costs import Costs, Stored, Use, launch_costs
from dogbreed.cloud.jobs.durations import START_S, typical_s
from dogbreed.cloud.jobs.job import Job
from dogbreed.cloud.jobs.prices import LISTED, TABLE, Price, Prices, cost, dollars, price
from dogbreed.cloud.jobs.workload import Workload
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import TuneConfig

TRIALS = Use(
    what="train",
    jobs=20,
    types=("ml.m5.xlarge",),
    instances=1,
    max_run_s=3600,
    volume_gb=0,
    spot=False,
)
NOTHING = Stored(sent_bytes=0, written_bytes=0, writes=0, reads=0)
WORK = Workload(
    photos=6_000,
    photo_bytes=0,
    weights_bytes=0,
    views=12_000,
    feature_bytes=0,
    epochs=20,
    trials=20,
    models=20,
    on_features=True,
)


def costs_of(
    *uses: Use, stored: Stored = NOTHING, prices: Prices | None = None, work: Workload = WORK
) -> Costs:
    return launch_costs(uses, stored, work, prices)


def test_every_row_of_the_table_has_source_and_date() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["instance_type"] for row in rows}) == len(rows) > 20
    for row in rows:
        found = price(row["instance_type"])
        assert found is not None
        assert family_of(found.instance_type)
        assert found.known in ("listed", "derived")
        assert found.region in ("us-east-1", "us-west-2")
        assert re.fullmatch(r"2026-\d\d(-\d\d)?", found.date)
        assert found.source
        assert 0.05 < found.usd_per_hour / found.vcpus * 2 < 1


def test_what_is_derived_follows_the_rule_that_its_source_names() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"].startswith("1.2 x EC2 at ")]
    assert rows
    for row in rows:
        expected = 1.2 * float(row["source"].removeprefix("1.2 x EC2 at "))
        assert float(row["usd_per_hour"]) == pytest.approx(expected, abs=0.0006)
        assert row["known"] == "derived"


def test_a_trial_costs_by_the_second_and_instance() -> None:
    assert cost("ml.m5.xlarge", 1800, 4) == pytest.approx(0.46)
    assert cost("ml.m5.xlarge", 0) == 0
    assert cost("ml.unknown.xlarge", 1800) is None
    assert price("ml.unknown.xlarge") is None


def test_the_most_is_every_job_on_every_instance_for_its_longest_time() -> None:
    costs = costs_of(TRIALS)
    assert costs.total_usd == pytest.approx(20 * 0.23)
    assert costs.lines[0] == (
        "train: 20 jobs of at most 60 min on ml.m5.xlarge at $0.23 an hour: $4.60"
    )
    assert "in all at most $4.60" in costs.lines
    more = costs_of(replace(TRIALS, instances=2, max_run_s=7200))
    assert more.total_usd == pytest.approx(4 * costs.total_usd)
    both = costs_of(TRIALS, replace(TRIALS, what="features", jobs=1))
    assert both.total_usd == pytest.approx(21 * 0.23)
    assert both.lines[1].startswith("features: 1 job of at most")


def test_the_longest_time_is_the_launchers_in_seconds() -> None:
    launcher = compose_as(TuneConfig, "tune", ["launcher.max_run_minutes=90"]).launcher
    job = Job(
        name="x",
        image_uri="x",
        source_uri="x",
        output_uri="x",
        kind="train",
        hyperparameters={},
        channels={},
        checkpoints_uri=None,
        types=("ml.m5.large", "ml.m5.xlarge"),
        instance_count=2,
        volume_gb=40,
    )
    use = Use.of(job, launcher, jobs=3)
    assert (use.max_run_s, use.jobs, use.instances, use.volume_gb) == (5400, 3, 2, 40)
    assert use.types == job.types


def test_of_several_types_the_dearest_counts_by_the_prices_that_are_used() -> None:
    use = replace(TRIALS, types=("ml.m5.large", "ml.m5.xlarge"))
    assert costs_of(use).total_usd == costs_of(TRIALS).total_usd  # whatever the order
    # The one is in the table alone, the other isn't there and has a price of the region.
    use = replace(TRIALS, jobs=1, types=("ml.p4d.24xlarge", "ml.g6e.xlarge"))
    listed = Price(
        instance_type="ml.g6e.xlarge", vcpus=4, memory_gb=32, usd_per_hour=2.6, known=LISTED,
        region="us-east-1", date="2026-11-01", source="AWS's Price List API",
    )  # fmt: skip
    p4d = price("ml.p4d.24xlarge")
    assert p4d is not None
    costs = costs_of(use, prices={listed.instance_type: listed})
    assert costs.total_usd == pytest.approx(p4d.usd_per_hour)
    assert "on ml.p4d.24xlarge at " in costs.lines[0]
    dearer = replace(listed, usd_per_hour=99.0)
    assert costs_of(use, prices={listed.instance_type: dearer}).total_usd == pytest.approx(99)
    assert costs_of(use).left_out == ("ml.g6e.xlarge",)


def test_disks_cost_where_they_are_not_the_machine_s_own() -> None:
    with_disk = costs_of(replace(TRIALS, volume_gb=730))
    assert with_disk.total_usd == pytest.approx(20 * (0.23 + 0.14))
    with_local_disk = replace(TRIALS, types=("ml.g5.xlarge",), volume_gb=730)
    assert costs_of(with_local_disk).total_usd == pytest.approx(20 * 1.408)


def test_s3_costs_for_storage_and_requests() -> None:
    stored = Stored(sent_bytes=10**11, written_bytes=10**9, writes=6000, reads=120_000)
    costs = costs_of(stored=stored)
    assert costs.total_usd == pytest.approx(2.323 + 0.03 + 0.048)
    assert costs.lines[0] == (
        "S3: 100,000 MB sent and at most 1,000 MB written by jobs, stored for a month, 6,000 "
        "writes, 120,000 reads: $2.41"
    )


def test_spot_instances_count_as_on_demand() -> None:
    spot = costs_of(replace(TRIALS, spot=True))
    assert spot.total_usd == costs_of(TRIALS).total_usd
    assert "usually far less" in spot.lines[0]


def test_a_type_that_is_not_in_the_table_is_left_out_and_named() -> None:
    unknown = replace(TRIALS, types=("ml.r8i.large",))
    costs = costs_of(TRIALS, unknown)
    assert costs.left_out == ("ml.r8i.large",)
    assert costs.total_usd == pytest.approx(4.6)
    assert "no price is known" in costs.lines[1]
    assert costs.typical_usd is None
    assert "in all at most $4.60, without ml.r8i.large" in costs.lines
    assert not [line for line in costs_of(unknown).lines if "Prices" in line]


def test_the_figures_say_what_they_rest_on() -> None:
    last = costs_of(TRIALS).lines[-1]
    for part in ("us-east-1", "of 2026-09-01,", "without taxes", "dogbreed/cloud/jobs/prices.csv"):
        assert part in last
    two = [TRIALS, replace(TRIALS, types=("ml.m5.large",))]
    assert "of 2026-08-11 to 2026-09-01," in costs_of(*two).lines[-1]
    derived = costs_of(replace(TRIALS, types=("ml.c7i.xlarge",)))
    assert "at about $0.214 an hour" in derived.lines[0]


def test_a_part_of_a_cent_counts_as_one() -> None:
    assert [dollars(usd) for usd in (0, 0.001, 0.01, 4.6, 1234.561)] == [
        "$0.00",
        "$0.01",
        "$0.01",
        "$4.60",
        "$1,234.57",
    ]


def test_a_warm_pool_costs_while_it_is_idle() -> None:
    one = replace(TRIALS, jobs=1)
    warm = costs_of(replace(one, idle_s=1800))
    assert warm.total_usd == pytest.approx(1.5 * costs_of(one).total_usd)
    assert "of at most 60 min on ml.m5.xlarge, then idle for 30 min at $0.23" in warm.lines[0]


def test_typical_costs_are_of_measured_durations() -> None:
    extract, trials = (replace(TRIALS, what="extract", jobs=1), TRIALS)
    # 12,000 views at 20 a second and vCPU, half without bf16; a trial 6 s.
    passed = typical_s(WORK, "extract", "ml.m5.xlarge", vcpus=4, instances=1)
    assert passed == pytest.approx(START_S + 12_000 / (20 * 4 / 2))
    assert typical_s(WORK, "train", "ml.m5.xlarge", vcpus=4, instances=1) == START_S + 6
    fast = typical_s(WORK, "extract", "ml.c7i.xlarge", vcpus=4, instances=2)
    assert fast == pytest.approx(START_S + 12_000 / (20 * 4) / 2)
    inside = typical_s(WORK, "tune", "ml.m5.xlarge", vcpus=4, instances=1)
    assert inside == pytest.approx(passed + 20 * 6 / 2)
    costs = costs_of(extract, trials)
    expected = (passed + 20 * (START_S + 6)) * 0.23 / 3600
    assert costs.typical_usd == pytest.approx(expected)
    (line,) = (line for line in costs.lines if line.startswith("typically about $"))
    assert "20 views of photos a second and vCPU" in line
    # Never more than the maximum.
    short = costs_of(replace(extract, max_run_s=60), replace(trials, max_run_s=60))
    assert short.typical_usd == pytest.approx(short.total_usd)


def test_prices_of_the_region_replace_those_of_the_table() -> None:
    own = Price(
        instance_type="ml.m5.xlarge", vcpus=4, memory_gb=16, usd_per_hour=1.0, known=LISTED,
        region="eu-west-1", date="2026-11-01", source="AWS's Price List API",
    )  # fmt: skip
    costs = costs_of(TRIALS, prices={"ml.m5.xlarge": own})
    assert costs.total_usd == pytest.approx(20)
    assert "Prices on demand in eu-west-1, of 2026-11-01," in costs.lines[-1]
    assert "project's table" not in costs.lines[-1]
    two = (TRIALS, replace(TRIALS, types=("ml.m5.large",)))
    both = costs_of(*two, prices={own.instance_type: own})
    assert "in eu-west-1" in both.lines[-1]
    assert "project's table" in both.lines[-1]
