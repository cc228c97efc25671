"""Weights from every kind of file and from the network: loaded, or refused in a sentence."""

import hashlib
import os
import pickle
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision
from conftest import REAL_PHOTOS, REAL_WEIGHTS, needs
from torch import Tensor

from dogbreed.backbone.architecture import Backbone, build_backbone
from dogbreed.backbone.weights import AUTO, read_weights, resolve_weights, weights_digest
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import CENTRE, Pixels, Preprocessing
from dogbreed.errors import WeightsError
from dogbreed.runtime.engine import EngineChoice, build_runner
from dogbreed.runtime.runner import F32, TORCH

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    """A whole ResNet-18, classifier included, with weights of no one else."""
    with torch.random.fork_rng():
        torch.manual_seed(77)
        network = torchvision.models.resnet18()
    return dict(network.state_dict())


def save_plain(state: State, path: Path) -> None:
    torch.save(state, path)


def save_old_format(state: State, path: Path) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


def save_checkpoint(state: State, path: Path) -> None:
    parallel = {f"module.{name}": value for name, value in state.items()}
    torch.save({"state_dict": parallel, "epoch": 90, "best_acc1": 69.8}, path)


def save_safetensors(state: State, path: Path) -> None:
    safetensors.torch.save_file(state, path)


@pytest.mark.parametrize(
    ("save", "name"),
    [
        (save_plain, "w.pth"),
        (save_plain, "no suffix"),
        (save_old_format, "w.pt"),
        (save_checkpoint, "w.pth.tar"),
        (save_safetensors, "w.safetensors"),
    ],
)
def test_every_kind_of_file_gives_the_same_network(
    save: Callable[[State, Path], None], name: str, state: State, tmp_path: Path
) -> None:
    save(state, tmp_path / name)
    before = torch.random.get_rng_state()
    backbone = build_backbone("resnet18", str(tmp_path / name))
    assert torch.equal(torch.random.get_rng_state(), before)
    loaded = backbone.trunk.get_submodule("layers").state_dict()
    assert loaded.keys() == state.keys() - {"fc.weight", "fc.bias"}
    assert all(torch.equal(loaded[key], state[key]) for key in loaded)


def test_a_path_may_begin_at_home(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    torch.save(state, tmp_path / "w.pth")
    assert read_weights("resnet18", "~/w.pth").keys() == state.keys()


def refusal(weights: str | Path, network: str = "resnet18") -> str:
    """The sentence with which `weights` are refused; one line, from which the way out can be read.

    The terminal shows it alone, so that no library's text of many lines may slip into it.
    """
    with pytest.raises(WeightsError) as refused:
        build_backbone(network, str(weights))
    message = str(refused.value)
    assert "\n" not in message
    assert "model.weights" in message
    return message


@pytest.mark.parametrize("network", ["resnet34", "mobilenet_v2", "resnet50"])
def test_weights_of_another_network_are_refused(network: str, state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "w.pth")
    message = refusal(tmp_path / "w.pth", network)
    assert f"not the weights of {network}" in message
    assert "model.backbone" in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"conv1.weight": torch.zeros(64, 3, 3, 3)}, "another shape"),
        ({"layer5.0.weight": torch.zeros(1)}, "1 are foreign"),
        ({"bn1.running_var": None}, "lacks bn1.running_var"),
    ],
)
def test_one_tensor_that_does_not_fit_is_named(
    change: dict[str, Tensor | None], said: str, state: State, tmp_path: Path
) -> None:
    changed = {key: value for key, value in {**state, **change}.items() if value is not None}
    torch.save(changed, tmp_path / "w.pth")
    message = refusal(tmp_path / "w.pth")
    assert said in message
    assert next(iter(change)) in message


