"""Pretrained weights: from a file or from torchvision, read without running code in the file."""

import hashlib
import io
import os
import pickle
import socket
import sys
import warnings
from collections.abc import Mapping
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
import torchvision
from torch import Tensor

from dogbreed.configuration.schema import nearest
from dogbreed.errors import WeightsError
from dogbreed.utils.user_paths import cache_dir, cached_in, private_folder

NONE = "none"
AUTO = "auto"


def resolve_weights(name: str, weights: str) -> str:
    """The torchvision name that "auto" stands for; anything else as it is.

    The first ImageNet weights of a network: later recipes (label smoothing, mixup) give worse
    features under a frozen backbone (Kornblith et al. 2019, section 4.2). Two networks have none;
    of theirs, those for photos of 224 px stand last.
    """
    if weights != AUTO:
        return weights
    names = [member.name for member in torchvision.models.get_model_weights(name)]
    return "IMAGENET1K_V1" if "IMAGENET1K_V1" in names else names[-1]


def read_weights(name: str, weights: str) -> dict[str, Tensor]:
    """The state dict at a path or under a torchvision name; no code in the file is run.

    Raises:
        WeightsError: says what is wrong with the file or the name, and the ways out.
    """
    path = _file(weights)
    if path is not None:
        return _read_file(path)
    available = torchvision.models.get_model_weights(name).__members__
    wanted = resolve_weights(name, weights)
    if wanted in available:
        return _download(name, available[wanted])
    if "/" in weights or Path(weights).suffix:
        raise WeightsError(f"model.weights={weights}: there is no such file.")
    raise WeightsError(
        f"model.weights={weights}: neither a file nor weights of {name} in torchvision "
        f"({', '.join(available)}); model.weights=none starts from random ones."
        f"{nearest(weights, [*available, AUTO, NONE])}"
    )


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values, in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.view(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _file(weights: str) -> Path | None:
    """The file that is named, if there is one."""
    try:
        path = Path(weights).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError):  # a folder, a name or a home that the system refuses
        return None


def _read_file(path: Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file or a torch state dict."""
    try:
        path.open("rb").close()  # to safetensors a file that is closed to it isn't there
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice on pickles; what follows says it
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(_why_unreadable(path, error)) from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise WeightsError(f"model.weights={path}: holds no state dict (names and tensors).")
    return dict(state)


def _why_unreadable(path: Path, error: Exception) -> str:
    # torch gives the same advice on pickles for any bytes that aren't tensors, a web page's too.
    if isinstance(error, pickle.UnpicklingError) and _starts(path).startswith((b"PK", b"\x80")):
        return (
            f"model.weights={path}: holds Python objects, not only tensors, and was not loaded: "
            "unpickling them could run code. Save a state dict: torch.save(m.state_dict(), FILE)."
        )
    if isinstance(error, PermissionError):
        return f"model.weights={path}: can't be read: you lack the permission."
    return (
        f"model.weights={path}: is damaged or not a weights file "
        f"({type(error).__name__}): fetch or save it again."
    )


def _starts(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2)


def _download(name: str, weights: Any) -> dict[str, Tensor]:
    """torchvision's weights, from a cache or the network."""
    folder = _download_dir(weights)
    with cached_in(folder):
        if folder.is_relative_to(torch.hub.get_dir()):  # torch's own, which users may share
            folder.mkdir(parents=True, exist_ok=True)
        else:
            private_folder(folder.parent)
            private_folder(folder)
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(10)  # seconds for a silent network; the library sets none
    # torch's own bar for a person; elsewhere silence, as its lines are no one's.
    seen = sys.stderr.isatty()
    try:
        with ExitStack() as quiet:
            if not seen:  # torch says one thing on stdout and another on stderr
                quiet.enter_context(redirect_stdout(io.StringIO()))
                quiet.enter_context(redirect_stderr(io.StringIO()))
            state: dict[str, Tensor] = weights.get_state_dict(
                progress=seen, check_hash=True, weights_only=True, model_dir=str(folder)
            )
    except Exception as error:
        raise WeightsError(
            f"The weights {weights.name} of {name} can't be fetched from {weights.url} "
            f"({type(error).__name__}). Give a file (model.weights=FILE), use another network "
            "connection, or start from random weights (model.weights=none)."
        ) from error
    finally:
        socket.setdefaulttimeout(patience)
    return state


def _download_dir(weights: Any) -> Path:
    """Our cache; torch's own where the user has set it, or where it has these weights already."""
    of_torch = Path(torch.hub.get_dir(), "checkpoints")
    name = Path(urlsplit(weights.url).path).name
    if "TORCH_HOME" in os.environ or os.path.isfile(of_torch / name):  # noqa: PTH113 (never raises)
        return of_torch
    return cache_dir() / "weights"
