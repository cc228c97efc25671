"""`make audit`: what it makes of the scanner's report, and of a machine without a network."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from audit import NO_NETWORK, audit
from conftest import PROJECT

HOLE = {"id": "GHSA-1", "aliases": ["CVE-1"], "fix_versions": ["13.0.0"]}


def reported(stdout: str, stderr: str = "") -> Any:
    """A scanner that prints this, whatever it is asked."""

    def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        assert "constraints.txt" in command
        assert "inference/requirements.txt" in command
        return subprocess.CompletedProcess(command, 1, stdout, stderr)

    return run


def report(*holes: dict[str, Any]) -> str:
    packages = [
        {"name": "pillow", "version": "12.3.0", "vulns": list(holes)},
        {"name": "local", "skip_reason": "not there"},
    ]
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_hole_is_named_with_the_version_that_ends_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert audit(reported(report(HOLE)), frozenset()) == 1
    out = capsys.readouterr().out
    assert "pillow 12.3.0: GHSA-1, fixed in 13.0.0\n" in out
    assert "1 known holes, 0 accepted" in out
    assert "not looked up: local\n" in out


@pytest.mark.parametrize("accepted", ["GHSA-1", "CVE-1"])
def test_what_is_accepted_is_counted_and_no_failure(accepted: str) -> None:
    assert audit(reported(report(HOLE)), frozenset({accepted})) == 0


def test_nothing_found_is_no_failure() -> None:
    assert audit(reported(report()), frozenset()) == 0


@pytest.mark.parametrize(
    "stdout",
    [
        "",
        "no JSON",
        "[]",
        '{"dependencies": null}',
        # As with an index that mirrors packages and no advisories: all are skipped, exit code 0.
        '{"dependencies": [{"name": "pillow", "skip_reason": "Dependency not found on PyPI"}]}',
    ],
)
def test_a_report_in_which_nothing_was_looked_up_never_passes(
    stdout: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(reported(stdout, "a traceback\nConnectionError: no route"), frozenset()) == 2
    err = capsys.readouterr().err
    assert err == f"{NO_NETWORK} (ConnectionError: no route).\n"


def test_without_a_network_it_says_so_in_one_sentence(tmp_path: Path) -> None:
    offline = {**os.environ, "UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "cache")}
    script = PROJECT / "tests" / "audit.py"
    done = subprocess.run(
        [sys.executable, str(script)], env=offline, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(NO_NETWORK)
