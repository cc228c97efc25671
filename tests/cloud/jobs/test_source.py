"""The source of a job: what git tracks, always the same bytes, and what has to be installed."""

import io
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from conftest import PROJECT
from packaging.requirements import Requirement

from dogbreed.cloud.aws import images
from dogbreed.cloud.jobs.packages import NEEDS_EXTRA
from dogbreed.cloud.jobs.source import SourcePackage, job_requirements, pack_source
from dogbreed.errors import CloudError

PYPROJECT = """
[project]
name = "dogbreed"
dependencies = [
  "torch>=2.10", "Scikit_Learn>=1.6", "numpy", "rich>=13.9,<15", "optuna>=5.0",
]
[project.optional-dependencies]
hook = ["smdebug==1.0.34", "numpy>=2.0", "optuna>=5.0"]
new = ["unheard-of>=1"]
"""
CONSTRAINTS = """\
numpy==2.4.6
optuna==5.0.0
rich==14.3.3 ; python_full_version < '3.12'
rich==14.3.4 ; python_full_version >= '3.12'
torch==2.15.0
"""
FILES = {
    "dogbreed/train.py": "print('train')\n",
    "dogbreed/evaluation/report.css": "p {}\n",
    "conf/train.yaml": "a: 1\n",
    "launch/job.py": "print('job')\n",
    "tests/test_train.py": "assert True\n",
    "README.md": "read me\n",
    "pyproject.toml": PYPROJECT,
    "constraints.txt": CONSTRAINTS,
}
PACKED = [
    "conf/train.yaml",
    "dogbreed/evaluation/report.css",
    "dogbreed/train.py",
    "launch/job.py",
]
CARRIED = frozenset({"torch", "scikit-learn", "numpy"})


def git(checkout: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=checkout, check=True, capture_output=True)


def make_checkout(checkout: Path) -> Path:
    for name, text in FILES.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(text, "utf-8")
    git(checkout, "init")
    git(checkout, "add", ".")
    return checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "one").mkdir()
    return make_checkout(tmp_path / "one")


def unpacked(package: SourcePackage) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(package.data), mode="r:gz") as tape:
        contents = {}
        for name in tape.getnames():
            file = tape.extractfile(name)
            assert file is not None
            contents[name] = file.read().decode()
        return contents


def test_what_git_tracks_is_packed_as_it_is_on_the_disk(checkout: Path) -> None:
    (checkout / "dogbreed/train.py").write_text("changed\n", "utf-8")
    (checkout / "dogbreed/new.py").write_text("not added\n", "utf-8")
    (checkout / "conf/train.yaml").unlink()
    contents = unpacked(pack_source(checkout))
    assert sorted(contents) == [name for name in PACKED if name != "conf/train.yaml"]
    assert contents["dogbreed/train.py"] == "changed\n"


def test_sizes_are_those_of_the_files(checkout: Path) -> None:
    package = pack_source(checkout)
    assert [name for name, _ in package.files] == PACKED
    assert dict(package.files) == {name: len(text) for name, text in unpacked(package).items()}


def test_names_of_any_language_are_packed(checkout: Path) -> None:
    (checkout / "conf/größe 1.yaml").write_text("b: 2\n", "utf-8")
    git(checkout, "add", ".")
    assert unpacked(pack_source(checkout))["conf/größe 1.yaml"] == "b: 2\n"


def test_the_same_source_gives_the_same_bytes(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    other = make_checkout(tmp_path / "two")
    (other / "launch/job.py").chmod(0o755)
    os.utime(other / "launch/job.py", (1, 1))
    one, two = pack_source(checkout), pack_source(other)
    assert one.data == two.data
    assert one.sha256 == two.sha256
    (other / "launch/job.py").write_text("print('other')\n", "utf-8")
    assert pack_source(other).sha256 != one.sha256


RICH = (
    'rich==14.3.3 ; python_full_version < "3.12"',
    'rich==14.3.4 ; python_full_version >= "3.12"',
)


def test_only_what_the_container_has_not_is_installed_as_it_is_pinned(checkout: Path) -> None:
    lines = job_requirements(checkout, CARRIED)
    assert lines == (*RICH, "optuna==5.0.0")
    package = pack_source(checkout, lines)
    assert package.requirements == lines
    assert unpacked(package)["requirements.txt"] == "\n".join((*RICH, "optuna==5.0.0", ""))


def test_an_extra_that_the_job_needs_is_installed_too(checkout: Path) -> None:
    assert job_requirements(checkout, CARRIED, ["hook"]) == (
        *RICH,
        "optuna==5.0.0",
        "smdebug==1.0.34",
    )
    for extra in NEEDS_EXTRA.values():
        names = {
            re.split(r"[^\w-]", each)[0] for each in job_requirements(PROJECT, CARRIED, [extra])
        }
        assert extra in names
        assert not names & {"torch", "numpy", "protobuf"}


def test_every_job_installs_exact_versions_and_a_pillow_of_its_own() -> None:
    carried = images.CARRIED | images.ALWAYS_CARRIED
    for image in (carried, images.ALWAYS_CARRIED):
        extras = [*NEEDS_EXTRA.values(), "mlflow", "sagemaker-mlflow", "wandb"]
        requirements = job_requirements(PROJECT, image, extras)
        for line in requirements:
            (specifier,) = Requirement(line).specifier
            assert specifier.operator == "=="
            assert "*" not in specifier.version
        names = {Requirement(line).name for line in requirements}
        assert {"pillow", "pytorch-lightning"} <= names
        assert not names & images.ALWAYS_CARRIED


def test_what_is_not_pinned_is_not_sent(checkout: Path) -> None:
    with pytest.raises(CloudError, match=r"doesn't pin unheard-of>=1, which the job installs"):
        job_requirements(checkout, CARRIED, ["new"])
    (checkout / "constraints.txt").unlink()
    with pytest.raises(CloudError, match=r"There is no .*constraints\.txt.*restore it"):
        job_requirements(checkout, CARRIED)


def test_a_folder_that_is_no_checkout_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(CloudError, match=r"not a git repository.*clone the project"):
        pack_source(tmp_path)


def test_a_checkout_of_something_else_is_refused(checkout: Path) -> None:
    git(checkout, "rm", "--cached", "launch/job.py")
    with pytest.raises(CloudError, match=r"no launch/job\.py that git tracks.*clone the project"):
        pack_source(checkout)


def test_without_git_there_is_a_message(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    with pytest.raises(CloudError, match="git isn't installed"):
        pack_source(checkout)
