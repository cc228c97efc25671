"""Where the seconds of a run went: phases, the phases within them, and what ran beside."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

SET_UP = "set-up"


@dataclass
class Clock:
    """Seconds of each phase since it was made.

    A phase within another is named after both ("features/compute") and is a part of its seconds.
    `beside` are the seconds of threads that work beside the phases, summed over the threads;
    `done` how many photos a phase has dealt with.
    """

    started: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)
    beside: dict[str, float] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of the block to `name`, below the phase that is open."""
        self._open.append(name)
        place = self.now
        start = time.monotonic()
        try:
            yield
        finally:
            self.add(place, time.monotonic() - start)
            self._open.pop()

    @property
    def now(self) -> str:
        """The innermost open phase with those around it; set-up where there is none."""
        return "/".join(self._open) or SET_UP

    def add(self, place: str, seconds: float) -> None:
        """Add seconds that were measured elsewhere."""
        self.seconds[place] = self.seconds.get(place, 0.0) + seconds

    def count(self, name: str, photos: int) -> None:
        """So many photos more were dealt with in a phase."""
        self.done[name] = self.done.get(name, 0) + photos

    @contextmanager
    def work_beside(self, name: str) -> Iterator[None]:
        """Add the time of the block, in any thread, to what ran beside."""
        start = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                spent = time.monotonic() - start
                self.beside[name] = self.beside.get(name, 0.0) + spent

    def total(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self.started

    def as_dict(self) -> dict[str, float]:
        """The phases without their parts, then the total."""
        phases = {name: spent for name, spent in self.seconds.items() if "/" not in name}
        return {name: round(s, 3) for name, s in {**phases, "total": self.total()}.items()}


def as_text(seconds: Mapping[str, float]) -> str:
    """What `Clock.as_dict` gives, for people."""
    return ", ".join(f"{name} {spent:.1f} s" for name, spent in seconds.items())
