"""`make audit`: pip-audit over everything that is pinned, against the OSV database.

pip-audit runs in an environment of its own, which uv makes. Exit codes: 0 nothing was found, 1
something was, 2 nothing could be looked up.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
PINNED = ("constraints.txt", "inference/requirements.txt", "inference/requirements-timm.txt")
# Of constraints.txt the lines for this machine's system and Python alone.
SCANNER = (
    *("-m", "uv", "tool", "run", "--from", "pip-audit==2.10.1", "pip-audit"),
    *("--vulnerability-service", "osv", "--no-deps", "--disable-pip", "--format", "json"),
    *("--progress-spinner", "off"),
)
NO_NETWORK = "make audit: no network, or no OSV database behind it: nothing was looked up"

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """The command in the project's folder, what it writes kept."""
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)


def audit(run: Run, accepted: frozenset[str]) -> int:
    """Print what was found and wasn't accepted; the exit code."""
    requirements = [argument for path in PINNED for argument in ("--requirement", path)]
    done = run([sys.executable, *SCANNER, *requirements])
    found = _read(done.stdout)
    if found is None:
        reason = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        print(f"{NO_NETWORK} ({reason[:200]}).", file=sys.stderr)
        return 2
    holes = [(package, hole) for package in found for hole in package.get("vulns", ())]
    left = [each for each in holes if not accepted & {each[1]["id"], *each[1].get("aliases", ())}]
    for package, hole in left:
        fixed = ", ".join(hole.get("fix_versions", ())) or "no version yet"
        print(f"{package['name']} {package['version']}: {hole['id']}, fixed in {fixed}")
    skipped = [package["name"] for package in found if "vulns" not in package]
    if skipped:
        print(f"not looked up: {', '.join(skipped)}")
    print(f"{len(found)} packages, {len(left)} known holes, {len(holes) - len(left)} accepted")
    return 1 if left else 0


def _read(stdout: str) -> list[dict[str, Any]] | None:
    """The packages of a report; None if there is none, or one in which nothing was looked up."""
    try:
        packages = list(json.loads(stdout)["dependencies"])
        looked_up = any("vulns" in package for package in packages)
    except (ValueError, KeyError, TypeError):
        return None
    return packages if looked_up else None


def accepted_ids() -> frozenset[str]:
    """What tests/advisories.toml accepts, with its reasons."""
    listed = tomllib.loads((PROJECT / "tests" / "advisories.toml").read_text("utf-8"))["advisory"]
    return frozenset(name for each in listed if "accepted" in each for name in each["ids"])


if __name__ == "__main__":
    sys.exit(audit(run, accepted_ids()))
