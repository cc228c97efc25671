"""A zip of photos against their folder: from the command to checked photos, and a second time.

python tests/benchmarks/archive.py PHOTOS

Both in turns, each in a process of its own with an empty cache; what follows the check is left out.
"""

import statistics
import sys
import tempfile
import zipfile
from pathlib import Path

from common import row, timed, title

PAIRS = 3
CHECK = """
import sys
from dogbreed.configuration.composing import compose
from dogbreed.training.path_check import check_paths
from dogbreed.training.run_folder import log_to_terminal
log_to_terminal()
config = compose([f"data.root={sys.argv[1]}"])
check_paths(config)
from dogbreed.training.preparation import check_photos, find_photos
check_photos(*find_photos(config))
"""


def main(root: Path) -> None:
    folder, archive, again = [], [], []
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        packed = zipped(root, place / "photos.zip")
        for pair in range(PAIRS):
            folder.append(seconds_to_check(root, place, f"folder-{pair}"))
            archive.append(seconds_to_check(packed, place, f"archive-{pair}"))
            again.append(seconds_to_check(packed, place, f"archive-{pair}", "is already extracted"))
    report(folder, archive, again)


def zipped(root: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as box:
        for path in sorted(root.rglob("*")):
            box.write(path, path.relative_to(root.parent))
    return target


def seconds_to_check(root: Path, place: Path, cache: str, line: str = "photos: ") -> float:
    """Of a command; `line` is one that it must have logged."""
    command = [sys.executable, "-c", CHECK, str(root)]
    done = timed(command, place, DOGBREED_CACHE=str(place / cache))
    if line not in done.stdout:
        sys.exit(f"not logged: {line}\n{done.stdout}")
    return done.seconds


def report(folder: list[float], archive: list[float], again: list[float]) -> None:
    title(f"From the command to checked photos, the medians of {PAIRS} pairs")
    print(f"  folder: {statistics.median(folder):.1f} s ({listed(folder)})")
    print(f"  zip: {statistics.median(archive):.1f} s ({listed(archive)})")
    for name, seconds, limit in (("zip / folder", archive, 1.3), ("a second time", again, 1.1)):
        ratios = [one / other for one, other in zip(seconds, folder, strict=True)]
        ratio = statistics.median(ratios)
        print(f"  {name}, of each pair: {', '.join(f'{each:.2f}' for each in ratios)}")
        row(name, f"{ratio:.2f} x", f"<= {limit} x", ratio <= limit)


def listed(seconds: list[float]) -> str:
    return ", ".join(f"{each:.1f}" for each in seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
