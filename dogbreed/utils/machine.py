"""Which resources of the machine this process may use."""

import os


def cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_count(workers: int | str) -> int:
    """The value of a key `workers` as a number: "auto" is one per core."""
    return cores() if workers == "auto" else int(workers)
