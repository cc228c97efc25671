"""Pretrained weights, from a file or a provider, read without running code in the file."""

import hashlib
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from dogbreed.backbone.providers.base import provider_of
from dogbreed.configuration.schema import nearest
from dogbreed.errors import WeightsError

NONE = "none"
AUTO = "auto"


def resolve_weights(name: str, weights: str) -> str:
    """The provider's name of what "auto" stands for; anything else as it is."""
    return provider_of(name).default_weights(name) if weights == AUTO else weights


def lasting_name(name: str, weights: str) -> str:
    """What names the same weights in another folder and another version: no "auto", a full path."""
    path = _file(weights)
    return resolve_weights(name, weights) if path is None else str(path.absolute())


def read_weights(name: str, weights: str) -> dict[str, Tensor]:
    """The state dict at a path or under a provider's name; no code in the file is run.

    Raises:
        WeightsError: what is wrong with the file or the name, and what to do.
    """
    path = _file(weights)
    if path is not None:
        return _read_file(path)
    provider = provider_of(name)
    available = provider.weight_names(name)
    wanted = resolve_weights(name, weights)
    if wanted in available:
        return provider.fetch(name, wanted)
    if "/" in weights or Path(weights).suffix:
        raise WeightsError(f"model.weights={weights}: there is no such file.")
    raise WeightsError(
        f"model.weights={weights}: neither a file nor weights of {name} in {provider.title} "
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
