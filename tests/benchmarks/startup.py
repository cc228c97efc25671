"""How long a person waits before anything happens: imports and --help."""

import statistics
import sys
import tempfile
from pathlib import Path

from common import row, timed, title

LAUNCH = Path(__file__).parents[2] / "launch"
RUNS = 7


def median_seconds(command: list[str], status: int = 0) -> float:
    """The median of some runs after one that warms the disk's cache."""
    return statistics.median(
        [timed(command, Path.cwd(), status).seconds for _ in range(RUNS + 1)][1:]
    )


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
    tune = [sys.executable, str(LAUNCH / "tune.py")]
    helped = median_seconds([*tune, "--help"])
    row("python launch/tune.py --help", f"{helped:.2f} s", "<= 2 s", helped <= 2)
    refused = median_seconds([sys.executable, "-m", "dogbreed.train", "data.root=/nonexistent"], 1)
    row("a missing data.root is reported", f"{refused:.2f} s", "<= 1 s", refused <= 1)
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(200):
            photo = Path(temporary, f"photos/class {number % 4}/{number}.jpg")
            photo.parent.mkdir(parents=True, exist_ok=True)
            photo.write_bytes(b"not looked into")
        places = [f"data.root={temporary}/photos", f"output_root={temporary}/outputs"]
        planned = median_seconds([*tune, "+experiment=hpo", "dry_run=true", *places])
        # Weights that are a file, and photos that all are refused: it ends with their check.
        checking = ["model.backbone=efficientnet_lite2", *places]
        began = median_seconds([sys.executable, "-m", "dogbreed.train", *checking], 1)
    row("a training, until its photos are checked", f"{began:.2f} s", "<= 4 s", began <= 4)
    row("python launch/tune.py dry_run=true", f"{planned:.2f} s", "<= 5 s", planned <= 5)


if __name__ == "__main__":
    main()
