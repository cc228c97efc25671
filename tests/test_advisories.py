"""Versions with known holes: none is allowed by a bound, and none is pinned.

The list is tests/advisories.toml, with sources and the day on which they were looked up.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from conftest import PROJECT
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

LIST: dict[str, Any] = tomllib.loads((PROJECT / "tests" / "advisories.toml").read_text("utf-8"))
CONSTRAINTS = PROJECT / "constraints.txt"
SERVING = sorted((PROJECT / "inference").glob("requirements*.txt"))


@dataclass(frozen=True, kw_only=True)
class Advisory:
    """A hole, and the versions that have it: any of `affected`."""

    package: str
    ids: tuple[str, ...]
    title: str
    affected: tuple[str, ...]
    source: str
    accepted: str = ""

    def has(self, version: str) -> bool:
        """Whether a version has it."""
        return any(SpecifierSet(each).contains(version, prereleases=True) for each in self.affected)

    def allowed_by(self, requirement: Requirement) -> bool:
        """Whether what a requirement allows may have it: all that isn't under its lower bound."""
        lower = [each.version for each in requirement.specifier if each.operator in (">=", "==")]
        if not lower:
            return True
        lowest = max(map(Version, lower))
        return any(_reaches(each, lowest) for each in self.affected)


def _reaches(affected: str, lowest: Version) -> bool:
    """Whether a range has a version that isn't under `lowest`."""
    ends = {each.operator: Version(each.version) for each in SpecifierSet(affected)}
    closed = [ends[operator] for operator in ("<=", "==") if operator in ends]
    return any(lowest <= end for end in closed) or ("<" in ends and lowest < ends["<"])


def _read(entry: dict[str, Any]) -> Advisory:
    ids, affected = (tuple(entry[name]) for name in ("ids", "affected"))
    return Advisory(**{**entry, "ids": ids, "affected": affected})


ADVISORIES = [_read(entry) for entry in LIST["advisory"]]


def requirements() -> Iterator[Requirement]:
    """Every direct dependency of pyproject.toml: the project's, its extras', the developers'."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    lines = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for more in (*extras.values(), *project["dependency-groups"].values()):
        lines += more
    yield from map(Requirement, lines)


def pins(text: str) -> list[Requirement]:
    """The lines of a file of requirements that aren't comments."""
    lines = [line.strip() for line in text.splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def served() -> list[Requirement]:
    """What the containers install."""
    return [each for path in SERVING for each in pins(path.read_text("utf-8"))]


def known_bad(requirement: Requirement) -> list[str]:
    """The advisories that what a requirement allows may have."""
    name = canonicalize_name(requirement.name)
    return [
        each.ids[0] for each in ADVISORIES if each.package == name and each.allowed_by(requirement)
    ]


def test_no_lower_bound_allows_a_version_with_a_known_hole() -> None:
    found = {str(each): bad for each in requirements() if (bad := known_bad(each))}
    assert found == {}


@pytest.mark.parametrize("path", [CONSTRAINTS, *SERVING], ids=lambda path: path.name)
def test_no_pinned_version_has_a_known_hole(path: Any) -> None:
    for pin in pins(path.read_text("utf-8")):
        (specifier,) = pin.specifier
        assert specifier.operator == "==", pin
        assert "*" not in specifier.version, pin
        for advisory in ADVISORIES:
            if advisory.package == canonicalize_name(pin.name) and not advisory.accepted:
                assert not advisory.has(specifier.version), (str(pin), advisory)


@pytest.mark.parametrize(
    ("line", "bad"),
    [
        ("Pillow>=11.3", "CVE-2026-112398"),
        ("pillow", "CVE-2026-112398"),
        ("pillow<14", "CVE-2026-112398"),
        ("Pillow==12.3.0", "CVE-2026-112398"),
        ("pytorch-lightning>=2.6", "CVE-2026-44484"),
        ("pytorch_lightning>=2.6.3", "CVE-2026-44484"),
        ("pytorch-lightning>=2.6.4", "CVE-2026-58659"),
        ("torch>=2.10", "CVE-2026-4538"),
        ("hydra-core>=1.3.4", "CVE-2026-106439"),
        ("sagemaker>=3.2,<4", "CVE-2026-112408"),
    ],
)
def test_a_bound_that_lets_a_hole_in_is_seen(line: str, bad: str) -> None:
    assert bad in known_bad(Requirement(line))


@pytest.mark.parametrize("line", ["Pillow>=13.0", "pytorch-lightning>=2.6.6", "Pillow==13.0.0"])
def test_a_bound_that_keeps_them_out_is_not(line: str) -> None:
    assert known_bad(Requirement(line)) == []


def test_every_direct_dependency_is_in_the_list() -> None:
    listed = LIST["without"] + LIST["left_to_audit"]
    assert len(listed) == len(set(listed))
    looked_up = {each.package for each in ADVISORIES} | set(listed)
    wanted = {canonicalize_name(each.name) for each in requirements()}
    wanted |= {canonicalize_name(each.name) for each in served()}
    assert wanted - looked_up == set()
    pinned = {canonicalize_name(each.name) for each in pins(CONSTRAINTS.read_text("utf-8"))}
    assert looked_up - wanted - pinned == set(), "no longer used"


def test_the_list_is_dated_and_says_where_each_entry_is_from() -> None:
    assert isinstance(LIST["looked_up"], date)
    listed = {*LIST["without"], *LIST["left_to_audit"]}
    assert not listed & {each.package for each in ADVISORIES}
    for advisory in ADVISORIES:
        assert advisory.source.startswith("https://"), advisory
        assert advisory.package == canonicalize_name(advisory.package)
        assert advisory.ids
        for specifier in advisory.affected:
            assert re.search(r"(<|==)", specifier), f"no end: {advisory}"
    # What is accepted is still needed: else the entry should go.
    pinned = {str(canonicalize_name(p.name)): p for p in pins(CONSTRAINTS.read_text("utf-8"))}
    for advisory in (each for each in ADVISORIES if each.accepted):
        (pin,) = pinned[advisory.package].specifier
        assert advisory.has(pin.version), advisory


def test_a_container_is_served_with_the_versions_that_were_tested() -> None:
    tested = {str(each) for each in pins(CONSTRAINTS.read_text("utf-8"))}
    assert {str(each) for each in served()} <= tested
    for path in SERVING:
        names = {each.name for each in pins(path.read_text("utf-8"))}
        assert "pillow" in names, "the container carries one with holes"
    carried = {"torch", "torchvision", "numpy", "protobuf"}
    assert not carried & {each.name for each in served()}


def test_constraints_name_versions_and_no_place() -> None:
    for line in CONSTRAINTS.read_text("utf-8").splitlines():
        assert re.fullmatch(r"[\w.-]+==[\w.+!-]+( ; .*)?", line), line
        assert "://" not in line
