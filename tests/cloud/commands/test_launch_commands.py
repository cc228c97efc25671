"""The commands of launch/ as scripts: help loads nothing heavy, a mistake is one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT, SMALL, draw_folders

from dogbreed.configuration.commands import BY_NAME

SCRIPTS = [name for name, command in BY_NAME.items() if "launch/" in command.script]
HEAVY = {"torch", "boto3", "botocore", "sagemaker", "openvino"}
# The extra `aws` isn't installed: none of its packages can be imported.
WITHOUT_AWS = """
import sys
sys.modules.update(boto3=None, botocore=None, sagemaker=None)
from dogbreed.__main__ import console_script
if __name__ == "__main__":
    console_script()
"""


def run(*command: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_of_a_script_names_the_script_and_loads_nothing_heavy(name: str) -> None:
    script = BY_NAME[name].script.removeprefix("python ")
    code = (
        f"import runpy, sys; from dogbreed.utils import command; sys.argv = ['x', '--help']\n"
        "command.run_command = lambda main: main(sys.argv[1:])\n"
        f"runpy.run_path({script!r}, run_name='__main__')\n"
        "print(*sorted(n for n in sys.modules if '.' not in n), file=sys.stderr)"
    )
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    assert f"Usage: python {script} " in done.stdout
    assert not HEAVY & set(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("deploy.py", "endpont=dogs"), "Did you mean endpoint?"),
        (("deploy.py", "deploy=serverles"), "Did you mean serverless?"),
        (("deploy.py", "launcher.spot=true"), "There is no key launcher.spot."),
        (("query.py",), "No photo is given: write python launch/query.py endpoint=dogs photo.jpg"),
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


@pytest.mark.slow
def test_without_the_extra_aws_a_command_says_how_to_install_it(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(WITHOUT_AWS, "utf-8")
    photos = draw_folders(tmp_path / "photos", {"": 4})
    for arguments in (("deploy",), ("tune", f"data.root={photos}", "dry_run=true")):
        done = run(str(program), *arguments, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr == (
            "error: To work with AWS, boto3 and sagemaker must be installed: "
            "pip install 'dogbreed[aws]'.\n"
        )
    assert run(str(program), "query", "--help", cwd=tmp_path).returncode == 0


@pytest.mark.launch
def test_a_local_search_and_its_best_need_no_extra_aws(tmp_path: Path) -> None:
    photos = draw_folders(tmp_path / "photos", {"train": 12, "valid": 4, "test": 4})
    program = tmp_path / "program.py"
    program.write_text(WITHOUT_AWS, "utf-8")
    common = ("--launcher=local", f"--data.root={photos}", *SMALL)
    tuned = run(str(program), "tune", *common, "search.trials=1", "search.name=s", cwd=tmp_path)
    assert tuned.returncode == 0, tuned.stderr
    assert (tmp_path / "outputs" / "searches" / "s" / "best.yaml").is_file()
    final = run(str(program), "final", *common, cwd=tmp_path)
    assert final.returncode == 0, final.stderr
    assert "best of s" in final.stdout
    assert (tmp_path / "outputs" / "latest" / "model" / "model.json").is_file()
