"""The server on this machine against the predictor alone and against the seeds' way to serve.

python tests/benchmarks/serving.py PHOTOS WEIGHTS

The seeds' way, TorchServe with an eager handler, needs `make test-servers` to have been run once.
The clients share the cores with the servers.
"""

import http.client
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
from common import row, title, train
from http_load import Load, load
from PIL import Image
from seeds_server import serve_seeds_way

from dogbreed import Predictor
from dogbreed import load as load_model

PAIRS = 200
MINUTE_S = 60
SLICES = 4  # of the minute, with the predictor and the seeds' way in between
SLICE_PHOTOS = 400
REQUESTS = 20_000
CLIENTS, MANY_CLIENTS = 16, 64


def main(root: str, weights: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        paths = sorted(path for path in Path(root, "test").rglob("*") if path.is_file())
        largest = max(paths, key=lambda path: path.stat().st_size)
        photo = work / "photo.jpg"
        Image.open(largest).convert("RGB").resize((500, 375)).save(photo, quality=90)
        one, many = photo.read_bytes(), [path.read_bytes() for path in paths]
        for views, what in ((1, "one view of a photo, as the seeds' handler"), (2, "two views")):
            train(
                [f"data.root={root}", f"model.weights={weights}", f"features.views={views}"],
                work,
                work / "cache",
            )
            model = (work / "outputs" / "latest").resolve()
            print(f"\n=== {what}")
            with serving(model, work) as server, serve_seeds_way(work) as seeds:
                predictor = load_model(model)
                p50 = one_client(predictor, server.url, seeds, one)
                many_clients(predictor, server.url, seeds, many, p50)
            if views == 1:
                starting(model, work)
                with serving(model, work) as server:
                    too_many_clients(server.url, many)
                with serving(model, work) as server:
                    memory(server, many)


class Server:
    """A running `python -m dogbreed.serve`."""

    def __init__(self, process: "subprocess.Popen[str]", address: str) -> None:
        self.process = process
        self.address = address
        self.url = f"{address}/invocations"

    def resident_bytes(self) -> int:
        """Of all its processes together."""
        parent = psutil.Process(self.process.pid)
        return sum(each.memory_info().rss for each in (parent, *parent.children(recursive=True)))


@contextmanager
def serving(model: Path, work: Path) -> Iterator[Server]:
    """The server on a free port, until the block ends."""
    command = [sys.executable, "-m", "dogbreed.serve", f"model={model}", "port=0"]
    with subprocess.Popen(command, cwd=work, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        try:
            yield Server(process, found[0])
        finally:
            process.terminate()


def starting(model: Path, work: Path) -> None:
    """From the command to the first 200 of /ping: the longest of three."""
    title("starting")
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        with serving(model, work) as server:
            connection = http.client.HTTPConnection(urlsplit(server.address).netloc)
            connection.request("GET", "/ping")
            assert connection.getresponse().status == 200
            seconds.append(time.perf_counter() - start)
    row("from the command to /ping 200", f"{max(seconds):.2f} s", "<= 3 s", max(seconds) <= 3)


def one_client(predictor: Predictor, url: str, seeds: str, photo: bytes) -> float:
    """One client against the predictor alone, in turn; p50 in milliseconds."""
    title("one client, a photo of 500x375: p50")
    ours, theirs, explaining = Client(url), Client(seeds), Client(f"{url}?explain=true")
    alone, server, handler, explained = (list[float]() for _ in range(4))
    for number in range(PAIRS):
        alone.append(seconds_of(lambda: predictor.predict(photo)))
        server.append(seconds_of(lambda: ours.send(photo)))
        if number % 4 == 0:
            handler.append(seconds_of(lambda: theirs.send(photo)))
            explained.append(seconds_of(lambda: explaining.send(photo)))
    alone_p50, p50, seeds_p50, explained_p50 = (
        1000 * float(np.median(each)) for each in (alone, server, handler, explained)
    )
    print(f"  the predictor alone {alone_p50:.1f} ms, the seeds' way {seeds_p50:.1f} ms")
    print(f"  with its explanation {explained_p50:.1f} ms")
    row("/invocations", f"{p50:.1f} ms", f"<= {alone_p50 + 2:.1f} ms", p50 <= alone_p50 + 2)
    row("as a share of the seeds' way", f"{p50 / seeds_p50:.2f}", "<= 0.33", p50 <= seeds_p50 / 3)
    return p50


class Client:
    """A connection to a server that is kept, and does next to nothing itself."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._head = (
            f"POST {place.path}?{place.query} HTTP/1.1\r\nHost: {place.netloc}\r\n"
            "Content-Type: image/jpeg\r\n"
        )
        self._socket = socket.create_connection((place.hostname, place.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, photo: bytes) -> None:
        """Send a photo and read the answer, which must be a 200."""
        self._socket.sendall(f"{self._head}Content-Length: {len(photo)}\r\n\r\n".encode() + photo)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._socket.recv(1 << 16)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])  # type: ignore[index]
        while len(body) < length:
            body += self._socket.recv(1 << 16)
        assert head.split()[1] == b"200", head


def seconds_of(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def many_clients(
    predictor: Predictor, url: str, seeds: str, photos: list[bytes], p50_ms: float
) -> None:
    """A minute with many clients, in slices, each beside one of the others."""
    title(f"{CLIENTS} clients for {MINUTE_S} s, photos of all sizes")
    parts, batches, theirs = list[Load](), list[float](), list[Load]()
    for _ in range(SLICES):
        slice_s = MINUTE_S / SLICES
        parts.append(load(url, photos, clients=CLIENTS, seconds=slice_s))
        took = seconds_of(lambda: list(predictor.predict_many(photos[:SLICE_PHOTOS])))
        batches.append(SLICE_PHOTOS / took)
        theirs.append(load(seeds, photos, clients=CLIENTS, seconds=slice_s / 3))
    rate, alone = float(np.mean([part.rate for part in parts])), float(np.mean(batches))
    seeds_rate = float(np.mean([part.rate for part in theirs]))
    seconds = [each for part in parts for each in part.seconds]
    p99 = 1000 * float(np.quantile(seconds, 0.99))
    errors = sum(part.statuses.total() for part in parts) - len(seconds)
    print(f"  photos a second: {rate:.1f}; predictor {alone:.1f}; the seeds' way {seeds_rate:.1f}")
    row("of the predictor in batches", f"{rate / alone:.2f}", ">= 0.9", rate >= 0.9 * alone)
    row("times the seeds' way", f"{rate / seeds_rate:.1f}", ">= 3", rate >= 3 * seeds_rate)
    row("p99, in p50s of one client", f"{p99 / p50_ms:.1f}", "<= 25", p99 <= 25 * p50_ms)
    row("errors", str(errors), "0", errors == 0)


def too_many_clients(url: str, photos: list[bytes]) -> None:
    """More clients than the queue takes, who ask again at once."""
    title(f"{MANY_CLIENTS} clients for {MINUTE_S / SLICES:g} s")
    seen = load(url, photos, clients=MANY_CLIENTS, seconds=MINUTE_S / SLICES)
    others = set(seen.statuses) - {200, 429}
    p99_s = seen.quantile_ms(0.99) / 1000
    print(f"  {dict(seen.statuses)}, {seen.rate:.1f} photos a second")
    row("other answers than 200 and 429", str(len(others)), "0", not others)
    row("p99 of the 200s", f"{p99_s:.2f} s", "<= 5 s", p99_s <= 5)


def memory(server: Server, photos: list[bytes]) -> None:
    """What the server's processes hold once they have explained photos, and whether it grows."""
    title(f"memory over {REQUESTS:,} requests")
    load(f"{server.url}?explain=true", photos, clients=CLIENTS, requests=REQUESTS // 100)
    load(server.url, photos, clients=CLIENTS, requests=REQUESTS // 20)
    before = server.resident_bytes()
    load(server.url, photos, clients=CLIENTS, requests=REQUESTS)
    after = server.resident_bytes()
    growth = after / before - 1
    row("resident, all processes", f"{after / 1e6:.0f} MB", "<= 700 MB", after <= 700e6)
    row("growth", f"{growth:+.1%}", "<= 2 %", growth <= 0.02)


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()), str(Path(sys.argv[2]).resolve()))
