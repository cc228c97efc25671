"""The adapter for TorchServe under the real Transformer of SageMaker's toolkit, in this process."""

import base64
import gzip
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from conftest import draw_photo
from PIL import Image

from dogbreed import Predictor, load
from dogbreed.artifact.packing import pack_model
from dogbreed.errors import EngineError

JPEG, JSON = "image/jpeg", "application/json"


class Context:
    """What TorchServe tells a handler, and hears from it (ts/context.py)."""

    model_name = "model"

    def __init__(self, folder: Path) -> None:
        self.system_properties = {"model_dir": str(folder)}
        self.request_processor = [self]
        self.headers: dict[str, Any] = {}
        self.status, self.phrase, self.content_type = 200, "", ""

    def get_request_properties(self) -> dict[str, Any]:
        return self.headers

    def get_all_request_header(self, index: int) -> dict[str, Any]:
        return self.headers

    def set_response_status(self, code: int, phrase: str) -> None:
        self.status, self.phrase = int(code), phrase

    def set_response_content_type(self, index: int, value: str) -> None:
        self.content_type = value


class Server:
    """The toolkit's handler over an unpacked model.tar.gz."""

    def __init__(self, folder: Path) -> None:
        from sagemaker_pytorch_serving_container.handler_service import HandlerService

        self._folder = folder
        self._handler = HandlerService()
        self.context = Context(folder)
        self._handler.initialize(self.context)

    def send(self, body: bytes | None, **headers: str) -> tuple[int, Any]:
        """The status and the JSON of an answer; `a_b` is a header a-b."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self.context.headers = {"body": {"content-type": "as TorchServe adds it"}, **given}
        self.context.status = 200
        field = {} if body is None else {"body": bytearray(body)}
        (answer,) = self._handler.handle([field], self.context)
        assert self.context.content_type == JSON
        return self.context.status, json.loads(answer)


@pytest.fixture(scope="module")
def predictor(tiny_model: Path) -> Predictor:
    return load(tiny_model)


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(tiny_model, tmp_path_factory.mktemp("served"))


def unpacked(model: Path, folder: Path) -> Path:
    """The model's archive, as TorchServe finds it."""
    pack_model(model, folder / "model.tar.gz")
    with tarfile.open(folder / "model.tar.gz") as tape:
        tape.extractall(folder / "model", filter="data")
    return folder / "model"


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    return started(folder, monkeypatch)


