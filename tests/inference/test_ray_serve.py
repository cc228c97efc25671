"""A packed model behind the scripts of AWS's Ray Serve container, in the memory of ml.t2.medium."""

import io
import os
import signal
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from helpers.container_memory import T2_MEDIUM_BYTES, MemoryWatch
from helpers.every_server import Contract, packed, same
from helpers.ray_container import Container, answers_again, missing_for_ray, ray_container
from helpers.started import ask
from PIL import Image

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(missing_for_ray()), reason=missing_for_ray() or ""),
]
CLIENTS, PHOTOS_EACH = 16, 2
# The replica loads in 5 to 13 s on two busy cores; SageMaker waits 60 s for an answer.
REPLACED_S = 60


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    with ray_container(packed().archive) as started:
        yield started


@pytest.fixture(scope="module")
def url(container: Container) -> str:
    return f"{container.url}/invocations"


class TestRayServe(Contract):
    def test_a_form_with_a_file(self, url: str) -> None:
        photo = packed().photos[0]
        head = b'--x\r\nContent-Disposition: form-data; name="any"; filename="a.jpg"\r\n\r\n'
        body = head + photo + b"\r\n--x--\r\n"
        status, answer = ask(url, body, Content_Type="multipart/form-data; boundary=x")
        assert status == 200, answer
        same(answer["predictions"][0], packed().predictor, photo)

    def test_ping_is_an_empty_200(self, container: Container, url: str) -> None:
        assert ask(f"{container.url}/ping", None) == (200, b"")

    def test_phone_photos_of_many_clients_fit_into_the_memory(
        self, container: Container, url: str
    ) -> None:
        photo, statuses = phone_photo(), list[int]()

        def client() -> None:
            for _ in range(PHOTOS_EACH):
                statuses.append(ask(url, photo, Content_Type="image/jpeg")[0])

        with MemoryWatch(container.processes) as memory:
            clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
            for each in clients:
                each.start()
            for each in clients:
                each.join()
        assert statuses == [200] * (CLIENTS * PHOTOS_EACH)
        assert 500e6 < memory.peak_bytes <= T2_MEDIUM_BYTES

    def test_a_dead_replica_is_replaced(self, container: Container, url: str) -> None:
        dead = container.replica()
        assert dead is not None
        os.kill(dead.pid, signal.SIGKILL)
        photo = packed().photos[0]
        answers_again(container, photo, within_s=REPLACED_S)
        new = container.replica()
        assert new is not None
        assert new.pid != dead.pid
        assert ask(f"{container.url}/ping", None)[0] == 200
        status, answer = ask(url, photo, Content_Type="image/jpeg")
        assert status == 200
        same(answer["predictions"][0], packed().predictor, photo)


def phone_photo() -> bytes:
    """A JPEG of 12 megapixels and 4.6 MB."""
    pixels = np.random.default_rng(0).normal(128, 12, (3000, 4000, 3))
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()
