"""A packed model in a real TorchServe with sagemaker-pytorch-inference, as in AWS's container."""

import functools
from collections.abc import Iterator

import pytest
from servers.every_server import Contract, packed
from servers.started import ask, missing, torchserve, unpack

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(missing(java=True)), reason=missing(java=True) or ""),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with torchserve(functools.partial(unpack, packed().archive)) as address:
        yield f"{address}/invocations"


class TestTorchServe(Contract):
    def test_a_form_is_its_own_and_harms_nobody(self, url: str) -> None:
        """TorchServe reads forms before it calls anything: this 500 can't be overcome here."""
        status, _ = ask(url, b"\xff\xd8;%%", Content_Type="application/x-www-form-urlencoded")
        assert status in (400, 500)
        photo = packed().photos[0]
        assert ask(url, photo, Content_Type="image/jpeg")[0] == 200
