"""Features of earlier extractions: used only where nobody else wrote to their folder."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.images import Image
from dogbreed.cloud.aws.photo_objects import PhotoPlan
from dogbreed.cloud.aws.s3_folder import S3Folder
from dogbreed.cloud.jobs import feature_job
from dogbreed.cloud.jobs.feature_job import _Run, extract
from dogbreed.cloud.jobs.inputs import JobInputs
from dogbreed.cloud.jobs.job import Job
from dogbreed.cloud.jobs.packages import Packages
from dogbreed.cloud.jobs.photo_inputs import PhotoInputs
from dogbreed.cloud.jobs.source import SourcePackage
from dogbreed.cloud.jobs.workload import Workload
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import TuneConfig
from dogbreed.errors import CloudError

if TYPE_CHECKING:
    import boto3
    from helpers.s3_server import S3

pytest_plugins = ("helpers.s3_server",)

OWN = "dogbreed-extract-0123456789abcdef"
PLACE = "s3://photos-of-dogs/dogbreed/checkpoints/features/0123456789abcdef"
KEY = "dogbreed/checkpoints/features/0123456789abcdef"
NOW = datetime.now(UTC)  # minutes before a test begins
HOUR = timedelta(hours=1)
WORK = Workload(
    photos=0, photo_bytes=0, weights_bytes=0, views=0, feature_bytes=0, epochs=20, trials=20,
    models=20, on_features=True,
)  # fmt: skip
INPUTS = JobInputs(
    images={
        "ml.c7i.2xlarge": Image(uri="image", end_of_patch=None, carries=frozenset(), warning=None)
    },
    packages=Packages(lines=(), names=(), wheels=None),
    source=SourcePackage(data=b"", files=(), requirements=(), sha256=""),
    source_uri="s3://photos-of-dogs/source",
    photos=PhotoInputs(
        run_name="dogs",
        folder=S3Folder("photos-of-dogs", "photos"),
        plan=PhotoPlan(photos=(), files=(), record={}),
        listing=b"",
        manifest=b"",
        digests={},
        count=0,
        size_bytes=0,
    ),
    channels={},
    settings={},
    weights=None,
    fingerprint="0123456789abcdef",
    notes=(),
    work=WORK,
    volume_gb=30,
)


def run(name: str, status: str, begun: datetime, ended: datetime | None, uri: str = PLACE) -> _Run:
    return _Run(name=name, status=status, uri=f"{uri}/", started=begun, ended=ended)


class Cloud:
    """An account whose jobs write nothing by themselves; `during` is done while one runs."""

    def __init__(self, s3: "S3", session: "boto3.Session", patch: pytest.MonkeyPatch) -> None:
        self.s3, self.runs, self.started = s3, list[_Run](), list[tuple[str, str]]()
        self.during: Callable[[], None] = lambda: None
        self.account = Account(
            session=session, region="us-east-1", id="123456789012", owner="jane",
            role_arn="arn:role", bucket="photos-of-dogs", dry=False,
        )  # fmt: skip
        patch.setattr(Account, "client", lambda *more: s3.client)
        patch.setattr(feature_job, "_runs", lambda *more: self.runs)
        patch.setattr(feature_job, "_start", self._start)
        patch.setattr(feature_job, "_wait", self._wait)

    def _start(self, account: Account, config: TuneConfig, job: Job) -> None:
        uri = str(job.checkpoints_uri)
        self.started.append((job.name, uri))
        self.runs.insert(0, run(self.started[-1][0], "InProgress", NOW, None, uri.rstrip("/")))

    def _wait(self, account: Account, config: TuneConfig, name: str) -> None:
        self.during()

    def extract(self) -> str:
        overrides = ["launcher.instance_type=ml.c7i.2xlarge"]
        return extract(self.account, compose_as(TuneConfig, "tune", overrides), INPUTS)


@pytest.fixture
def cloud(s3: "S3", aws_session: "boto3.Session", monkeypatch: pytest.MonkeyPatch) -> Cloud:
    return Cloud(s3, aws_session, monkeypatch)


def test_the_first_time_a_job_extracts_them(cloud: Cloud) -> None:
    cloud.during = lambda: cloud.s3.write(f"{KEY}/photos.json", b"{}")
    assert cloud.extract() == f"{PLACE}/"
    assert cloud.started == [(OWN, f"{PLACE}/")]


def test_what_an_earlier_job_wrote_is_used(cloud: Cloud) -> None:
    cloud.s3.write(f"{KEY}/photos.json", b"{}")
    cloud.runs = [run(OWN, "Completed", NOW - HOUR, datetime.now(UTC))]
    assert cloud.extract() == f"{PLACE}/"
    assert cloud.started == []


def test_what_a_running_job_writes_is_waited_for(cloud: Cloud) -> None:
    cloud.runs = [run(OWN, "InProgress", NOW - HOUR, None)]
    assert cloud.extract() == f"{PLACE}/"
    assert cloud.started == []


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_what_failed_is_continued_in_its_folder(status: str, cloud: Cloud) -> None:
    cloud.s3.write(f"{KEY}/stores/000/rows", b"some")
    cloud.runs = [run(OWN, status, NOW - HOUR, datetime.now(UTC))]
    assert cloud.extract() == f"{PLACE}/"
    ((name, uri),) = cloud.started
    assert name.startswith(f"{OWN}-")
    assert uri == f"{PLACE}/"


def test_features_that_were_removed_are_extracted_again(cloud: Cloud) -> None:
    cloud.runs = [run(OWN, "Completed", NOW - 2 * HOUR, NOW - HOUR)]
    cloud.extract()
    assert [uri for _, uri in cloud.started] == [f"{PLACE}/"]


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [run(OWN, "Completed", NOW - 2 * HOUR, NOW - HOUR)],
        [run(OWN, "Failed", NOW - 2 * HOUR, NOW - HOUR)],
        [run(OWN, "Completed", NOW + HOUR, NOW + 2 * HOUR)],
    ],
    ids=["no job", "after the job", "after a failed one", "before the job"],
)
def test_planted_features_are_left_alone(runs: list[_Run], cloud: Cloud) -> None:
    cloud.s3.write(f"{KEY}/photos.json", b"planted")
    cloud.s3.write(f"{KEY}.done", b"every share of these features has arrived\n")
    cloud.runs = list(runs)
    uri = cloud.extract()
    ((name, own_uri),) = cloud.started
    assert uri == own_uri != f"{PLACE}/"
    assert uri.startswith(f"{PLACE}-")
    assert name == f"{OWN}{uri.removeprefix(PLACE).rstrip('/')}"
    assert cloud.s3.read(f"{KEY}/photos.json") == b"planted"


def test_features_that_change_after_the_job_are_not_used(cloud: Cloud) -> None:
    def end() -> None:
        cloud.s3.write(f"{KEY}/photos.json", b"{}")
        cloud.runs[0] = run(OWN, "Completed", NOW - 2 * HOUR, NOW - HOUR)

    cloud.during = end
    with pytest.raises(CloudError, match=rf"{PLACE}/ was changed after {OWN} wrote it"):
        cloud.extract()
