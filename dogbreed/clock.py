"""Where the seconds of a run went."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Seconds of each phase, and of all since it was made."""

    started: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of the block to `name`."""
        start = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start

    def as_dict(self) -> dict[str, float]:
        """The phases, then the total."""
        total = time.monotonic() - self.started
        return {name: round(s, 3) for name, s in {**self.seconds, "total": total}.items()}


def as_text(seconds: Mapping[str, float]) -> str:
    """What `Clock.as_dict` gives, for people."""
    return ", ".join(f"{name} {spent:.1f} s" for name, spent in seconds.items())
