"""The parts of the local endpoint: its workers, and the memory budget of their decoding."""

import asyncio
import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from helpers.alike import looks_like
from helpers.local_server import (
    EXPLAINING,
    as_text,
    photo,
    picture,
    run_async,
    wait_until,
    workers_of,
)
from starlette.requests import Request

from dogbreed.artifact.folder import read_description
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.run import ServeConfig
from dogbreed.data.decoding.image_formats.base import IMAGE_FORMATS, PLAIN_BYTES
from dogbreed.data.decoding.memory import TRANSPARENT_OR_DEEP_BYTES
from dogbreed.data.decoding.pool import DecodingPool
from dogbreed.errors import PhotoError
from dogbreed.serving.decoding_budget import CostlyPhoto, DecodingBudget
from dogbreed.serving.http.counters import Counters
from dogbreed.serving.http.endpoint import Endpoint
from dogbreed.serving.http.explanations import Explanations
from dogbreed.serving.http.worker import Worker
from dogbreed.serving.http.worker_errors import WorkerError, WorkerRefusal
from dogbreed.serving.requests.invocations import RequestError


@pytest.mark.parametrize(
    ("kind", "mode", "pixel_bytes"),
    [
        ("JPEG", "RGB", IMAGE_FORMATS["JPEG"].bytes_per_pixel),
        ("PNG", "RGB", PLAIN_BYTES),
        ("WEBP", "RGB", PLAIN_BYTES),
        ("GIF", "P", PLAIN_BYTES),
        ("PNG", "RGBA", TRANSPARENT_OR_DEEP_BYTES),
        ("PNG", "LA", TRANSPARENT_OR_DEEP_BYTES),
        ("PNG", "I;16", TRANSPARENT_OR_DEEP_BYTES),
        ("TIFF", "F", TRANSPARENT_OR_DEEP_BYTES),
        ("HEIF", "RGB", IMAGE_FORMATS["HEIF"].bytes_per_pixel),
    ],
)
def test_a_photo_that_needs_more_than_the_budget_is_refused(
    kind: str, mode: str, pixel_bytes: int
) -> None:
    sent = photo(kind, picture(size=(50, 40), mode=mode))
    with DecodingBudget(50 * 40 * pixel_bytes).opened(sent) as opened:
        assert (opened.header.width, opened.header.height) == (50, 40)
    with (
        pytest.raises(PhotoError, match=r"50x40 pixels; the limit is 1,999 pixels here") as caught,
        DecodingBudget(50 * 40 * pixel_bytes - 1).opened(sent),
    ):
        pass
    assert caught.value.reason == "too_large"


def test_a_photo_waits_for_its_memory_which_is_always_released() -> None:
    sent, entered = photo("PNG", picture(size=(50, 40))), list[str]()
    budget = DecodingBudget(2 * 50 * 40 * PLAIN_BYTES)

    def third() -> None:
        with budget.opened(sent):
            entered.append("third")

    waiting = threading.Thread(target=third)
    with budget.opened(sent):
        with suppress(ZeroDivisionError), budget.opened(sent):
            waiting.start()
            waiting.join(0.2)
            assert entered == []
            raise ZeroDivisionError
        waiting.join(60)
        assert entered == ["third"]


def test_the_budget_is_checked_before_a_canvas_is_allocated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = photo("WEBP", picture(size=(50, 40)))
    budget = DecodingBudget(50 * 40 * PLAIN_BYTES)
    with budget.opened(sent):
        monkeypatch.setattr(DecodingPool, "opened", None)  # from now on nothing may be opened
        with pytest.raises(PhotoError, match="try again"), budget.costly.opened(sent, 0.2):
            pass
        with pytest.raises(CostlyPhoto), budget.ordinary.opened(sent):
            pass
        with pytest.raises(PhotoError, match="the limit is"), DecodingBudget(99).opened(sent):
            pass


def test_a_photo_waits_until_its_timeout() -> None:
    sent = photo("PNG", picture(size=(50, 40)))
    queue = DecodingBudget(50 * 40 * PLAIN_BYTES).ordinary
    with queue.opened(sent):
        for _ in range(2):
            with pytest.raises(PhotoError, match="try again") as caught, queue.opened(sent, 1.5):
                pass
            assert caught.value.reason == "busy"
    with queue.opened(sent, 60):
        pass


def test_costly_photos_have_a_budget_of_their_own() -> None:
    costly, ordinary = photo("WEBP", picture(size=(50, 40))), photo("PNG", picture(size=(50, 40)))
    budget = DecodingBudget(50 * 40 * PLAIN_BYTES)
    with budget.opened(costly), budget.opened(ordinary) as opened:
        assert not opened.header.costly
    with pytest.raises(CostlyPhoto), budget.ordinary.opened(costly):
        pass


def not_started() -> Worker:
    return Worker("nothing", [], silence_s=60)


