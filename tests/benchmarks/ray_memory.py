"""What AWS's Ray Serve container takes with a model: its start, memory, and a replica that dies.

python tests/benchmarks/ray_memory.py RUN_OR_MODEL... [NAME=VALUE...]

Needs `make test-servers` to have been run once. The container's scripts run without a container
(tests/helpers/ray_container.py). Memory is that of all their processes; a page that n processes
share counts 1/n for each. The clients are on the same cores. NAME=VALUE are variables of the model
beside this project's own (`environment` in dogbreed/artifact/servers/ray.py).
"""

import io
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import row, title
from http_load import load
from PIL import Image

sys.path.append(str(Path(__file__).parents[1]))

from helpers.container_memory import T2_MEDIUM_BYTES, MemoryWatch
from helpers.ray_container import Container, answers_again, missing_for_ray, ray_container
from helpers.started import ask

from dogbreed.artifact.packing import pack_model
from dogbreed.artifact.servers.ray import ENVIRONMENT
from dogbreed.utils.machine import cores

CLIENTS, MANY_CLIENTS = 16, 64
REQUESTS = 96
PHONE_PX = (4000, 3000)


def main(arguments: list[str]) -> None:
    given = dict(each.split("=", 1) for each in arguments if "=" in each)
    models = [Path(each) for each in arguments if "=" not in each]
    why = missing_for_ray()
    if why or not models:
        sys.exit(f"error: {why or 'give the folder of a run or of a model'}")
    phone, large = jpeg(noise=12, quality=90), jpeg(noise=90, quality=100)
    sizes = " or ".join(f"{len(each) / 1e6:.1f} MB" for each in (phone, large))
    print(f"{cores()} cores, photos of {PHONE_PX[0]}x{PHONE_PX[1]} pixels and {sizes}")
    for model in models:
        measured(model, phone, large, {**ENVIRONMENT, **given})


def jpeg(*, noise: float, quality: int) -> bytes:
    """A JPEG of 12 megapixels; the noise, in levels of 255, makes it as large as a phone's."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8))
    fine = rng.normal(0, noise, (PHONE_PX[1], PHONE_PX[0], 3))
    pixels = np.asarray(coarse.resize(PHONE_PX, Image.Resampling.BICUBIC)) + fine
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return file.getvalue()


def measured(model: Path, phone: bytes, large: bytes, variables: dict[str, str]) -> None:
    """Start the server, ask it, and print what it took."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "model.tar.gz")
        pack_model(model, archive)
        title(str(model))
        start = time.monotonic()
        with ray_container(archive, variables) as container, MemoryWatch(container) as memory:
            shown("from the entry point to /ping 200", f"{container.started_s:.1f} s")
            status, answer = ask(f"{container.url}/invocations", phone, Content_Type="image/jpeg")
            assert status == 200, answer
            shown("from the entry point to the first answer", f"{time.monotonic() - start:.1f} s")
            time.sleep(5)
            shown("memory after it, idle", megabytes(container.memory_bytes()))
            for name, size in sorted(container.memory_by_process().items(), key=lambda i: -i[1]):
                shown(f"  {name}", megabytes(size))
            under_load(container, memory, phone, CLIENTS)
            explained(container, memory, phone)
            restarted(container, phone)
            under_load(container, memory, large, MANY_CLIENTS)


def under_load(container: Container, memory: MemoryWatch, photo: bytes, clients: int) -> None:
    """Many clients at once."""
    memory.peak_bytes = 0
    url = f"{container.url}/invocations"
    seen = load(url, [photo], clients=clients, requests=max(REQUESTS, 2 * clients))
    what = f"{clients} clients, {len(photo) / 1e6:.1f} MB a photo:"
    peak = memory.peak_bytes
    limit = f"<= {megabytes(T2_MEDIUM_BYTES)}"
    row(f"{what} memory at its peak", megabytes(peak), limit, peak <= T2_MEDIUM_BYTES)
    shown(f"{what} photos per second", f"{seen.rate:.1f}")
    half, most = (seen.quantile_ms(share) / 1000 for share in (0.5, 0.99))
    shown(f"{what} p50, p99", f"{half:.1f}, {most:.1f} s")
    shown(f"{what} statuses", str(dict(seen.statuses)))


def explained(container: Container, memory: MemoryWatch, photo: bytes) -> None:
    """A client that wants explanations, by custom attributes."""
    memory.peak_bytes = 0
    headers = {"X_Amzn_SageMaker_Custom_Attributes": "explain=true"}
    for _ in range(5):
        url = f"{container.url}/invocations"
        status, answer = ask(url, photo, Content_Type="image/jpeg", **headers)
        assert status == 200, answer
    shown("explained: memory at its peak", megabytes(memory.peak_bytes))


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
