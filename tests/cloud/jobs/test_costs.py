"""What jobs cost: the table, its dates, and the most that a plan can come to."""

import csv
import re
from dataclasses import replace

import pytest

from dogbreed.cloud.aws.images import family_of
from dogbreed.cloud.jobs.costs import TABLE, Use, cost, dollars, max_cost, price
from dogbreed.cloud.jobs.job import Job
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import TuneConfig

TRIALS = Use(
    what="trials",
    jobs=20,
    instance_type="ml.m5.xlarge",
    instances=1,
    max_run_s=3600,
    volume_gb=0,
    spot=False,
)
NOTHING = {"stored_bytes": 0, "writes": 0, "reads": 0}


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
    costs = max_cost([TRIALS], **NOTHING)
    assert costs.total_usd == pytest.approx(20 * 0.23)
    assert costs.lines[0] == (
        "trials: 20 jobs of at most 60 min on ml.m5.xlarge at $0.23 an hour: $4.60"
    )
    assert "in all at most $4.60" in costs.lines
    more = max_cost([replace(TRIALS, instances=2, max_run_s=7200)], **NOTHING)
    assert more.total_usd == pytest.approx(4 * costs.total_usd)
    both = max_cost([TRIALS, replace(TRIALS, what="features", jobs=1)], **NOTHING)
    assert both.total_usd == pytest.approx(21 * 0.23)
    assert both.lines[1].startswith("features: 1 job of at most")


def test_the_longest_time_is_the_launchers_in_seconds() -> None:
    launcher = compose_as(TuneConfig, "tune", ["launcher.max_run_minutes=90"]).launcher
    job = Job(
        **dict.fromkeys(("name", "image_uri", "source_uri", "output_uri"), "x"),
        kind="train",
        hyperparameters={},
        channels={},
        checkpoints_uri=None,
        instance_type="ml.m5.xlarge",
        instance_count=2,
    )
    use = Use.of(job, launcher, jobs=3)
    assert (use.max_run_s, use.jobs, use.instances) == (5400, 3, 2)
    assert cost(use.instance_type, use.max_run_s) == pytest.approx(1.5 * 0.23)


def test_disks_cost_where_they_are_not_the_machine_s_own() -> None:
    with_disk = max_cost([replace(TRIALS, volume_gb=730)], **NOTHING)
    assert with_disk.total_usd == pytest.approx(20 * (0.23 + 0.14))
    with_local_disk = replace(TRIALS, instance_type="ml.g5.xlarge", volume_gb=730)
    assert max_cost([with_local_disk], **NOTHING).total_usd == pytest.approx(20 * 1.408)


def test_s3_costs_for_storage_and_requests() -> None:
    costs = max_cost([], stored_bytes=100 * 10**9, writes=6000, reads=120_000)
    assert costs.total_usd == pytest.approx(2.3 + 0.03 + 0.048)
    assert costs.lines[0] == (
        "S3: 100,000 MB stored for a month, 6,000 writes, 120,000 reads: $2.38"
    )


def test_spot_instances_count_as_on_demand() -> None:
    spot = max_cost([replace(TRIALS, spot=True)], **NOTHING)
    assert spot.total_usd == max_cost([TRIALS], **NOTHING).total_usd
    assert "usually far less" in spot.lines[0]


def test_a_type_that_is_not_in_the_table_is_left_out_and_named() -> None:
    unknown = replace(TRIALS, instance_type="ml.r8i.large")
    costs = max_cost([TRIALS, unknown], **NOTHING)
    assert costs.left_out == ("ml.r8i.large",)
    assert costs.total_usd == pytest.approx(4.6)
    assert "not in the table" in costs.lines[1]
    assert "in all at most $4.60, without ml.r8i.large" in costs.lines
    assert not [line for line in max_cost([unknown], **NOTHING).lines if "Prices" in line]


def test_the_figures_say_what_they_rest_on() -> None:
    last = max_cost([TRIALS], **NOTHING).lines[-1]
    for part in ("us-east-1", "of 2026-09-01,", "without taxes", "dogbreed/cloud/jobs/prices.csv"):
        assert part in last
    two = [TRIALS, replace(TRIALS, instance_type="ml.m5.large")]
    assert "of 2026-08-11 to 2026-09-01," in max_cost(two, **NOTHING).lines[-1]
    derived = max_cost([replace(TRIALS, instance_type="ml.c7i.xlarge")], **NOTHING)
    assert "at about $0.214 an hour" in derived.lines[0]


def test_a_part_of_a_cent_counts_as_one() -> None:
    assert [dollars(usd) for usd in (0, 0.001, 0.01, 4.6, 1234.561)] == [
        "$0.00",
        "$0.01",
        "$0.01",
        "$4.60",
        "$1,234.57",
    ]
