"""How long each phase of a run took, nested phases, and background threads."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

SET_UP = "set-up"


@dataclass
class Clock:
    """Seconds of each phase since the clock was created.

    A nested phase is named after both ("features/compute"); its seconds are part of the outer's.
    `background` are the seconds of work in other threads, summed over the threads; `done` is the
    number of photos that a phase has processed.
    """

    started: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)
    background: dict[str, float] = field(default_factory=dict)
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
        """The innermost open phase with the outer ones before it; set-up if no phase is open."""
        return "/".join(self._open) or SET_UP

    def add(self, place: str, seconds: float) -> None:
        """Add seconds that were measured elsewhere."""
        self.seconds[place] = self.seconds.get(place, 0.0) + seconds

    def count(self, name: str, photos: int) -> None:
        """Add `photos` to the number that a phase has processed."""
        self.done[name] = self.done.get(name, 0) + photos

    @contextmanager
    def background_work(self, name: str) -> Iterator[None]:
        """Add the time of the block, in any thread, to the background work `name`."""
        start = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                spent = time.monotonic() - start
                self.background[name] = self.background.get(name, 0.0) + spent

    def total(self) -> float:
        """Seconds since the clock was created."""
        return time.monotonic() - self.started

    def as_dict(self) -> dict[str, float]:
        """Seconds of the outer phases, then the total."""
        phases = {name: spent for name, spent in self.seconds.items() if "/" not in name}
        return {name: round(s, 3) for name, s in {**phases, "total": self.total()}.items()}


def as_text(seconds: Mapping[str, float]) -> str:
    """The result of `Clock.as_dict` as text."""
    return ", ".join(f"{name} {spent:.1f} s" for name, spent in seconds.items())
