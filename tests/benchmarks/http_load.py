"""Clients that ask a server without a pause, and what they saw."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np


@dataclass
class Load:
    """What clients saw: each answer's status, and the seconds of those that were 200."""

    statuses: "Counter[int]" = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wall_s: float = 0.0

    @property
    def rate(self) -> float:
        """Answers of 200 a second."""
        return len(self.seconds) / self.wall_s

    def quantile_ms(self, share: float) -> float:
        """Milliseconds that so large a share of the 200s took at most."""
        return 1000 * float(np.quantile(self.seconds, share))


def load(
    url: str,
    photos: list[bytes],
    *,
    clients: int,
    seconds: float = float("inf"),
    requests: float = float("inf"),
) -> Load:
    """Ask from so many connections until the time is over or so many requests are sent."""
    seen = Load()
    asyncio.run(_load(url, photos, clients, seconds, requests, seen))
    return seen


async def _load(
    url: str, photos: list[bytes], clients: int, seconds: float, requests: float, seen: Load
) -> None:
    start = time.perf_counter()
    sent = 0

    def next_photo() -> bytes | None:
        nonlocal sent
        if sent >= requests or time.perf_counter() - start > seconds:
            return None
        sent += 1
        return photos[sent % len(photos)]

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(_client(url, next_photo, seen))
    seen.wall_s = time.perf_counter() - start


async def _client(url: str, next_photo: Callable[[], bytes | None], seen: Load) -> None:
    """One connection that is kept alive."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    while photo := next_photo():
        head = (
            f"POST {place.path}?{place.query} HTTP/1.1\r\nHost: {place.netloc}\r\n"
            f"Content-Type: image/jpeg\r\nContent-Length: {len(photo)}\r\n\r\n"
        )
        start = time.perf_counter()
        writer.write(head.encode() + photo)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(answer.partition("content-length:")[2].partition("\r\n")[0])
        await reader.readexactly(length)
        status = int(answer.split(" ", 2)[1])
        seen.statuses[status] += 1
        if status == 200:
            seen.seconds.append(time.perf_counter() - start)
    writer.close()
