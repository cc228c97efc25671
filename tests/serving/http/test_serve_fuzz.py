"""The local endpoint under 10,000 fuzzed requests, and under 64 clients at once."""

import json
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.fuzzed import Fuzzed, fuzzed
from helpers.local_server import PATIENCE_S, LocalServer, photo, picture, serving

from dogbreed import load

pytestmark = pytest.mark.servers

SEED = 6
COUNTS = {
    "truncated": 2_700,
    "flipped": 2_700,
    "noise": 1_100,
    "odd_tags": 600,
    "disguised": 500,
    "odd_json": 1_000,
    "odd_http": 900,
    "half": 200,
    "good": 160,
    "slow": 60,
    "many": 40,
    "bomb": 24,
    "huge": 16,
}
# Front and worker with the tiny model have 300 MB, and photos that are decoded 800.
PEAK_MB = 1_300


@pytest.fixture
def server(tiny_model: Path) -> Iterator[LocalServer]:
    with serving(tiny_model, "threads=1", "tiff=true") as started:
        yield started


@pytest.fixture
def patient(tiny_model: Path) -> Iterator[LocalServer]:
    """One in which all photos of four clients may wait, however slow the machine is."""
    with serving(tiny_model, "threads=1", "queue=128", "tiff=true") as started:
        yield started


def statuses(server: LocalServer, request: Fuzzed) -> list[int]:
    """Send a request; the statuses of what came back, up to the connection's end if that is first.

    Raises:
        AssertionError: less came back than should.
    """
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        try:
            for piece in request.pieces:
                connection.sendall(piece)
                time.sleep(request.pause_s)
        except OSError:
            assert request.kind == "odd_http", "only what isn't HTTP is hung up on"
        found: list[int] = []
        received = b""
        while len(found) < request.answers:
            head, end, rest = received.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            if end and len(rest) >= int(length[1] if length else 0):
                body, received = rest[: int(length[1])] if length else b"", rest
                received = rest[len(body) :]
                found.append(int(head.split(b" ")[1]))
                assert not body or isinstance(json.loads(body), dict)
                continue
            try:
                more = connection.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                break
            received += more
        return found


@contextmanager
def watched(server: LocalServer) -> Iterator[list[float]]:
    """The server's memory in MB while the block runs, looked at all the time."""
    seen, over = list[float](), threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            seen.append(server.resident_mb())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def test_ten_thousand_fuzzed_requests(patient: LocalServer, tiny_model: Path) -> None:
    server, source = patient, random.Random(SEED)
    kinds = [kind for kind, count in COUNTS.items() for _ in range(count)]
    source.shuffle(kinds)
    seeds = [source.getrandbits(32) for _ in kinds]

    def one(kind: str, seed: int) -> tuple[str, int, int, list[int]]:
        request = fuzzed(kind, random.Random(seed))
        return kind, seed, request.answers, statuses(server, request)

    assert len(kinds) == 10_000
    with ThreadPoolExecutor(4) as pool:  # after these, lazy imports and caches are filled
        list(pool.map(one, kinds[:500], range(500)))
    before, worker = server.resident_mb(), server.worker().pid
    with ThreadPoolExecutor(4) as pool, watched(server) as memory:
        done = list(pool.map(one, kinds, seeds))

    odd = [each for each in done for status in each[3] if status // 100 not in (2, 4)]
    assert not odd
    silent = [each for each in done if len(each[3]) != each[2] and each[0] != "odd_http"]
    assert not silent
    counted = Counter((each[0], status) for each in done for status in each[3])
    assert {status for kind, status in counted if kind == "good"} <= {200, 429}
    assert counted["good", 200] > 100, "else the rest means little"
    assert counted["flipped", 200] > 500
    assert sum(n for (_, status), n in counted.items() if status == 429) < 500

    assert server.process.poll() is None
    assert server.worker().pid == worker
    wanted = load(tiny_model).predict(photo()).as_dict()
    (found,) = server.send(photo()).values["predictions"]
    assert found["classes"][0]["class"] == wanted["classes"][0]["class"]
    assert abs(found["classes"][0]["probability"] - wanted["classes"][0]["probability"]) <= 0.01
    assert server.metrics()["dogbreed_waiting_photos"] == 0
    assert max(memory) <= PEAK_MB
    assert server.resident_mb() <= 1.1 * before + 20


def test_64_clients_get_answers_or_are_told_to_wait(server: LocalServer) -> None:
    def client(seed: int) -> Counter[int]:
        sent = photo("PNG", picture(seed))
        return Counter(server.send(sent).status for _ in range(20))

    with ThreadPoolExecutor(64) as pool:
        found = sum(pool.map(client, range(64)), Counter[int]())
    assert set(found) == {200, 429}, found
    assert found[200] >= 64
    assert server.metrics()["dogbreed_worker_restarts_total"] == 0
