"""What runs in a job's container; nobody calls it by hand. The source's own folder is two up."""

import sys
from collections.abc import Sequence
from pathlib import Path

# From wherever further processes are started: this file moves to the platform's folder first.
sys.argv[0] = str(Path(__file__).resolve())
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dogbreed.utils.command import run_command  # noqa: E402


def main(arguments: Sequence[str]) -> None:
    """Run the job that the hyperparameters describe."""
    from dogbreed.cloud.container.entry_point import run_job

    run_job(arguments)


if __name__ == "__main__":
    run_command(main)