def damaged_file(kind: str, state: State, path: Path) -> None:
    """What an aborted download, a full disk or a proxy leaves at `path`."""
    save = save_safetensors if path.suffix == ".safetensors" else save_plain
    save(state, path)
    whole = path.read_bytes()
    content = {
        "cut in half": whole[: len(whole) // 2],
        "last byte lost": whole[:-1],
        "only a beginning": whole[:100],
        "empty": b"",
        "noise": np.random.default_rng(0).bytes(5000),
        "text": b"weights go here\n" * 100,
        "web page": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    }
    path.write_bytes(content[kind])


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize(
    "kind",
    ["cut in half", "last byte lost", "only a beginning", "empty", "noise", "text", "web page"],
)
def test_a_damaged_file_is_refused(kind: str, name: str, state: State, tmp_path: Path) -> None:
    path = tmp_path / name
    damaged_file(kind, state, path)
    message = refusal(path)
    assert str(path) in message
    assert "is damaged or not a weights file" in message
    assert "fetch or save it again" in message


@pytest.mark.parametrize(
    "content",
    [[torch.zeros(1)], torch.zeros(3), {0: torch.zeros(1)}, {"epoch": 3}, {"w": [1.0]}],
    ids=["list", "tensor", "numbered", "no tensors", "lists"],
)
def test_a_file_without_a_state_dict_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth")
    assert "holds no state dict" in refusal(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("nowhere/w.pth", "there is no such file"),
        ("w.safetensors", "there is no such file"),
        ("~no-one-here/w.pth", "there is no such file"),
        ("/proc", "there is no such file"),
        ("long" * 100, "neither a file nor weights of resnet18"),
        ("IMAGENET1K_V7", "in torchvision (IMAGENET1K_V1, DEFAULT); model.weights=none"),
        ("imagenet", "neither a file nor weights of resnet18"),
    ],
)
def test_weights_that_are_nowhere_are_refused(weights: str, said: str) -> None:
    message = refusal(weights)
    assert f"model.weights={weights}" in message
    assert said in message


@contextmanager
def as_no_one() -> Iterator[Path]:
    """A folder in /tmp, and the rights of a user who owns nothing, root's put aside."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(user)
            Path(folder).chmod(0o755)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_file_that_may_not_be_read_is_refused(name: str, state: State) -> None:
    with as_no_one() as folder:
        os.seteuid(os.getuid())
        path = folder / name
        (save_safetensors if name.endswith("safetensors") else save_plain)(state, path)
        path.chmod(0)
        if os.getuid() == 0:
            os.seteuid(65534)
        assert "you lack the permission" in refusal(path)


def test_a_folder_that_may_not_be_entered_is_refused(state: State) -> None:
    with as_no_one() as folder:
        os.seteuid(os.getuid())
        save_plain(state, folder / "w.pth")
        folder.chmod(0)
        if os.getuid() == 0:
            os.seteuid(65534)
        assert "there is no such file" in refusal(folder / "w.pth")


class Attack:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


@pytest.mark.parametrize("name", ["w.pth", "w", "w.safetensors"])
@pytest.mark.parametrize("kind", ["torch", "old torch", "pickle 2", "pickle 4", "in a state dict"])
def test_code_in_a_file_is_not_run(kind: str, name: str, state: State, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / name
    attack = Attack(marker)
    if kind.startswith("pickle"):
        path.write_bytes(pickle.dumps(attack, protocol=int(kind[-1])))
    else:
        inside = (
            {"state_dict": {**state, "fc.bias": attack}} if kind == "in a state dict" else attack
        )
        torch.save(inside, path, _use_new_zipfile_serialization=kind != "old torch")
    message = refusal(path)
    assert not marker.exists()
    said = "damaged" if name == "w.safetensors" else "unpickling them could run code"
    assert said in message


def test_the_attack_is_one(tmp_path: Path) -> None:
    """Else the test above would hold for nothing."""
    pickle.loads(pickle.dumps(Attack(tmp_path / "marker")))  # noqa: S301  our own bytes
    assert (tmp_path / "marker").exists()


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set the address from which torchvision takes ResNet-18's weights; its cache is empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.value
    return lambda url: monkeypatch.setattr(weights, "url", url)


@contextmanager
def serving(content: bytes) -> Iterator[str]:
    """An address at which `content` can be had."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_weights_are_fetched_once_and_in_silence(
    published: Callable[[str], None],
    state: State,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    torch.save(state, tmp_path / "w.pth")
    content = (tmp_path / "w.pth").read_bytes()
    name = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    with serving(content) as address:
        published(f"{address}/{name}")
        first = build_backbone("resnet18", AUTO)
    again = build_backbone("resnet18", "IMAGENET1K_V1")  # the server is gone
    assert capfd.readouterr() == ("", "")
    assert first.digest() == again.digest()
    loaded = first.trunk.get_submodule("layers").state_dict()
    assert torch.equal(loaded["conv1.weight"], state["conv1.weight"])


def test_weights_that_arrive_damaged_are_refused(published: Callable[[str], None]) -> None:
    with serving(b"half of it") as address:
        published(f"{address}/resnet18-f37072fd.pth")
        message = refusal(AUTO)
    assert f"can't be fetched from {address}/resnet18-f37072fd.pth" in message


