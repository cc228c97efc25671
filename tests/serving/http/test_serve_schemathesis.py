"""The local endpoint against its own OpenAPI: what it allows is answered, what not is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import photo_formats
from helpers.local_server import PATIENCE_S, photo, serving

pytestmark = pytest.mark.servers

EXAMPLES = 300
ARGUMENTS = (
    "--mode=all",
    "--checks=all",
    "--seed=6",
    f"--max-examples={EXAMPLES}",
    f"--request-timeout={PATIENCE_S}",
    "--no-color",
)
# What must be refused may be refused by 413 too, which Schemathesis doesn't count by itself.
SETTINGS = """
[checks.negative_data_rejection]
expected-statuses = ["4xx"]
"""


def test_schemathesis_finds_nothing(tiny_model: Path, tmp_path: Path) -> None:
    folder = str(Path(photo_formats.__file__).parents[1])
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    with serving(tiny_model, "threads=1") as server:
        # What explains is loaded now, not while the first request that wants it waits.
        assert server.send(photo(), "/invocations?explain=true").status == 200
        page = f"http://127.0.0.1:{server.port}/openapi.json"
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", page, *ARGUMENTS],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": folder, "SCHEMATHESIS_HOOKS": photo_formats.__name__},
            timeout=10 * PATIENCE_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "2 selected / 2 total" in done.stdout
        assert "No issues found" in done.stdout
        figures = server.metrics()
    # Both kinds were sent, or the result would mean little.
    assert figures["dogbreed_requests_total 200"] > EXAMPLES / 10
    assert figures["dogbreed_requests_total 400"] > EXAMPLES / 10
    assert not [name for name in figures if name.endswith((" 429", " 500", " 503"))]
