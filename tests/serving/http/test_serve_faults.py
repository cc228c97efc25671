"""The local endpoint when its worker dies or hangs, when it is stopped, and when it can't start."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from helpers.alike import alike, looks_like
from helpers.hostile_decoder import HANGS, OUTCOMES, hostile_site
from helpers.local_server import (
    CRASHES_DECODER,
    CRASHES_DECODER_SITE,
    EXPLAINING,
    FATAL,
    PATIENCE_S,
    LocalServer,
    as_text,
    photo,
    picture,
    serving,
    wait_until,
)

pytestmark = pytest.mark.servers

TIMEOUT_S = 3.0


@pytest.fixture(scope="module")
def server(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """One whose decoder crashes on a poison request."""
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(CRASHES_DECODER_SITE)
    # As many may wait as the tests send at once, however slow the machine is.
    arguments = ("threads=1", f"timeout_s={TIMEOUT_S}", "queue=64")
    with serving(tiny_model, *arguments, PYTHONPATH=str(site)) as started:
        yield started


def gone(pid: int) -> bool:
    """Whether a process has ended, waited for or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_killed_worker_costs_no_answer(server: LocalServer) -> None:
    front, before = server.process.pid, server.metrics()["dogbreed_worker_restarts_total"]
    wanted = [server.send(photo("PNG", picture(seed))).values["predictions"] for seed in range(8)]
    worker = server.worker()
    worker.suspend()  # so that all are in flight when it dies
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(server.send, photo("PNG", picture(seed))) for seed in range(8)]
        wait_until(lambda: server.metrics()["dogbreed_waiting_photos"] == 8, "all wait")
        worker.kill()
        answers = [each.result() for each in futures]
    assert [answer.status for answer in answers] == [200] * 8
    assert [answer.values["predictions"] for answer in answers] == wanted
    assert server.process.pid == front
    assert server.process.poll() is None
    assert server.worker().pid != worker.pid
    assert gone(worker.pid)
    assert server.metrics()["dogbreed_worker_restarts_total"] == before + 1


def test_a_killed_explainer_is_replaced(tiny_model: Path) -> None:
    with serving(tiny_model, "threads=1", "engine=torch") as server:
        first = server.send_json(photos=[as_text(photo())], explain=True).values["predictions"]
        explainer = server.worker(EXPLAINING)
        explainer.kill()
        again = server.send_json(photos=[as_text(photo())], explain=True)
        assert again.status == 200
        assert again.values["predictions"] == first
        assert server.worker(EXPLAINING).pid != explainer.pid


def test_a_worker_killed_while_it_explains_costs_no_answer(server: LocalServer) -> None:
    sent = [photo("PNG", picture(seed, (900, 700))) for seed in range(4)]
    wanted = server.send_json(photos=sent, explain=True).values["predictions"]
    worker = server.worker()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(server.send_json, photos=sent, explain=True)
        wait_until(lambda: server.metrics()["dogbreed_waiting_photos"] == 4, "it is at work")
        worker.kill()
        answers = future.result().values["predictions"]
    for answer, other in zip(answers, wanted, strict=True):
        assert looks_like(*(b64decode(each.pop("explanation")) for each in (answer, other)))
    assert alike(answers, wanted)
    assert server.worker().pid != worker.pid


def test_explaining_and_answering_at_once(server: LocalServer) -> None:
    restarts = server.metrics()["dogbreed_worker_restarts_total"]
    sent = [photo("PNG", picture(seed)) for seed in range(4)]

    def send(number: int) -> int:
        return server.send_json(photos=sent[: 1 + number % 4], explain=number % 2 == 0).status

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(send, range(1200))) == {200}
    assert server.metrics()["dogbreed_worker_restarts_total"] == restarts


def test_another_model_under_the_same_name_changes_nothing(
    tiny_model: Path, tmp_path: Path
) -> None:
    latest, other = tmp_path / "latest", tmp_path / "other"
    latest.symlink_to(tiny_model)
    with serving(latest, "threads=1") as started:
        wanted = started.send(photo()).values["predictions"]
        other.mkdir()  # as a training that ends meanwhile, with another model
        latest.unlink()
        latest.symlink_to(other)
        started.worker().kill()
        wait_until(lambda: started.metrics()["dogbreed_worker_restarts_total"] == 1, "a new one")
        assert alike(started.send(photo()).values["predictions"], wanted)


def test_a_worker_that_dies_while_nobody_asks(server: LocalServer) -> None:
    worker = server.worker()
    worker.kill()
    wait_until(lambda: server.get("/ping").status == 503, "it isn't ready")
    assert server.send(photo()).status == 200, "sent before it is ready: it waits"
    assert server.get("/ping").status == 200


def test_a_worker_that_hangs_is_replaced(server: LocalServer) -> None:
    worker = server.worker()
    worker.suspend()
    start = time.monotonic()
    assert server.send(photo()).status == 200
    assert time.monotonic() - start >= TIMEOUT_S
    assert gone(worker.pid)
    assert server.worker().pid != worker.pid