def ways_out(message: str) -> bool:
    return "model.weights=FILE" in message and "model.weights=none" in message


def test_no_network_is_said_at_once(
    published: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but not listening: connections are refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/resnet18-f37072fd.pth"
        published(url)
        started = time.monotonic()
        message = refusal(AUTO)
    assert time.monotonic() - started < 30  # a machine under load; else it would wait for ever
    assert url in message
    assert ways_out(message)
    assert capfd.readouterr() == ("", "")
    assert socket.getdefaulttimeout() is None


def test_a_network_that_says_nothing_is_given_up(
    published: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.setdefaulttimeout
    monkeypatch.setattr(socket, "setdefaulttimeout", lambda s: real(s and s / 50))  # no 10 s here
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        published(f"http://127.0.0.1:{silent.getsockname()[1]}/resnet18-f37072fd.pth")
        end = threading.Timer(60, silent.shutdown, (socket.SHUT_RDWR,))  # that this test ends too
        end.start()
        started = time.monotonic()
        assert ways_out(refusal(AUTO))
        end.cancel()
    assert time.monotonic() - started < 50
    assert socket.getdefaulttimeout() is None


def test_auto_means_the_first_imagenet_weights() -> None:
    assert resolve_weights("resnet50", AUTO) == "IMAGENET1K_V1"
    assert resolve_weights("resnet50", "my/file.pth") == "my/file.pth"


def test_auto_stands_for_weights_that_fit_photos_of_224_px() -> None:
    for name in torchvision.models.list_models(module=torchvision.models, include="vit_*"):
        member = torchvision.models.get_model_weights(name)[resolve_weights(name, AUTO)]
        assert member.meta["min_size"] == (224, 224), name  # no ViT takes any other size


def test_the_digest_is_of_names_types_shapes_and_values() -> None:
    state = {"a": torch.arange(6.0), "b": torch.ones(2, 2), "n": torch.tensor(3)}
    digest = weights_digest(state)
    assert weights_digest(dict(reversed(state.items()))) == digest
    assert weights_digest({key: value.clone() for key, value in state.items()}) == digest
    nudged = state["a"].clone()
    nudged[3] = np.nextafter(np.float32(3), np.float32(4)).item()
    for other in (
        {**state, "a": nudged},
        {**state, "a": state["a"].view(2, 3)},
        {**state, "a": state["a"].double()},
        {**state, "n": torch.tensor(4)},
        {"c": state["a"], "b": state["b"], "n": state["n"]},
        {"a": state["a"], "b": state["b"]},
    ):
        assert weights_digest(other) != digest


def test_the_digest_looks_through_layouts_and_types_without_numpy() -> None:
    photo = torch.rand(2, 3, 4, 4)
    strided = photo.to(memory_format=torch.channels_last)
    assert weights_digest({"a": strided}) == weights_digest({"a": photo})
    weights_digest({"half": torch.ones(2, dtype=torch.bfloat16), "none": torch.ones(0, 3)})


def nearest_breed_share(backbone: Backbone, pixels: Pixels, labels: list[str]) -> float:
    """How often the nearest other photo, by cosine, shows the same breed."""
    runner = build_runner(EngineChoice(TORCH, F32, "test"), backbone.trunk, pixels.shape[1])
    features = torch.from_numpy(runner(pixels))
    features = torch.nn.functional.normalize(features - features.mean(0))
    similar = features @ features.T
    nearest = similar.fill_diagonal_(-1).argmax(1)
    return float(np.mean([labels[i] == labels[j] for i, j in enumerate(nearest)]))


@needs(REAL_WEIGHTS)
@needs(REAL_PHOTOS)
def test_real_weights_tell_breeds_apart() -> None:
    preprocessing = Preprocessing(size_px=112)
    folders = sorted(folder for folder in (REAL_PHOTOS / "train").iterdir() if folder.is_dir())
    paths = [path for folder in folders[:60:12] for path in sorted(folder.iterdir())[:6]]
    pixels = np.stack(
        [
            preprocessing.view(photos.decode(path.read_bytes(), wanted_px=112), CENTRE)
            for path in paths
        ]
    )
    labels = [path.parent.name for path in paths]
    pretrained = build_backbone("resnet50", str(REAL_WEIGHTS))
    assert nearest_breed_share(pretrained, pixels, labels) > 0.7
