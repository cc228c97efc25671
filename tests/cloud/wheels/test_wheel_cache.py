"""Wheels for a container, downloaded by the real pip from a folder, and the cache of them."""

import importlib.metadata
import logging
from pathlib import Path
from unittest.mock import Mock

import pytest
from helpers.made_wheels import make_source, make_wheel

from dogbreed.cloud.wheels import pip
from dogbreed.cloud.wheels.closure import Container
from dogbreed.cloud.wheels.resolve import list_wheels, resolve_wheels
from dogbreed.cloud.wheels.target import TRAINING
from dogbreed.cloud.wheels.wheel_files import WheelSet
from dogbreed.errors import CloudError

CONTAINER = Container(
    target=TRAINING, pins={}, carried=frozenset({"torch"}), key="launcher.install"
)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip finds packages in; nothing else."""
    monkeypatch.setenv("DOGBREED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    folder = tmp_path / "index"
    make_wheel(folder, "part", tag="cp312-cp312-manylinux_2_28_x86_64")
    make_wheel(folder, "part", tag="cp311-cp311-manylinux_2_28_x86_64")
    make_wheel(folder, "probe", requires=["part==1.0", "torch>=2"])
    return folder


def resolved(wanted: str = "probe==1.0") -> WheelSet:
    return resolve_wheels([wanted], CONTAINER)


def test_wheels_for_the_containers_python_are_downloaded_once(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list_wheels(["probe==1.0"], CONTAINER).names == ["probe==1.0"]
    found = resolved()
    assert found.names == ["part==1.0", "probe==1.0"]
    assert found.wheels is not None
    assert found.wheels[0].file.name == "part-1.0-cp312-cp312-manylinux_2_28_x86_64.whl"
    assert all("--hash=sha256:" in line for line in found.requirements())

    def no_pip(*arguments: object) -> None:
        raise AssertionError("pip was started")

    monkeypatch.setattr(pip, "_pip", no_pip)
    assert resolved() == found == list_wheels(["probe==1.0"], CONTAINER)


def test_a_wheel_that_was_changed_in_the_cache_is_downloaded_again(
    index: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = resolved()
    assert before.wheels is not None
    before.wheels[1].file.write_bytes(make_wheel(index / "x", "probe", code="evil").read_bytes())
    with caplog.at_level(logging.WARNING):
        assert resolved() == before
    assert "was changed since its download" in caplog.text
    before.wheels[1].file.with_name("probe-1.0.json").write_text("{")
    assert resolved() == before


def test_a_package_without_a_wheel_is_named(index: Path) -> None:
    make_source(index, "compiled")
    with pytest.raises(CloudError) as error:
        resolved("compiled==1.0")
    assert str(error.value) == (
        "launcher.install=wheels: compiled==1.0 has no wheel for the container's Python (3.12, "
        "Linux, x86_64): pin a version that has one in constraints.txt, or set "
        "launcher.install=index, which builds it in the container, or launcher.install=none with "
        "an image that has it."
    )
    make_wheel(index, "other", tag="cp313-cp313-manylinux_2_28_x86_64")
    with pytest.raises(CloudError, match=r"other==1\.0 has no wheel"):
        resolved("other==1.0")


def test_without_a_network_there_is_a_message(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(CloudError, match=r"far==1\.0 can't be downloaded.*can't be reached"):
        resolved("far==1.0")


def test_without_pip_there_is_a_message(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "importlib.metadata.version", Mock(side_effect=importlib.metadata.PackageNotFoundError)
    )
    with pytest.raises(CloudError, match=r"needs pip.*ensurepip"):
        resolved()