@pytest.mark.parametrize(
    ("word", "code", "restarts"), [(CRASHES_DECODER, "damaged", 0), (FATAL, "unusable", 2)]
)
def test_a_poison_photo_is_refused_and_the_others_are_answered(
    server: LocalServer, word: bytes, code: str, restarts: int
) -> None:
    poison, before = photo() + word, server.metrics()["dogbreed_worker_restarts_total"]
    with ThreadPoolExecutor(5) as pool:
        bad = pool.submit(server.send, poison)
        good = [pool.submit(server.send, photo("PNG", picture(seed))) for seed in range(4)]
        assert [each.result().status for each in good] == [200] * 4
        assert bad.result().refused == (400, code)
    # It is sent alone once, and only once.
    assert server.metrics()["dogbreed_worker_restarts_total"] == before + restarts
    mixed = server.send_json(photos=[photo(), poison, photo("PNG")])
    assert mixed.status == 200
    assert ["classes" in entry for entry in mixed.values["predictions"]] == [True, False, True]
    assert server.process.poll() is None


def test_photos_that_hang_are_refused_and_keep_nobody_waiting(
    tiny_model: Path, tmp_path: Path
) -> None:
    site = hostile_site(tmp_path / "site")
    with serving(tiny_model, "threads=1", "timeout_s=60", PYTHONPATH=site) as server:
        worker, hanging = server.worker().pid, photo("WEBP") + HANGS
        with ThreadPoolExecutor(2) as pool:
            # More than there are processors.
            many = pool.submit(server.send_json, photos=[hanging] * 12)
            wait_until(lambda: server.metrics()["dogbreed_waiting_photos"] == 12, "all wait")
            while not many.done():
                assert server.send(photo()).status == 200
            assert many.result().refused == (413, "too_slow")
        for end, (reason, _) in OUTCOMES.items():
            status = 400 if reason == "damaged" else 413
            for data in (photo("WEBP"), photo("JPEG")):
                assert server.send(data + end).refused == (status, reason)
        assert server.send(photo("WEBP")).status == 200
        assert server.worker().pid == worker
        assert server.metrics()["dogbreed_worker_restarts_total"] == 0


def test_a_signal_stops_it_once_all_is_answered(tiny_model: Path) -> None:
    with serving(tiny_model, "threads=1") as server:
        worker = server.worker()
        worker.suspend()
        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(server.send, photo()) for _ in range(4)]
            wait_until(lambda: server.metrics()["dogbreed_waiting_photos"] == 4, "all wait")
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not listens(server.port), "no new connection is taken")
            time.sleep(0.5)  # else it would go well too where nothing is waited for
            worker.resume()
            assert [each.result().status for each in futures] == [200] * 4
        out, _ = server.process.communicate(timeout=PATIENCE_S)
        assert server.process.returncode == 0
        assert "Traceback" not in out
        assert gone(worker.pid)


def test_a_killed_server_leaves_no_worker(tiny_model: Path) -> None:
    with serving(tiny_model, "threads=1") as server:
        worker = server.worker()
        server.process.kill()
        server.process.wait()
        wait_until(lambda: gone(worker.pid), "the worker ends")


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def refused(*arguments: str, **variables: str) -> tuple[int, str]:
    """The exit code and the sentence of a server that doesn't start."""
    done = subprocess.run(
        [sys.executable, "-m", "dogbreed.serve", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
        timeout=PATIENCE_S,
    )
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.returncode, done.stderr


def test_a_port_that_is_taken(tiny_model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, sentence = refused(f"model={tiny_model}", f"port={port}")
    assert code == 2
    assert f"port={port}" in sentence


@pytest.mark.parametrize("host", ["256.1.1.1", "a..b"])
def test_an_address_that_is_none(tiny_model: Path, host: str) -> None:
    code, sentence = refused(f"model={tiny_model}", f"host={host}", "port=0")
    assert code == 2
    assert f"host={host}" in sentence


def test_a_model_that_is_missing(tmp_path: Path) -> None:
    code, sentence = refused(f"model={tmp_path / 'nowhere'}", "port=0")
    assert code == 1
    assert "nowhere" in sentence


@pytest.mark.parametrize("name", ["model.json", "openvino.bin"])
def test_a_model_that_is_damaged(tiny_model: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(tiny_model / "model", tmp_path / "model")
    data = bytearray((tmp_path / "model" / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "model" / name).write_bytes(data)
    code, sentence = refused(f"model={tmp_path}", "port=0")
    assert code == 1
    assert name in sentence


@pytest.mark.parametrize(
    ("argument", "word"),
    [("prot=8080", "Did you mean port"), ("port=99999", "port")],
)
def test_a_key_or_a_value_that_is_wrong(argument: str, word: str) -> None:
    code, sentence = refused(argument)
    assert code == 2
    assert word in sentence


def test_what_the_extra_brings_is_missing(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, package=None: "
        "None if name == 'fastapi' else found(name, package)\n"
    )
    code, sentence = refused(f"model={tiny_model}", "port=0", PYTHONPATH=str(tmp_path))
    assert code == 1
    assert "fastapi must be installed: pip install 'dogbreed[serve]'" in sentence
