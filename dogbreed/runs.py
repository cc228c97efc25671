"""`python -m dogbreed.runs`: the runs in the folder of all runs, as a table."""

import sys
from collections.abc import Sequence
from pathlib import Path

from dogbreed.configuration.commands import typed
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.help import print_requested_help
from dogbreed.configuration.run import RunsConfig
from dogbreed.report.run_table import BEST_MARK, LATEST_MARK, run_table
from dogbreed.run_records.best import best_run
from dogbreed.run_records.listing import INDEX_FILE, latest_name, list_runs
from dogbreed.utils.command import run_command
from dogbreed.utils.screen import size_of
from dogbreed.utils.terminal import print_lines


def main(arguments: Sequence[str]) -> None:
    """Print the table of the runs, the newest last, or the help."""
    if print_requested_help("runs", arguments):
        return
    root = Path(compose_as(RunsConfig, "runs", arguments).output_root)
    runs, latest = list_runs(root), latest_name(root)
    if not runs:
        print_lines(f"No run in {root} yet. For a first look: {typed('train')}")
        return
    best, count = best_run(runs, latest)
    width = size_of(sys.stdout).columns if sys.stdout.isatty() else None
    print_lines(*run_table(runs, latest, best.name if best else None, width))
    if width is not None:
        print_lines("", *_legend(root, count))


def _legend(root: Path, count: int) -> list[str]:
    """What the marks mean, and where runs are compared."""
    lines = []
    if count:
        lines = [
            f"{LATEST_MARK} {root / 'latest'}",
            f"{BEST_MARK} {root / 'best'}: the best validation top-1 of the {count:,} with the "
            "classes of latest",
        ]
    if (root / INDEX_FILE).is_file():
        lines.append(f"Two runs side by side: {root / INDEX_FILE}")
    return lines


if __name__ == "__main__":
    run_command(main)
