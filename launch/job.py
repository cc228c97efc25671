"""Entry point of a job's container. The folder of the source is the parent of launch/."""

import sys
from collections.abc import Sequence
from pathlib import Path

# Absolute, for the further processes of a DDP training: run_job changes the working folder.
sys.argv[0] = str(Path(__file__).resolve())
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dogbreed.utils.command import run_command  # noqa: E402


def main(arguments: Sequence[str]) -> None:
    """Run the job that the hyperparameters describe."""
    from dogbreed.cloud.container.entry_point import run_job

    run_job(arguments)


if __name__ == "__main__":
    run_command(main)
