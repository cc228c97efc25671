"""Every network of timm, as timm/NAME, where the extra timm is installed."""

import importlib.util
import socket
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import Tensor, nn

from dogbreed.backbone.providers.base import PROVIDERS, Provider
from dogbreed.data.decoding.preprocessing import RESAMPLES, Preprocessing
from dogbreed.errors import EngineError, WeightsError

PRETRAINED = "pretrained"


class TimmProvider(Provider):
    """Networks by timm's own names, such as timm/vit_small_patch14_dinov2.lvd142m.

    What follows the dot names the pretrained weights; without it timm's default is taken. The
    classifier that timm removes for `num_classes=0` is left out; timm is imported when a network of
    it is first named.
    """

    title = "timm"
    prefix = "timm/"
    packages = ("timm",)
    all_convert = False

    def names(self) -> Sequence[str]:
        """All networks, and those with the names of their weights."""
        timm = _timm()
        return [f"{self.prefix}{name}" for name in [*timm.list_models(), *timm.list_pretrained()]]

    def local_names(self) -> Sequence[str]:
        """By the names of weights; a network without one stands for one of these."""
        if not _is_installed():
            return ()
        names = [f"{self.prefix}{name}" for name in _timm().list_pretrained()]
        return [name for name in names if self.has_weights(name)]

    def licence(self, name: str) -> str:
        """As timm's description of the weights states it."""
        return str(self._published(name).license or "not stated by timm")

    def build(self, name: str) -> nn.Module:
        """The network without its classifier: its output is the features."""
        network: nn.Module = _timm().create_model(
            name.removeprefix(self.prefix), pretrained=False, num_classes=0
        )
        return network

    def parameters(self, name: str) -> int:
        """By building it without memory, less its classifier."""
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in self.build(name).parameters())

    def weight_names(self, name: str) -> Sequence[str]:
        """One: further weights of a network have names of their own (NAME.TAG)."""
        return (PRETRAINED,)

    def default_weights(self, name: str) -> str:
        """Those that timm loads for the name."""
        return PRETRAINED

    def fetch(self, name: str, weights: str) -> dict[str, Tensor]:
        """From the cache of timm, or where timm says that they are."""
        try:
            if not self._can_be_had(name):
                raise ConnectionError("the host isn't reachable")
            network: nn.Module = _timm().create_model(
                name.removeprefix(self.prefix), pretrained=True, num_classes=0
            )
        except Exception as error:
            raise WeightsError(
                f"The weights of {name} can't be fetched ({type(error).__name__}). Give a file "
                "(model.weights=FILE), use another network connection, or start from random "
                "weights (model.weights=none)."
            ) from error
        return network.state_dict()

    def preprocessing(self, name: str) -> Preprocessing:
        """As timm's description of the weights has it; its crop is taken from the centre."""
        published = self._published(name)
        _, height, _ = published.input_size
        return Preprocessing(
            size_px=height,
            crop_share=published.crop_pct,
            resample=published.interpolation if published.interpolation in RESAMPLES else "bicubic",
            mean=tuple(round(255 * value, 6) for value in published.mean),
            std=tuple(round(255 * value, 6) for value in published.std),
        )

    def ignored_tensors(self, network: nn.Module) -> tuple[str, ...]:
        """The classifiers that were removed."""
        names = network.pretrained_cfg["classifier"]  # type: ignore[index]
        return tuple(f"{each}." for each in ([names] if isinstance(names, str) else names or ()))

    def remove_classifier(self, network: nn.Module) -> int:
        """It was built without one."""
        width: Any = getattr(network, "head_hidden_size", None) or network.num_features
        return int(width)

    def has_weights(self, name: str) -> bool:
        """Whether they are in the cache of huggingface_hub."""
        from huggingface_hub import try_to_load_from_cache

        hub_id = self._published(name).hf_hub_id
        files = ("model.safetensors", "pytorch_model.bin")
        return bool(hub_id) and any(
            isinstance(try_to_load_from_cache(hub_id, file), str) for file in files
        )

    def _can_be_had(self, name: str) -> bool:
        """Whether they are here or their host's name is known: else timm tries for a minute."""
        from huggingface_hub import constants

        if self.has_weights(name) or urllib.request.getproxies():
            return True
        try:
            return bool(socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, None))
        except OSError:
            return False

    def _published(self, name: str) -> Any:
        """timm's description of pretrained weights."""
        return _timm().get_pretrained_cfg(name.removeprefix(self.prefix), allow_unregistered=True)


def _is_installed() -> bool:
    return importlib.util.find_spec("timm") is not None


def _timm() -> Any:
    """The library.

    Raises:
        EngineError: it isn't installed.
    """
    if not _is_installed():
        raise EngineError(
            "Networks named timm/NAME need the package timm: pip install 'dogbreed[timm]'."
        )
    import timm

    return timm


PROVIDERS.register("timm", TimmProvider())
