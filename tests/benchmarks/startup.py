"""How long a person waits before anything happens: imports and --help."""

import statistics
import sys
from pathlib import Path

from common import row, timed, title

RUNS = 7


def median_seconds(command: list[str]) -> float:
    """The median of some runs after one that warms the disk's cache."""
    return statistics.median([timed(command, Path.cwd()).seconds for _ in range(RUNS + 1)][1:])


def main() -> None:
    title("start-up")
    nothing = median_seconds([sys.executable, "-c", ""])
    imported = median_seconds([sys.executable, "-c", "import dogbreed"]) - nothing
    row(
        "import dogbreed, beyond the interpreter's own start",
        f"{imported:.3f} s",
        "<= 0.1 s",
        imported <= 0.1,
    )
    helped = median_seconds([sys.executable, "-m", "dogbreed.train", "--help"])
    row("python -m dogbreed.train --help", f"{helped:.2f} s", "<= 2 s", helped <= 2)


if __name__ == "__main__":
    main()
