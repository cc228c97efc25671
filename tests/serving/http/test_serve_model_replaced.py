"""A model's folder that changes under a running server: it exits with an error, or carries on."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.local_server import (
    PATIENCE_S,
    LocalServer,
    as_text,
    photo,
    run_async,
    serving,
)

from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.model import BreedClassifier
from dogbreed.serving.http.explanations import Explanations
from dogbreed.serving.http.worker import Worker
from dogbreed.serving.http.worker_errors import ModelReplaced

FAKE = """
import sys
from dogbreed.serving.http.ipc import READY, open_streams
frames, send = open_streams()
send((READY, 0, open(sys.argv[1], "rb").read()))
for number, value, data in frames:
    if data == b"die":
        sys.exit(9)
    send((number, 0, data))
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A worker's module, fake_worker, whose model is the text in the file that it is given."""
    (tmp_path / "fake_worker.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    (tmp_path / "model").write_text("one")
    return tmp_path / "model"


def test_a_worker_that_loads_another_model_is_not_used(fake: Path) -> None:
    async def replaced() -> None:
        worker = Worker("fake_worker", [str(fake)], silence_s=60, identity="one")
        await worker.start()
        await worker.wait_until_ready()
        assert (await worker.request(0, b"photo"))[1] == b"photo"
        fake.write_text("two")
        with pytest.raises(ModelReplaced, match="was replaced while it was served"):
            await worker.request(0, b"die")
        with pytest.raises(ModelReplaced, match=str(fake)):
            await worker.wait_for_end()
        await worker.stop()

    run_async(replaced())


def test_an_explain_worker_with_another_model_ends_the_server(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Worker.__init__
    monkeypatch.setattr(
        Worker,
        "__init__",
        lambda self, _, *rest, **named: make(self, "fake_worker", *rest, **named),
    )

    async def replaced() -> None:
        predict_worker = Worker("", [str(fake)], silence_s=60)
        explanations = Explanations(str(fake), predict_worker, silence_s=60, identity="two")
        with pytest.raises(ModelReplaced):
            await explanations.explain(b"photo", 0)
        with pytest.raises(ModelReplaced, match="restart the server"):
            await explanations.wait_for_end()
        await explanations.stop()

    run_async(replaced())


def other_model(folder: Path) -> Path:
    """Another model, of other classes."""
    model = BreedClassifier(("cat", "dog"), backbone="resnet18", weights="none")
    model.save(folder, preprocessing=Preprocessing(size_px=64).describe())
    return folder


def replace(model: Path, other: Path) -> None:
    shutil.rmtree(model)
    other.rename(model)


def replace_half(model: Path, other: Path) -> None:
    (other / "model.json").replace(model / "model.json")


def remove(model: Path, other: Path) -> None:
    shutil.rmtree(model)


def end_of(server: LocalServer) -> str:
    """The error that the server prints when it exits."""
    _, errors = server.process.communicate(timeout=PATIENCE_S)
    assert server.process.returncode == 1
    assert errors.startswith("error: "), errors
    assert errors.count("\n") == 1
    return str(errors)


@pytest.mark.servers
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (replace, "was replaced while it was served: restart the server"),
        (replace_half, "was changed or removed while it was served"),
        (remove, "was changed or removed while it was served"),
    ],
)
def test_a_folder_that_changes_ends_the_server_at_the_next_restart(
    tiny_model: Path, tmp_path: Path, change: Callable[[Path, Path], None], sentence: str
) -> None:
    model, other = tmp_path / "run" / "model", other_model(tmp_path / "other")
    shutil.copytree(tiny_model / "model", model)
    with serving(model.parent, "threads=1", stderr=subprocess.PIPE) as server:
        wanted = server.send(photo()).values["predictions"]
        change(model, other)
        assert server.send(photo()).values["predictions"] == wanted, "from memory"
        server.worker().kill()
        assert sentence in end_of(server)


@pytest.mark.servers
def test_an_explanation_of_another_model_ends_the_server(tiny_model: Path, tmp_path: Path) -> None:
    model, other = tmp_path / "run" / "model", other_model(tmp_path / "other")
    shutil.copytree(tiny_model / "model", model)
    with serving(model.parent, "threads=1", "engine=torch", stderr=subprocess.PIPE) as server:
        wanted = server.send(photo()).values["predictions"]
        moved = model.rename(tmp_path / "moved")
        gone = server.send_json(photos=[as_text(photo())], explain=True)
        assert gone.refused == (503, "no_model")
        assert server.send(photo()).values["predictions"] == wanted, "which continues"
        moved.rename(model)
    with serving(model.parent, "threads=1", "engine=torch", stderr=subprocess.PIPE) as server:
        replace(model, other)
        assert server.send(photo()).values["predictions"] == wanted
        assert server.send_json(photos=[as_text(photo())], explain=True).status == 503
        assert "was replaced while it was served" in end_of(server)
