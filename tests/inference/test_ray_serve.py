"""A packed model in a real Ray Serve, started as AWS's container starts it.

The container's adapter before it passes on the requests and the responses here; of the headers only
Content-Type and Accept.
"""

from collections.abc import Iterator

import pytest
from helpers.every_server import Contract, packed, same
from helpers.started import ask, missing, ray_serve

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(missing(java=False)), reason=missing(java=False) or ""),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ray_serve(packed().archive) as address:
        yield f"{address}/"


class TestRayServe(Contract):
    def test_a_form_with_a_file(self, url: str) -> None:
        photo = packed().photos[0]
        head = b'--x\r\nContent-Disposition: form-data; name="any"; filename="a.jpg"\r\n\r\n'
        body = head + photo + b"\r\n--x--\r\n"
        status, answer = ask(url, body, Content_Type="multipart/form-data; boundary=x")
        assert status == 200, answer
        same(answer["predictions"][0], packed().predictor, photo)
