"""What the servers of AWS's containers take with a model: start, memory, a replica that dies.

python tests/benchmarks/container_memory.py RUN_OR_MODEL... [NAME=VALUE...]

Needs `make test-servers` to have been run once. The servers run without containers: Ray Serve by
the scripts of AWS's container (tests/helpers/ray_container.py), TorchServe by SageMaker's toolkit.
Memory is that of all their processes; a page that n processes share counts 1/n for each. The
clients are on the same cores. NAME=VALUE are variables of the Ray container beside this project's
own.
"""

import functools
import io
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import psutil
from common import row, title
from http_load import load
from PIL import Image

sys.path.append(str(Path(__file__).parents[1]))

from helpers.container_memory import T2_MEDIUM_BYTES, MemoryWatch, memory_bytes
from helpers.ray_container import Container, answers_again, missing_for_ray, ray_container
from helpers.started import ask, missing, torchserve, unpack

from dogbreed.artifact.packing import pack_model
from dogbreed.artifact.servers.ray import ENVIRONMENT
from dogbreed.utils.machine import cores

CLIENTS, MANY_CLIENTS = 16, 64
REQUESTS = 96
PHONE_PX = (4000, 3000)
Processes = Callable[[], Iterable[psutil.Process]]


def main(arguments: list[str]) -> None:
    given = dict(each.split("=", 1) for each in arguments if "=" in each)
    models = [Path(each) for each in arguments if "=" not in each]
    why = missing_for_ray()
    if why or not models:
        sys.exit(f"error: {why or 'give the folder of a run or of a model'}")
    # A phone's; and the largest that SageMaker passes on to an endpoint, 6 MiB.
    phone, large = jpeg(noise=12), jpeg(noise=20)
    sizes = " or ".join(f"{len(each) / 1e6:.1f} MB" for each in (phone, large))
    print(f"{cores()} cores, photos of {PHONE_PX[0]}x{PHONE_PX[1]} pixels and {sizes}")
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder, "model.tar.gz")
            pack_model(model, archive)
            title(f"Ray Serve, {model}")
            of_ray_serve(archive, phone, large, {**ENVIRONMENT, **given})
            if not missing(java=True):
                title(f"TorchServe, {model}")
                of_torchserve(archive, phone, large)


def jpeg(*, noise: float) -> bytes:
    """A JPEG of 12 megapixels; the noise, in levels of 255, makes it as large as a phone's."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8))
    fine = rng.normal(0, noise, (PHONE_PX[1], PHONE_PX[0], 3))
    pixels = np.asarray(coarse.resize(PHONE_PX, Image.Resampling.BICUBIC)) + fine
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def of_ray_serve(archive: Path, phone: bytes, large: bytes, variables: dict[str, str]) -> None:
    """Start the Ray container's entry point, ask it, kill its replica."""
    start = time.monotonic()
    with ray_container(archive, variables) as container:
        shown("from the entry point to /ping 200", f"{container.started_s:.1f} s")
        measure_answers(f"{container.url}/invocations", phone, large, start, container.processes)
        restarted(container, phone)


def of_torchserve(archive: Path, phone: bytes, large: bytes) -> None:
    """Start TorchServe and ask it."""
    start = time.monotonic()
    with torchserve(functools.partial(unpack, archive)) as address:
        shown("from the entry point to /ping 200", f"{time.monotonic() - start:.1f} s")
        children = functools.partial(psutil.Process().children, recursive=True)
        measure_answers(f"{address}/invocations", phone, large, start, children)


def measure_answers(
    url: str, phone: bytes, large: bytes, start: float, processes: Processes
) -> None:
    """The first answer, an explanation, many clients at once."""
    with MemoryWatch(processes) as memory:
        status, answer = ask(url, phone, Content_Type="image/jpeg")
        assert status == 200, answer
        shown("from the entry point to the first answer", f"{time.monotonic() - start:.1f} s")
        time.sleep(5)
        shown("memory after it, idle", megabytes(memory_bytes(processes())))
        headers = {"X_Amzn_SageMaker_Custom_Attributes": "explain=true"}
        status, answer = ask(url, phone, Content_Type="image/jpeg", **headers)
        assert status == 200, answer
        for clients, photo in ((CLIENTS, phone), (MANY_CLIENTS, large)):
            memory.peak_bytes = 0
            under_load(url, memory, photo, clients)


def under_load(url: str, memory: MemoryWatch, photo: bytes, clients: int) -> None:
    """Many clients at once."""
    seen = load(url, [photo], clients=clients, requests=max(REQUESTS, 2 * clients))
    what, peak = f"{clients} clients, {len(photo) / 1e6:.1f} MB a photo:", memory.peak_bytes
    limit = f"<= {megabytes(T2_MEDIUM_BYTES)}"
    row(f"{what} memory at its peak", megabytes(peak), limit, peak <= T2_MEDIUM_BYTES)
    shown(f"{what} photos per second", f"{seen.rate:.1f}")
    half, most = (seen.quantile_ms(share) / 1000 for share in (0.5, 0.99))
    shown(f"{what} p50, p99", f"{half:.1f}, {most:.1f} s")
    shown(f"{what} statuses", str(dict(seen.statuses)))


def restarted(container: Container, photo: bytes) -> None:
    """Kill the process that computes, and ask until it is replaced."""
    replica = container.replica()
    assert replica is not None
    os.kill(replica.pid, signal.SIGKILL)
    took_s, statuses = answers_again(container, photo)
    shown("a killed replica: answers again after", f"{took_s:.1f} s")
    shown("  statuses until then", str(statuses))


def shown(what: str, value: str) -> None:
    """A line of the table."""
    print(f"{what:<58} {value:>16}", flush=True)


def megabytes(size: int) -> str:
    """Bytes, for a table."""
    return f"{size / 1e6:.0f} MB"


if __name__ == "__main__":
    main(sys.argv[1:])
