"""What `make train` and `make test` install: packages, megabytes and seconds, in fresh clones.

python tests/benchmarks/installation.py [ROUNDS]

The last commit is cloned for each round, and the last round is reported: the ones before it fill
the cache of packages. Without a round before it the cache is as it was.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from common import row, timed, title

PROJECT = Path(__file__).parents[2]
MAX_SECONDS, MAX_PACKAGES = 75, 90
TRAIN = "trainer.epochs=2 model.weights=none"


@dataclass(frozen=True)
class Environment:
    """What is in .venv after a command, and the seconds of the command."""

    packages: frozenset[str]
    megabytes: float
    seconds: float


def make(clone: Path, *arguments: str) -> Environment:
    """Run make in a clone, as somebody would whose shell has no environment activated."""
    own = Path(sys.prefix, "bin")
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if Path(p) != own)
    python = getattr(sys, "_base_executable", sys.executable)
    done = timed(["make", f"PYTHON={python}", *arguments], clone, PATH=path)
    print(f"  {done.stdout.strip().splitlines()[-1]}", flush=True)
    files = [Path(at, name) for at, _, names in os.walk(clone / ".venv") for name in names]
    packages = (clone / ".venv").glob("lib/python*/site-packages/*.dist-info")
    return Environment(
        packages=frozenset(folder.stem for folder in packages),
        megabytes=sum(file.lstat().st_size for file in files) / 1e6,
        seconds=done.seconds,
    )


def one_round() -> tuple[Environment, Environment, Environment, Environment]:
    """Of one clone: the core, the first training, the developers' packages, the core once more."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", PROJECT, clone], check=True)
        core = make(clone, ".venv/.ready")
        trained = make(clone, "train", f"ARGS={TRAIN}")
        dev = make(clone, ".venv/.ready-dev")
        return core, trained, dev, make(clone, ".venv/.ready")


def main(rounds: int) -> None:
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        core, trained, dev, again = one_round()
    title("installation, packages in the cache")
    seconds, count = core.seconds, len(core.packages)
    row("make train: seconds", f"{seconds:.0f} s", f"<= {MAX_SECONDS} s", seconds <= MAX_SECONDS)
    row("make train: packages", f"{count}", f"<= {MAX_PACKAGES}", count <= MAX_PACKAGES)
    row("make train: size", f"{core.megabytes:,.0f} MB", "", True)
    row("the first training after it, 2 epochs of samples", f"{trained.seconds:.0f} s", "", True)
    is_kept = core.packages <= dev.packages
    row("make test: packages, of which none is replaced", f"{len(dev.packages)}", "", is_kept)
    row("make test: seconds after make train", f"{dev.seconds:.0f} s", "", True)
    row("make test: size", f"{dev.megabytes:,.0f} MB", "", True)
    is_same = dev.packages == again.packages and again.seconds <= 1
    row("make train after make test: seconds", f"{again.seconds:.1f} s", "<= 1 s", is_same)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
