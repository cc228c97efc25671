"""What stands behind the local endpoint, by itself: its workers, and room for what they decode."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from local_server import photo, picture, run_async, wait_until

from dogbreed.errors import PhotoError
from dogbreed.server.explanations import Explanations
from dogbreed.server.worker import Worker, WorkerError, WorkerRefusal
from dogbreed.serving.room import JPEG_BYTES, PLAIN_BYTES, TRANSPARENT_OR_DEEP_BYTES, Room


@pytest.mark.parametrize(
    ("kind", "mode", "pixel_bytes"),
    [
        ("JPEG", "RGB", JPEG_BYTES),
        ("PNG", "RGB", PLAIN_BYTES),
        ("WEBP", "RGB", PLAIN_BYTES),
        ("GIF", "P", PLAIN_BYTES),
        ("PNG", "RGBA", TRANSPARENT_OR_DEEP_BYTES),
        ("PNG", "LA", TRANSPARENT_OR_DEEP_BYTES),
        ("PNG", "I;16", TRANSPARENT_OR_DEEP_BYTES),
        ("TIFF", "F", TRANSPARENT_OR_DEEP_BYTES),
    ],
)
def test_a_photo_is_refused_where_it_needs_more_than_there_is(
    kind: str, mode: str, pixel_bytes: int
) -> None:
    sent = photo(kind, picture(size=(50, 40), mode=mode))
    with Room(50 * 40 * pixel_bytes).for_photo(sent):
        pass
    with (
        pytest.raises(PhotoError, match=r"50x40 pixels; the limit is 1,999 pixels here") as caught,
        Room(50 * 40 * pixel_bytes - 1).for_photo(sent),
    ):
        pass
    assert caught.value.reason == "too_large"


def test_a_photo_waits_for_its_room_which_comes_back_whatever_happens() -> None:
    sent, entered = photo("PNG", picture(size=(50, 40))), list[str]()
    room = Room(2 * 50 * 40 * PLAIN_BYTES)

    def third() -> None:
        with room.for_photo(sent):
            entered.append("third")

    waiting = threading.Thread(target=third)
    with room.for_photo(sent):
        with suppress(ZeroDivisionError), room.for_photo(sent):
            waiting.start()
            waiting.join(0.2)
            assert entered == []
            raise ZeroDivisionError
        waiting.join(60)
        assert entered == ["third"]


def test_why_nothing_can_be_explained_is_found_out_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts, start = list[Worker](), Worker.start

    async def counted(worker: Worker) -> None:
        starts.append(worker)
        await start(worker)

    async def twice() -> list[str]:
        explanations = Explanations(str(tmp_path / "nowhere"), silence_s=60)
        said = []
        for _ in range(2):
            with pytest.raises(WorkerRefusal) as caught:
                await explanations.explain(photo(), 0)
            said.append(str(caught.value))
        await explanations.stop()
        return said

    monkeypatch.setattr(Worker, "start", counted)
    first, second = run_async(twice())
    assert first == second
    assert "nowhere" in first
    assert len(starts) == 1


def test_a_worker_that_never_comes_up_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = tmp_path / "tries"
    (tmp_path / "dies_thrice.py").write_text(
        "import pathlib, sys\n"
        "tries = pathlib.Path(sys.argv[1])\n"
        "tries.write_text(tries.read_text() + 'x' if tries.exists() else 'x')\n"
        "if len(tries.read_text()) < int(sys.argv[2]): sys.exit(1)\n"
        "from dogbreed.server.frames import READY, open_streams\n"
        "frames, send = open_streams()\n"
        "send((READY, 0, b''))\n"
        "list(frames)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("dogbreed.server.worker.PAUSES_S", (0.0, 0.0, 0.0))

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
    with pytest.raises(WorkerError, match="ends before it is ready"):
        run_async(started(4))
    wait_until(lambda: tries.read_text() == "xxxx", "four tries")
