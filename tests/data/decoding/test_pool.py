"""Photos that are decoded in processes of their own: the same pixels, and an end to everything."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from conftest import THREADS
from helpers.hostile_decoder import HANGS, OUTCOMES, hostile_site
from helpers.local_server import photo, picture
from PIL import Image

from dogbreed.configuration.run import FITS
from dogbreed.data.check import check
from dogbreed.data.decoding import photos
from dogbreed.data.decoding import pool as decoding_pool
from dogbreed.data.decoding.inspection import inspect, inspected
from dogbreed.data.decoding.photos import MAX_PIXELS
from dogbreed.data.decoding.pool import DecodingPool
from dogbreed.data.decoding.preprocessing import Preprocessing, view_names
from dogbreed.data.layouts.folders import read_folders
from dogbreed.errors import EngineError, PhotoError

KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_decodes_as_this_one_does(kind: str) -> None:
    data, preprocessing = photo(kind, picture(size=(90, 60))), Preprocessing(size_px=32)
    names = view_names(3)
    wanted = photos.upright(photos.open_photo(data), wanted_px=32)
    with decoding_pool.POOL.opened(data, max_pixels=MAX_PIXELS) as opened:
        views = opened.views(preprocessing, names, b"12345678")
        small = opened.small(20)
    with decoding_pool.POOL.opened(data, max_pixels=MAX_PIXELS) as opened:
        upright = opened.upright(32, True)
    assert upright.tobytes() == wanted.tobytes()
    assert upright.size == wanted.size
    assert np.array_equal(views, preprocessing.views(wanted, names, b"12345678"))
    wanted.thumbnail((20, 20))
    assert small.tobytes() == wanted.tobytes()
    assert inspect(data) == inspected(photos.open_photo(data))


@pytest.mark.parametrize("size", [(1, 3_000_000), (3_000_000, 1)])
@pytest.mark.parametrize("fit", FITS)
def test_the_thinnest_photos_take_no_more_memory(fit: str, size: tuple[int, int]) -> None:
    """Scaled to a square in one step, such a photo would be 2.7 GB on the way."""
    data = photo("PNG", Image.new("RGB", size, (200, 100, 50)))
    with decoding_pool.POOL.opened(data, max_pixels=MAX_PIXELS) as opened:
        views = opened.views(Preprocessing(fit=fit), view_names(4), b"12345678")
    assert (views == (200, 100, 50)).all(-1).any(axis=(1, 2)).all(), "each view shows it"


@pytest.mark.parametrize("kind", ["WEBP", "TIFF"])
@pytest.mark.slow
def test_large_photos_have_the_memory_that_they_need(kind: str) -> None:
    data = photo(kind, Image.new("RGBA", (6000, 4000), (200, 100, 50, 255)))
    assert photos.decode(data, wanted_px=32).size == (6000, 4000)


def test_which_photos_are_decoded_in_a_process() -> None:
    costly = [photos.open_with_cost(photo(kind, picture(size=(90, 60))))[1] for kind in KINDS]
    assert dict(zip(KINDS, costly, strict=True)) == {
        "JPEG": False, "PNG": False, "GIF": False, "BMP": False,
        "WEBP": True, "TIFF": True, "AVIF": True, "HEIF": True,
    }  # fmt: skip


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DecodingPool:
    """A pool whose processes misbehave at some photos, in place of the one of this process."""
    monkeypatch.setenv("PYTHONPATH", hostile_site(tmp_path / "site"))
    pool = DecodingPool()
    monkeypatch.setattr("dogbreed.data.decoding.photos.POOL", pool)
    monkeypatch.setattr("dogbreed.data.decoding.inspection.POOL", pool)
    return pool


def test_whatever_a_decoder_does_is_one_bad_photo(hostile: DecodingPool) -> None:
    good = photo("WEBP")
    for end, (reason, message) in OUTCOMES.items():
        with pytest.raises(PhotoError) as caught:
            photos.decode(good + end, wanted_px=32)
        assert (caught.value.reason, message in str(caught.value)) == (reason, True), caught.value
        assert photos.decode(good, wanted_px=32).size == photos.open_photo(good).size


def test_the_check_finds_them(hostile: DecodingPool, tmp_path: Path) -> None:
    for name in ("train/a/1", "train/a/2", "train/b/1", "train/b/2", "valid/a/1", "valid/b/1"):
        path = tmp_path / "photos" / f"{name}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo("WEBP", picture(seed=len(name))))
    for number, end in enumerate(OUTCOMES):
        (tmp_path / "photos" / "train" / "a" / f"hostile{number}.webp").write_bytes(
            photo("WEBP") + end
        )
    checked = check(read_folders(tmp_path / "photos"), max_bad_share=0.9)
    bad = sorted((finding.path.name, finding.reason) for finding in checked.findings if finding.bad)
    assert bad == [(f"hostile{n}.webp", reason) for n, (reason, _) in enumerate(OUTCOMES.values())]


@pytest.mark.slow
def test_the_command_that_predicts_names_them(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "good.webp").write_bytes(photo("WEBP"))
    (folder / "hostile.webp").write_bytes(photo("WEBP") + HANGS)
    keys = [f"model={tiny_model}", f"output={tmp_path / 'out.csv'}"]
    done = subprocess.run(
        [sys.executable, "-m", "dogbreed.predict", str(folder), *keys],
        capture_output=True,
        text=True,
        env=os.environ | THREADS | {"PYTHONPATH": hostile_site(tmp_path / "site")},
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 1
    assert "2 photos, 1 of them can't be used" in done.stdout
    good, bad = (tmp_path / "out.csv").read_text().splitlines()[1:]
    assert "good.webp" in good
    assert "decoding it takes more processor time" in bad


def test_too_much_real_time_ends_it_too(hostile: DecodingPool) -> None:
    # The processor time that it may take is never reached: the process is suspended.
    before = set(_decoding_children())
    with hostile.opened(photo("WEBP"), max_pixels=MAX_PIXELS, timeout_s=2.0) as opened:
        (child,) = set(_decoding_children()) - before
        child.suspend()
        with pytest.raises(PhotoError) as caught:
            opened.upright(32, True)
    assert caught.value.reason == "too_slow"
    assert not child.is_running()


def test_a_forked_process_has_processes_of_its_own() -> None:
    data = photo("WEBP")
    wanted = photos.decode(data, wanted_px=32).tobytes()
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)

    def work() -> None:
        sending.send_bytes(photos.decode(data, wanted_px=32).tobytes())

    child = context.Process(target=work)
    child.start()
    assert receiving.poll(60)
    assert receiving.recv_bytes() == wanted
    child.join(60)
    assert child.exitcode == 0
    assert photos.decode(data, wanted_px=32).tobytes() == wanted


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    (tmp_path / "photo.webp").write_bytes(photo("WEBP"))
    program = (
        "import pathlib, sys, time, dogbreed.data.decoding.photos as photos\n"
        "photos.decode(pathlib.Path(sys.argv[1]).read_bytes(), wanted_px=32)\n"
        "print('decoded', flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "photo.webp")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == "decoded\n"
    (child,) = _decoding_children(parent.pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    psutil.wait_procs([child], timeout=60)
    assert not child.is_running()


def test_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "PIL.py").write_text("raise ImportError('no such library')\n")
    monkeypatch.setattr("dogbreed.data.decoding.pool._PACKAGES", (tmp_path,))
    with (
        pytest.raises(EngineError, match=r"ends before it is ready: .*no such library"),
        DecodingPool().opened(photo("WEBP"), max_pixels=MAX_PIXELS),
    ):
        pass
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with (
        pytest.raises(EngineError, match="can't be started: No such file"),
        DecodingPool().opened(photo("WEBP"), max_pixels=MAX_PIXELS),
    ):
        pass


def _decoding_children(pid: int | None = None) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(pid).children()
        if "dogbreed.data.decoding.process" in child.cmdline()
    ]