@pytest.mark.slow
def test_an_explain_worker_that_cannot_load_is_started_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts, start = list[Worker](), Worker.start

    async def counted(worker: Worker) -> None:
        starts.append(worker)
        await start(worker)

    async def twice() -> list[str]:
        explanations = Explanations(str(tmp_path / "nowhere"), not_started(), silence_s=60)
        messages = []
        for _ in range(2):
            with pytest.raises(WorkerRefusal) as caught:
                await explanations.explain(photo(), 0)
            messages.append(str(caught.value))
        await explanations.stop()
        return messages

    monkeypatch.setattr(Worker, "start", counted)
    first, second = run_async(twice())
    assert first == second
    assert "nowhere" in first
    assert len(starts) == 1


@pytest.mark.servers
def test_the_explain_worker_stops_when_idle(tiny_model: Path) -> None:
    def explainers() -> list[Any]:
        return workers_of(os.getpid(), EXPLAINING)

    async def twice() -> None:
        explanations = Explanations(str(tiny_model), not_started(), silence_s=60, idle_s=0.5)
        first = await explanations.explain(photo(), 0)
        assert len(explainers()) == 1
        async with asyncio.timeout(60):
            while explainers():
                await asyncio.sleep(0.05)
        assert looks_like(await explanations.explain(photo(), 0), first)
        await explanations.stop()
        assert not explainers()

    run_async(twice())


@pytest.mark.slow
def test_a_worker_that_hangs_while_it_loads_is_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hangs_once.py").write_text(
        "import pathlib, sys, time\n"
        "tried = pathlib.Path(sys.argv[1])\n"
        "if not tried.exists(): tried.touch(), time.sleep(600)\n"
        "from dogbreed.serving.http.ipc import READY, open_streams\n"
        "frames, send = open_streams()\n"
        "send((READY, 0, b''))\n"
        "list(frames)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("dogbreed.serving.http.worker.LOADING_S", 3.0)

    async def start() -> None:
        worker = Worker("hangs_once", [str(tmp_path / "tried")], silence_s=60)
        await worker.start()
        async with asyncio.timeout(60):
            await worker.wait_until_ready()
        await worker.stop()

    run_async(start())


def test_a_worker_that_never_starts_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = tmp_path / "tries"
    (tmp_path / "dies_thrice.py").write_text(
        "import pathlib, sys\n"
        "tries = pathlib.Path(sys.argv[1])\n"
        "tries.write_text(tries.read_text() + 'x' if tries.exists() else 'x')\n"
        "if len(tries.read_text()) < int(sys.argv[2]): sys.exit(1)\n"
        "from dogbreed.serving.http.ipc import READY, open_streams\n"
        "frames, send = open_streams()\n"
        "send((READY, 0, b''))\n"
        "list(frames)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("dogbreed.serving.http.worker.START_PAUSES_S", (0.0, 0.0, 0.0))

    async def started(deaths: int) -> Any:
        worker = Worker("dies_thrice", [str(tries), str(deaths + 1)], silence_s=60)
        await worker.start()
        try:
            await worker.wait_until_ready()
        finally:
            await worker.stop()

    run_async(started(3))
    assert tries.read_text() == "xxxx"
    tries.unlink()
    with pytest.raises(WorkerError, match="exits before it is ready"):
        run_async(started(4))
    wait_until(lambda: tries.read_text() == "xxxx", "four tries")


def test_photos_of_a_request_that_fails_count_until_they_are_done(tiny_model: Path) -> None:
    slow, done = photo("PNG"), asyncio.Event()

    class OneIsSlow(Worker):
        async def request(self, value: int, photo: bytes) -> tuple[int, bytes]:
            if photo != slow:
                raise WorkerError("it is gone")
            await done.wait()
            return 1, b"{}"

    async def request() -> None:
        counters, description = Counters(), read_description(tiny_model / "model")
        config = compose_as(ServeConfig, "serve", ["queue=2", "timeout_s=60"])
        endpoint = Endpoint(
            description,
            OneIsSlow("nothing", [], silence_s=60),
            Explanations("nowhere", not_started(), silence_s=60),
            counters,
            config,
        )
        body = json.dumps({"photos": [as_text(photo()), as_text(slow)]}).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        def send() -> asyncio.Task[Any]:
            scope = {"type": "http", "method": "POST", "headers": [], "query_string": b""}
            return asyncio.create_task(endpoint.respond(Request(scope, receive)))

        first = send()
        async with asyncio.timeout(60):
            while b"dogbreed_waiting_photos 2.0" not in counters.as_text():
                await asyncio.sleep(0.02)
        with pytest.raises(RequestError, match="Too many photos are pending"):
            await send()
        done.set()
        with pytest.raises(RequestError, match="it is gone"):
            await first
        assert b"dogbreed_waiting_photos 0.0" in counters.as_text()

    run_async(request())
