"""What runs in a job's container; nobody calls it by hand. The source's own folder is two up."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from dogbreed import cli


def main(arguments: Sequence[str]) -> None:
    """Run the job that the hyperparameters describe."""
    from dogbreed.cloud.inside import run_job

    run_job(arguments)


if __name__ == "__main__":
    cli.run_command(main)
