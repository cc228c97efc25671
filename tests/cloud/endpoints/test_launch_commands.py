"""The doors of launch/ that deploy, ask and delete: help at once, mistakes in a sentence."""

import subprocess
import sys
from typing import Any

import pytest
from conftest import PROJECT

from dogbreed.configuration.deploy import DeployConfig, QueryConfig, TeardownConfig
from dogbreed.configuration.schema import keys

DOORS: dict[str, type[Any]] = {
    "deploy": DeployConfig,
    "query": QueryConfig,
    "teardown": TeardownConfig,
}
HEAVY = {"torch", "boto3", "botocore", "sagemaker", "openvino"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=PROJECT)


@pytest.mark.parametrize("door", DOORS)
def test_help_names_every_key_and_loads_nothing_heavy(door: str) -> None:
    code = (
        f"import sys; sys.argv = ['{door}.py', '--help']\n"
        f"import launch.{door} as door; door.main(['--help'])\n"
        "print(*sorted(n for n in sys.modules if '.' not in n), file=sys.stderr)"
    )
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    for name, _, sentence in keys(DOORS[door]):
        assert f"  {name}=" in done.stdout
        assert sentence in done.stdout
    assert not HEAVY & set(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("deploy.py", "endpont=dogs"), "Did you mean endpoint?"),
        (("deploy.py", "deploy=serverles"), "Did you mean serverless?"),
        (("deploy.py", "launcher.spot=true"), "There is no key launcher.spot."),
        (
            ("query.py",),
            "No photo is given: write python launch/query.py endpoint=photos photo.jpg",
        ),
        (("query.py", "topk=3", "x.jpg"), "Did you mean top_k?"),
        (("teardown.py", "endpoint=dogs", "all=true"), "give one of them"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    script, *rest = arguments
    done = run(str(PROJECT / "launch" / script), *rest)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