def started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The toolkit over an unpacked model."""
    from sagemaker_inference import content_types

    monkeypatch.setattr(content_types, "UTF8_TYPES", content_types.UTF8_TYPES)
    monkeypatch.syspath_prepend(str(folder / "code"))
    monkeypatch.delitem(sys.modules, "inference", raising=False)
    # The handler changes it for good.
    monkeypatch.setenv("PYTHONPATH", "")
    return Server(folder)


@pytest.fixture
def photo(tmp_path: Path) -> bytes:
    draw_photo(tmp_path / "photo.jpg", 120, 1, (200, 150))
    return (tmp_path / "photo.jpg").read_bytes()


def body_of(*photos: bytes, **parameters: Any) -> bytes:
    encoded = [base64.b64encode(photo).decode() for photo in photos]
    return json.dumps({"photos": encoded, **parameters}).encode()


def test_in_a_transform_job_an_error_is_a_200(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, refused = server.send(b"\xff\xd8 no photo", Content_Type=JPEG)
    assert status == 415
    monkeypatch.setenv("SAGEMAKER_BATCH", "true")
    assert server.send(b"\xff\xd8 no photo", Content_Type=JPEG) == (200, refused)
    assert refused["error"]["code"]


def test_a_photo_is_answered_as_the_predictor_does(
    server: Server, predictor: Predictor, photo: bytes
) -> None:
    wanted = predictor.predict(photo).as_dict()
    for headers in ({"Content_Type": JPEG}, {"content_type": "text/csv"}, {}):
        status, answer = server.send(photo, **headers)
        assert status == 200
        assert answer["predictions"] == [wanted]
        assert answer["model_ms"] > 0
    assert server.send(body_of(photo), Content_Type=JSON)[1]["predictions"] == [wanted]


@pytest.mark.parametrize("size", [(300, 100), (70, 260)])
def test_photos_that_arent_square(
    size: tuple[int, int], padded_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = started(unpacked(padded_model, tmp_path), monkeypatch)
    draw_photo(tmp_path / "photo.jpg", 120, 1, size)
    photo = (tmp_path / "photo.jpg").read_bytes()
    status, answer = server.send(photo, Content_Type=JPEG)
    assert status == 200
    assert answer["predictions"] == [load(padded_model).predict(photo).as_dict()]


def test_photos_and_parameters(server: Server, predictor: Predictor, photo: bytes) -> None:
    many = body_of(photo, b"no photo", photo, top_k=2)
    status, answer = server.send(many, Content_Type=f"{JSON}; charset=utf-8")
    assert status == 200
    first, bad, last = answer["predictions"]
    assert first == last == predictor.predict(photo, 2).as_dict()
    assert bad["error"]["code"] == "not_an_image"

    attributes = "top_k=1;explain=true"
    headers = {"x-amzn-sagemaker-custom-attributes": attributes, "Content_Type": JPEG}
    for found in (
        server.send(photo, **headers),
        server.send(body_of(photo, top_k=1, explain=True)),
    ):
        (entry,) = found[1]["predictions"]
        assert len(entry["classes"]) == 1
        picture = Image.open(io.BytesIO(base64.b64decode(entry["explanation"])))
        assert picture.size == (200, 150)


def test_bodies_in_other_forms(server: Server, predictor: Predictor, photo: bytes) -> None:
    wanted = predictor.predict(photo).as_dict()
    uri = b"data:image/jpeg;base64," + base64.encodebytes(photo)
    form = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
    form += photo + b"\r\n--x--\r\n"
    for body, headers in {
        uri: {"Content_Type": "text/plain"},
        form: {"Content_Type": "application/octet-stream"},
        json.dumps({"photos": [uri.decode()]}).encode(): {"Content_Type": JSON},
        gzip.compress(photo): {"Content_Type": JPEG, "Content_Encoding": "gzip"},
    }.items():
        status, answer = server.send(body, **headers)
        assert status == 200, answer
        assert answer["predictions"] == [wanted]


def bomb() -> bytes:
    """A picture of some kB that takes a gigabyte to decode."""
    file = io.BytesIO()
    Image.new("1", (10_000, 6_000)).save(file, "PNG")
    return file.getvalue()


BAD = {
    "bomb": (bomb(), {"Content_Type": "image/png"}, 413, "too_large"),
    "empty": (b"", {"Content_Type": JPEG}, 400, "empty"),
    "form": (None, {"Content_Type": "multipart/form-data"}, 400, "empty"),
    "stripped": (b"\xff\xd8\xff\xe0" * 99, {"Content_Type": JPEG}, 400, "stripped"),
    "brotli": (b"?", {"Content_Encoding": "br", "Content_Type": JPEG}, 415, "encoded"),
    "url": (b"photo=@photo.jpg", {"Content_Type": "text/plain"}, 415, "url_encoded"),
    "no photo": (b"GIF8 or not", {"Content_Type": JPEG}, 415, "not_an_image"),
    "JPEG XL": (b"\xff\x0a" + bytes(90), {"Content_Type": JPEG}, 415, "unsupported_format"),
    "no UTF-8": (b'{"photos": "\xff"}', {"Content_Type": JSON}, 400, "not_json"),
    "no photos": (b"{}", {"Content_Type": JSON}, 400, "no_photos"),
    "accept": (b"{}", {"Accept": "image/png"}, 406, "not_acceptable"),
    "top_k": (b"?", {"X_Amzn_SageMaker_Custom_Attributes": "top_k=0"}, 400, "bad_top_k"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_the_callers_fault(server: Server, photo: bytes, name: str) -> None:
    body, headers, status, code = BAD[name]
    found, answer = server.send(body, **headers)
    assert (found, answer["error"]["code"]) == (status, code)
    assert "Traceback" not in answer["error"]["message"]
    if code in ("empty", "stripped", "encoded", "url_encoded"):
        assert "curl" in answer["error"]["message"]
    assert server.send(photo, Content_Type=JPEG)[0] == 200


def test_a_network_that_cannot_be_explained_is_said(
    server: Server, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise EngineError("explain: it ends in tokens.")

    monkeypatch.setattr(Predictor, "explain", refuse)
    status, answer = server.send(body_of(photo, explain=True), Content_Type=JSON)
    assert (status, answer["error"]["code"]) == (400, "not_explained")
