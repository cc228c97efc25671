"""Every figure of the README, in one run on a quiet machine.

python tests/benchmarks/run_all.py PHOTOS WEIGHTS
"""

import subprocess
import sys
from pathlib import Path


def main(root: str, weights: str) -> None:
    if not Path(root).is_dir() or not Path(weights).is_file():
        sys.exit(
            "error: give a folder of photos and a weights file: make benchmarks ROOT= WEIGHTS="
        )
    here = Path(__file__).parent
    for name, arguments in {
        "installation.py": [],
        "startup.py": [],
        "runs.py": [],
        "feature_pass.py": [root, weights],
        "backbones.py": [root, weights],
        "fits.py": [root, weights],
        "store_memory.py": [],
        "whole_run.py": [root, weights],
        "precision.py": [root, weights],
        "evaluation.py": [root, weights],
        "predictor.py": [root, weights],
        "agreement.py": [root, weights],
        "search.py": [root, weights],
        "upload.py": [root],
        "archive.py": [root],
        "watching.py": [root, weights],
        "serving.py": [root, weights],
        "photo_costs.py": ["5"],
    }.items():
        subprocess.run([sys.executable, str(here / name), *arguments], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
