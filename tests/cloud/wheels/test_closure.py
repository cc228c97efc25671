"""What a container installs: each requirement's own requirements, in the pinned versions."""

from collections.abc import Mapping, Sequence

import pytest
from conftest import PROJECT
from packaging.requirements import Requirement

from dogbreed.cloud.aws.images import ALWAYS_CARRIED, CARRIED
from dogbreed.cloud.jobs.source import job_requirements
from dogbreed.cloud.wheels.closure import Closure, Container, closure
from dogbreed.cloud.wheels.pins import Pins, read_pins
from dogbreed.cloud.wheels.resolve import list_wheels
from dogbreed.cloud.wheels.target import TRAINING, Target
from dogbreed.errors import CloudError

REQUIRES = {
    "lightning": ["torch>=2", "utilities>=0.1", "files[http]>=1", "old ; python_version < '3.12'"],
    "files": ["http>=3 ; extra == 'http'", "ssh>=1 ; extra == 'ssh'"],
    "utilities": ["files", "win>=1 ; sys_platform == 'win32'", "arm ; platform_machine == 'arm64'"],
    "http": ["lightning"],  # a circle
}
PINS: Pins = {
    "lightning": (Requirement("lightning==2.6"),),
    "utilities": (Requirement("utilities==0.15"),),
    "files": (Requirement("files==2026.9"),),
    "http": (
        Requirement("http==3.1 ; python_full_version < '3.12'"),
        Requirement("http==3.2 ; python_full_version >= '3.12'"),
    ),
    "torch": (Requirement("torch==2.15"),),
    "old": (Requirement("old==1"),),
}


def look_up(versions: Mapping[str, str]) -> Mapping[str, Sequence[Requirement]]:
    return {name: [Requirement(each) for each in REQUIRES.get(name, ())] for name in versions}


def closed(*wanted: str, carried: str = "torch", target: Target = TRAINING) -> Closure:
    container = Container(
        target=target, pins=PINS, carried=frozenset({carried}), key="launcher.install"
    )
    return closure(wanted, container, look_up)


def test_everything_is_followed_but_what_the_container_carries() -> None:
    assert closed("Lightning>=2").versions == {
        "lightning": "2.6",
        "utilities": "0.15",
        "files": "2026.9",
        "http": "3.2",
    }


def test_markers_are_those_of_the_containers_python() -> None:
    older = closed("lightning", target=Target(python="3.11", glibc_minor=28)).versions
    assert older["old"] == "1"
    assert older["http"] == "3.1"


def test_an_extra_that_comes_late_is_followed_too() -> None:
    assert "http" not in closed("files", "utilities").versions
    assert "http" in closed("utilities", "files", "files[http]").versions


def test_what_is_not_pinned_is_named_with_what_needs_it() -> None:
    with pytest.raises(
        CloudError, match=r"doesn't pin ssh \(files needs ssh>=1\): .*install=index"
    ):
        closed("files[ssh]")
    assert closed("mine==1.0").versions == {"mine": "1.0"}


def test_a_version_that_the_container_does_not_have_is_refused() -> None:
    with pytest.raises(CloudError, match=r"torch<2, and the container has another"):
        closed("torch<2")
    with pytest.raises(CloudError, match=r"files<2, and 2026.9 is pinned"):
        closed("files<2")


def test_smdebug_is_refused_before_anything_is_downloaded() -> None:
    """It needs a protobuf that the container's other packages can't work with."""
    pytest.importorskip("boto3")
    container = Container(
        target=TRAINING,
        pins=read_pins(PROJECT / "constraints.txt"),
        carried=CARRIED | ALWAYS_CARRIED,
        key="launcher.install",
    )

    def of_smdebug(versions: Mapping[str, str]) -> Mapping[str, Sequence[Requirement]]:
        return {n: [Requirement("protobuf<=3.20.3")] * (n == "smdebug") for n in versions}

    with pytest.raises(CloudError, match=r"smdebug needs protobuf<=3.20.3, and the container"):
        closure(["smdebug==1.0.34"], container, of_smdebug)


def test_a_dry_run_lists_all_that_a_job_installs_from_what_is_installed_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("DOGBREED_CACHE", str(tmp_path))
    carried = CARRIED | ALWAYS_CARRIED
    container = Container(
        target=TRAINING,
        pins=read_pins(PROJECT / "constraints.txt"),
        carried=carried,
        key="launcher.install",
    )
    found = list_wheels(job_requirements(PROJECT, carried), container)
    assert found.wheels is None
    assert {"pytorch-lightning", "fsspec", "aiohttp", "mako", "pillow"} <= found.versions.keys()
    assert not carried & found.versions.keys()
    assert not [name for name in found.versions if name.startswith(("nvidia-cu", "triton"))]
