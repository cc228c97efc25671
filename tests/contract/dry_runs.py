"""Dry runs of the launchers, and what they print held against the reviewed copies in requests/.

After a wanted change RENEW_REQUESTS=1 writes the copies again; review them as the change they are.
"""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PROJECT
from helpers.in_process import run_in_process

COPIES = Path(__file__).with_name("requests")

# Every key of launcher for security.
SECURED = (
    "launcher.spot=true",
    "launcher.volume_kms_key=arn:aws:kms:eu-west-1:111122223333:key/disk",
    "launcher.output_kms_key=arn:aws:kms:eu-west-1:111122223333:key/results",
    "launcher.subnets=[subnet-0a1b2c3d]",
    "launcher.security_groups=[sg-0a1b2c3d]",
    "launcher.tags={team: kennel}",
    "launcher.region=eu-west-1",
    "launcher.role=arn:aws:iam::444455556666:role/Trainer",
    "launcher.bucket=our-bucket",
    "launcher.prefix=breeds",
)

Requests = list[tuple[str, dict[str, Any]]]


def dry_run(script: str, *arguments: str, cwd: Path) -> str:
    """What a dry run by nobody prints."""
    with pytest.MonkeyPatch.context() as nobody:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            nobody.delenv(name)
        done = run_in_process(PROJECT / "launch" / script, "dry_run=true", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert "Nothing was sent." in done.stdout
    return done.stdout


def printed(stdout: str) -> Requests:
    """The requests in what a dry run prints."""
    blocks = re.findall(r"^Would send (\w+):\n(.*?)\n\n", stdout, re.MULTILINE | re.DOTALL)
    return [(operation, yaml.safe_load(text)) for operation, text in blocks]


def assert_reviewed(name: str, requests: Requests, same_everywhere: Callable[[str], str]) -> None:
    """Hold requests against their copy; `same_everywhere` takes out what differs between runs."""
    sent: Sequence[dict[str, Any]] = [{operation: request} for operation, request in requests]
    text = same_everywhere(yaml.safe_dump(sent, sort_keys=False, width=100))
    copy = COPIES / f"{name}.yaml"
    if os.environ.get("RENEW_REQUESTS"):
        copy.write_text(text, "utf-8")
    assert text == copy.read_text("utf-8")
