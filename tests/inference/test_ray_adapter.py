"""The adapter for Ray Serve in this process: Ray itself is a stand-in that calls nothing."""

import base64
import gzip
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import draw_photo
from helpers.local_server import run_async
from starlette.requests import Request

from dogbreed import load
from dogbreed.artifact.packing import adapters_dir
from dogbreed.errors import EngineError
from dogbreed.serving.requests.errors import RequestError

FORM = b'--x\r\nContent-Disposition: form-data; name="any"; filename="a"\r\n\r\n%b\r\n--x--\r\n'


def deployment(kind: Any, *, ray_actor_options: dict[str, float]) -> Any:
    """Ray's, as far as the adapter uses it: what it makes of a class has the options."""
    kind.options = ray_actor_options
    return SimpleNamespace(bind=lambda: kind)


@pytest.fixture
def endpoint(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The deployment's class over the tiny model."""
    module = adapter(monkeypatch)
    monkeypatch.setattr(module, "MODEL", tiny_model / "model")
    return module.app()


def adapter(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that Ray imports, with a stand-in for Ray."""
    serve = SimpleNamespace(deployment=deployment)
    ray = ModuleType("ray")
    ray.serve = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location("deployment", adapters_dir() / "deployment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def invoked(endpoint: Any, body: bytes, **headers: str) -> tuple[int, Any]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    raw = [(k.replace("_", "-").lower().encode(), v.encode()) for k, v in headers.items()]
    request = Request({"type": "http", "method": "POST", "headers": raw}, receive)
    response = run_async(endpoint(request))
    return response.status_code, json.loads(response.body)


def test_in_a_transform_job_an_error_is_a_200(
    endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, refused = invoked(endpoint, b"\xff\xd8 no photo")
    assert status == 415
    for value, wanted in (("false", 415), ("true", 200)):
        monkeypatch.setenv("SAGEMAKER_BATCH", value)
        assert invoked(endpoint, b"\xff\xd8 no photo") == (wanted, refused)
    assert set(refused["error"]) == {"code", "message"}
    # A refusal that isn't the photo's fault still fails: it would be repeated.
    assert RequestError(429, "busy", "later").sent_status == 429
    assert RequestError(503, "no_model", "gone").sent_status == 503


@pytest.mark.parametrize("gpu", [False, True])
def test_a_replica_on_a_gpu_requests_it(
    tiny_model: Path, gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOGBREED_GPU", str(int(gpu)))
    module = adapter(monkeypatch)
    assert module.app.options == {"num_gpus": int(gpu)}
    monkeypatch.setattr(module, "MODEL", tiny_model / "model")
    if not gpu:
        module.app()
    elif not torch.cuda.is_available():
        # It doesn't come up, and the deployment reports it, rather than compute on the CPU.
        with pytest.raises(EngineError, match="engine=cuda: torch finds no GPU here"):
            module.app()


@pytest.mark.parametrize("size", [(300, 100), (70, 260)])
def test_photos_that_arent_square(
    size: tuple[int, int], padded_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = adapter(monkeypatch)
    monkeypatch.setattr(module, "MODEL", padded_model / "model")
    draw_photo(tmp_path / "photo.jpg", 120, 1, size)
    photo = (tmp_path / "photo.jpg").read_bytes()
    status, answer = invoked(module.app(), photo)
    assert status == 200
    assert answer["predictions"] == [load(padded_model).predict(photo).as_dict()]


def test_bodies_in_every_form(endpoint: Any, tiny_model: Path, tmp_path: Path) -> None:
    draw_photo(tmp_path / "photo.jpg", 120, 1, (200, 150))
    photo = (tmp_path / "photo.jpg").read_bytes()
    wanted = load(tiny_model).predict(photo).as_dict()
    text = base64.encodebytes(photo)
    for body, headers in {
        photo: {},
        text: {"Content_Type": "text/plain"},
        FORM % photo: {"Content_Type": "multipart/form-data; boundary=x"},
        json.dumps({"photos": [text.decode()]}).encode(): {"Content_Type": "application/json"},
        gzip.compress(photo): {"Content_Encoding": "gzip"},
    }.items():
        status, answer = invoked(endpoint, body, **headers)
        assert status == 200, answer
        assert answer["predictions"] == [wanted]
    for body, headers, code in (
        (b"", {}, "empty"),
        (photo.translate(None, b"\0\r\n"), {}, "stripped"),
        (b"photo=@photo.jpg", {}, "url_encoded"),
        (photo, {"Content_Encoding": "br"}, "encoded"),
    ):
        status, answer = invoked(endpoint, body, **headers)
        assert (status // 100, answer["error"]["code"]) == (4, code)
        assert "curl --data-binary @photo.jpg" in answer["error"]["message"]
