"""The Python of a container: what pip and the markers of requirements need to know about it."""

from dataclasses import dataclass

from packaging.markers import Marker
from packaging.requirements import Requirement

MACHINE = "x86_64"
# Names of glibc 2.5, 2.12 and 2.17 before PEP 600.
_LEGACY = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}


@dataclass(frozen=True, kw_only=True)
class Target:
    """CPython of version `python` such as "3.12", on Linux x86_64 with glibc 2.`glibc_minor`."""

    python: str
    glibc_minor: int

    @property
    def label(self) -> str:
        """A name for files and messages."""
        return f"cp{self.python.replace('.', '')}-manylinux_2_{self.glibc_minor}_{MACHINE}"

    def pip_options(self) -> list[str]:
        """The options of `pip download` that select wheels for it."""
        options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={self.python}"]
        for minor in range(self.glibc_minor, min(_LEGACY) - 1, -1):
            options.append(f"--platform=manylinux_2_{minor}_{MACHINE}")
            if minor in _LEGACY:
                options.append(f"--platform={_LEGACY[minor]}_{MACHINE}")
        return [*options, f"--platform=linux_{MACHINE}"]

    def needs(self, requirement: Requirement, extras: frozenset[str] = frozenset()) -> bool:
        """Whether a requirement's marker applies; `extras` are those of the package that has it."""
        marker = requirement.marker
        return marker is None or any(self._holds(marker, extra) for extra in ("", *extras))

    def _holds(self, marker: Marker, extra: str) -> bool:
        return marker.evaluate(
            {
                "implementation_name": "cpython",
                "implementation_version": f"{self.python}.0",
                "os_name": "posix",
                "platform_machine": MACHINE,
                "platform_python_implementation": "CPython",
                "platform_release": "",
                "platform_system": "Linux",
                "platform_version": "",
                "python_full_version": f"{self.python}.0",
                "python_version": self.python,
                "sys_platform": "linux",
                "extra": extra,
            }
        )


# Of all PyTorch training containers in images.py, and of their Amazon Linux 2023. Source: aws/
# deep-learning-containers, docker/pytorch/Dockerfile.cpu.
TRAINING = Target(python="3.12", glibc_minor=34)
