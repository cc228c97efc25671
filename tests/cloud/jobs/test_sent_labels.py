"""data.labels and data.group of jobs: they split the same photos as the launcher does."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("boto3")

from conftest import draw_photo

from dogbreed.cloud.container.photo_listing import LISTING_FILE, PhotoListing, encode_listing
from dogbreed.cloud.container.photo_tree import build_photo_tree
from dogbreed.cloud.jobs.photo_inputs import PhotoInputs, plan_photo_inputs
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import TuneConfig
from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.labels import Labels
from dogbreed.data.layouts.sampling import Sampling
from dogbreed.data.layouts.splits import PhotoFolders
from dogbreed.errors import ConfigError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Photos of 20 dogs of two classes, whose names would be no folders."""
    root = tmp_path / "photos"
    rows = ["file;rasse;hund"]
    for number in range(60):
        draw_photo(root / "all" / f"{number:03}.jpg", 40 * (number % 2), number, (8, 8))
        rows.append(f"{number:03};{('a/b', '..')[number % 2]};Hündin {number % 20}")
    (root / "hunde.csv").write_text("\n".join(rows), "cp1252")
    return root


def plan(root: Path, *keys: str) -> PhotoInputs:
    account = SimpleNamespace(bucket="bucket", dry=True)
    config = compose_as(TuneConfig, "tune", [f"data.root={root}", *keys])
    return plan_photo_inputs(account, config)  # type: ignore[arg-type]


def in_job(inputs: PhotoInputs, root: Path, tmp_path: Path) -> PhotoFolders:
    """What a job reads of a launch: the objects, the listing and the hyperparameters."""
    channel, listing = tmp_path / "channel", tmp_path / "listing"
    assert inputs.labels is not None
    contents = [*((p.name, p.path.read_bytes()) for p in inputs.plan.photos)]
    contents.append((inputs.labels.listed.name, inputs.labels.data))
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents}
    keys = {f"objects/{digests[name]}": data for name, data in contents}
    for key, data in keys.items():
        (channel / key).parent.mkdir(parents=True, exist_ok=True)
        (channel / key).write_bytes(data)
    photos = [
        (name, f"objects/{digests[name]}", len(data), f"sha256:{digests[name]}")
        for name, data in contents
    ]
    sent = encode_listing(PhotoListing("", tuple(photos)))  # type: ignore[arg-type]
    listing.mkdir()
    (listing / LISTING_FILE).write_bytes(sent)
    build_photo_tree(channel, listing, hashlib.sha256(sent).hexdigest(), tmp_path / "job")
    settings = inputs.settings
    return read_folders(
        tmp_path / "job",
        labels=Labels(settings["data.labels"]),
        sampling=Sampling(group=settings.get("data.group")),
        links=True,
    )


def as_names(folders: PhotoFolders) -> list[tuple[str, str, str]]:
    return [
        (s.path.relative_to(folders.root).as_posix(), folders.classes[s.label], s.split)
        for s in folders.all_samples()
    ]


@pytest.mark.parametrize("group", ["hund", r"(\d\d)\.jpg", None])
def test_a_job_has_the_launchers_classes_splits_and_groups(
    root: Path, tmp_path: Path, group: str | None
) -> None:
    keys = ["data.labels=hunde.csv", "data.columns.label=rasse"]
    inputs = plan(root, *keys, *([f"data.group={group}"] if group else []))
    config = compose_as(TuneConfig, "tune", [f"data.root={root}", *keys])
    local = read_folders(root, labels=Labels.of(config.data), sampling=Sampling(group=group))
    job = in_job(inputs, root, tmp_path)
    assert as_names(job) == as_names(local)
    assert job.split_locally == local.split_locally
    assert sorted(job.groups.values()) == sorted(local.groups.values())
    assert inputs.count == 60
    assert b"dogbreed-labels.csv" in inputs.listing
    assert inputs.labels is not None
    assert inputs.labels.listed.key.encode() in inputs.manifest


def test_given_splits_stay_and_missing_ones_are_sampled_in_the_job(
    root: Path, tmp_path: Path
) -> None:
    rows = [f"{n:03},{'ab'[n % 2]},{'test' if n < 10 else 'train'}" for n in range(60)]
    (root / "labels.csv").write_text("\n".join(["id,class,split", *rows]), "utf-8")
    inputs = plan(root, "data.labels=labels.csv")
    local = read_folders(root, labels=Labels("labels.csv"))
    job = in_job(inputs, root, tmp_path)
    assert as_names(job) == as_names(local)
    assert job.split_locally == ("valid",)


def test_other_labels_are_another_listing(root: Path) -> None:
    keys = ("data.labels=hunde.csv", "data.columns.label=rasse")
    before = plan(root, *keys)
    text = (root / "hunde.csv").read_text("cp1252")
    (root / "hunde.csv").write_text(text.replace("000;a/b", "000;.."), "cp1252")
    assert plan(root, *keys).listing != before.listing


def test_labels_of_photos_in_s3_are_refused() -> None:
    account = SimpleNamespace(bucket="bucket", dry=False)
    config = compose_as(TuneConfig, "tune", ["data.root=s3://b/p", "data.labels=labels.csv"])
    with pytest.raises(ConfigError, match=r"data\.labels=labels\.csv: of photos that are in S3"):
        plan_photo_inputs(account, config)  # type: ignore[arg-type]
