"""A packed model in a real TorchServe with sagemaker-pytorch-inference, as in AWS's container."""

import functools
from collections.abc import Iterator

import pytest
from helpers.every_server import Contract, packed
from helpers.started import ask, missing, torchserve, unpack

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
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        photo = packed().photos[0]
        form = head + photo + b"\r\n--x--\r\n"
        multipart = "multipart/form-data; boundary=x"
        status, answer = ask(url, form, Content_Type=multipart)
        assert (status, answer["error"]["code"]) == (400, "empty")
        assert "curl -F body=@photo.jpg" in answer["error"]["message"]
        form = form.replace(b'"file"', b'"body"')
        assert ask(url, form, Content_Type=multipart)[0] == 200
        assert ask(url, photo, Content_Type="image/jpeg")[0] == 200
