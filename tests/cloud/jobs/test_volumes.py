"""The disks of jobs: computed from what a launch reads and writes, or refused with figures."""

from dataclasses import replace

import pytest

pytest.importorskip("boto3")

from contract.resources import _disks

from dogbreed.cloud.aws.images import TRAINING_TYPES
from dogbreed.cloud.aws.service_model import choices_of
from dogbreed.cloud.jobs.volumes import (
    MARGIN,
    disk_gb,
    has_local_disk,
    needed_bytes,
    volume_for,
    volume_notes,
)
from dogbreed.cloud.jobs.workload import MODEL_BYTES, Workload, workload_of
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import FinalConfig, TuneConfig
from dogbreed.errors import ConfigError

EBS, LOCAL = "ml.c7i.2xlarge", "ml.g4dn.xlarge"  # the latter has 125 GB


def work(*overrides: str, photos: int = 6_000, photo_gb: float = 1.0) -> Workload:
    config = compose_as(TuneConfig, "tune", overrides)
    return workload_of(config, photos=photos, photo_bytes=round(photo_gb * 1e9))


def test_few_photos_have_the_smallest_disk_and_many_a_larger_one() -> None:
    assert volume_for("auto", work(), [EBS]) == 30
    large = work(photo_gb=100)
    assert volume_for("auto", large, [EBS]) == pytest.approx(MARGIN * 105.4, abs=2)
    assert volume_for(106, large, [EBS]) == 106


@pytest.mark.parametrize(
    ("volume_gb", "types", "sentence"),
    [
        (100, [EBS], r"volume_gb=100: the jobs need 106 GB .*photos 100\.0 GB.*at least 106"),
        ("auto", [EBS, "ml.r5d.large"], r"ml\.r5d\.large has 75 GB.*need 106 "),
        (126, [LOCAL], r"volume_gb=126: ml\.g4dn\.xlarge has a local disk of 125 GB"),
    ],
)
def test_too_small_or_impossible_disks_are_refused(
    volume_gb: int | str, types: list[str], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        volume_for(volume_gb, work(photo_gb=100), types)


def test_more_than_any_disk_has_is_refused() -> None:
    with pytest.raises(ConfigError, match="at most 16,384: train on fewer photos"):
        volume_for("auto", work(photo_gb=17_000), [EBS])


def test_a_local_disk_counts_and_not_the_number() -> None:
    assert volume_for("auto", work(photo_gb=110), [EBS, LOCAL]) == 125
    assert volume_for(30, work(photo_gb=110), [LOCAL]) == 30  # the disk has its size anyway


def test_the_features_before_the_last_stage_need_more_than_pooled_ones() -> None:
    pooled, maps = work(), work("model.trainable=last_stage")
    assert maps.feature_bytes > 50 * pooled.feature_bytes > 0
    # ResNet-50 in two views of float16: the bound is above what it gives.
    assert pooled.feature_bytes >= 6_000 * 2 * 2_048 * 2
    assert maps.feature_bytes >= 6_000 * 2 * 200_704 * 2
    assert work("features.dtype=float32").feature_bytes == 2 * pooled.feature_bytes
    assert work("data.fraction=0.5").feature_bytes == pooled.feature_bytes / 2
    for without in ("model.trainable=all", "features.store=false"):
        assert work(without).feature_bytes == 0
    assert needed_bytes(maps) > needed_bytes(pooled)


def test_what_jobs_write() -> None:
    many = work("search.trials=3")
    assert many.written_bytes == many.feature_bytes > 0  # trials write no model
    assert work("search.trials=3", "search.input=photos").written_bytes == 0
    assert work("search.jobs=one").written_bytes == 0
    final = workload_of(compose_as(FinalConfig, "final", []), photos=10, photo_bytes=10)
    assert final.written_bytes == MODEL_BYTES


def test_the_table_of_local_disks_is_complete() -> None:
    for each in choices_of("sagemaker", TRAINING_TYPES):
        if not each.startswith("ml.trn"):
            assert disk_gb(each) == _disks().get(each.removeprefix("ml.")), each
    assert has_local_disk("ml.g5.xlarge")
    assert not has_local_disk(EBS)


def test_a_local_disk_of_unknown_size_is_noted() -> None:
    notes = volume_notes(work(), [EBS, "ml.g5.96xlarge", LOCAL])
    assert notes == ["the size of the local disk of ml.g5.96xlarge isn't known here: the jobs need "
                     "7 GB"]  # fmt: skip
    assert volume_for("auto", replace(work(), photo_bytes=0), ["ml.g5.96xlarge"]) == 30
