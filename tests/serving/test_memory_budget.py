"""What photos may take while they are decoded, from control groups as containers have them."""

from pathlib import Path

import pytest

from dogbreed.serving.memory_budget import MAX_BYTES, MIN_BYTES, decoding_budget, memory_limit

GIB = 2**30
UNLIMITED = "9223372036854771712"  # as version 1 says it


def system(root: Path, groups: str, limits: dict[str, str], available_gib: float = 64) -> Path:
    """The files of a system whose memory is limited so."""
    files = {f"sys/fs/cgroup/{name}": f"{value}\n" for name, value in limits.items()}
    files["proc/self/cgroup"] = groups
    files["proc/meminfo"] = (
        f"MemTotal:       99999999 kB\nMemAvailable:   {round(available_gib * 2**20)} kB\n"
    )
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


V1 = "12:pids:/a\n4:cpu,memory:/docker/ab\n0::/\n"
LIMITS: dict[str, tuple[str, dict[str, str], float, float]] = {
    "version 2": ("0::/\n", {"memory.max": str(2 * GIB)}, 64, 2),
    "version 2, high": ("0::/\n", {"memory.max": "max", "memory.high": str(GIB)}, 64, 1),
    "version 2, nested": ("0::/pod/c\n", {"pod/c/memory.max": str(3 * GIB)}, 64, 3),
    "version 2, above it": (
        "0::/pod/c\n",
        {"pod/c/memory.max": "max", "pod/memory.max": str(GIB), "memory.max": "max"},
        64,
        1,
    ),
    "version 2, seen from inside": ("0::/../../c\n", {"memory.max": str(2 * GIB)}, 64, 2),
    "version 1": (V1, {"memory/docker/ab/memory.limit_in_bytes": str(2 * GIB)}, 64, 2),
    "version 1, seen from inside": (V1, {"memory/memory.limit_in_bytes": str(GIB)}, 64, 1),
    "version 1, no limit": (V1, {"memory/memory.limit_in_bytes": UNLIMITED}, 5, 5),
    "both versions": (
        V1 + "0::/x\n",
        {"memory/memory.limit_in_bytes": str(3 * GIB), "unified/x/memory.max": str(2 * GIB)},
        64,
        2,
    ),
    "no limit": ("0::/\n", {"memory.max": "max"}, 3, 3),
    "more than there is": ("0::/\n", {"memory.max": str(500 * GIB)}, 3, 3),
    "files of something else": ("a\n::\n\n0::/\n", {"memory.max": "", "memory.high": "?"}, 3, 3),
}


@pytest.mark.parametrize("name", LIMITS)
def test_the_limit_of_a_container_or_else_of_the_machine(name: str, tmp_path: Path) -> None:
    groups, limits, available_gib, wanted_gib = LIMITS[name]
    root = system(tmp_path, groups, limits, available_gib)
    assert memory_limit(root) == wanted_gib * GIB
    assert decoding_budget(root) == min(round(wanted_gib * GIB / 4), MAX_BYTES)


def test_a_quarter_within_bounds(tmp_path: Path) -> None:
    def budget(limit: int) -> int:
        return decoding_budget(system(tmp_path, "0::/\n", {"memory.max": str(limit)}))

    assert budget(2_000_000_000) == 500_000_000
    assert budget(100_000_000) == budget(0) == MIN_BYTES
    assert budget(50_000_000_000) == MAX_BYTES
    assert memory_limit(tmp_path / "another system") is None
    assert decoding_budget(tmp_path / "another system") == MAX_BYTES
