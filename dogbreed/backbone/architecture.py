"""A pretrained network, cut where training begins: frozen trunk, trained tail."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from os import PathLike, fspath
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dogbreed.backbone.providers.base import Provider, find_provider, provider_of
from dogbreed.backbone.providers.torchvision_models import TorchvisionProvider
from dogbreed.backbone.weights import (
    AUTO,
    NONE,
    lasting_name,
    read_weights,
    weights_digest,
)
from dogbreed.configuration.run import ModelConfig
from dogbreed.configuration.schema import argument, brief
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import ConfigError, WeightsError

HEAD, LAST_STAGE, ALL = "head", "last_stage", "all"


class Normalise(nn.Module):
    """8-bit pixels to the scale of the pretrained weights.

    Images of any other type are taken as normalised already, as most data modules give them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, pixels: Preprocessing) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(pixels.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(pixels.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """images: [n, 3, height, width], uint8 in 0..255 or already normalised floats."""
        if images.dtype != torch.uint8:
            return images
        return (images.to(self.mean.dtype) - self.mean) / self.std


class Backbone(nn.Module):
    """A network less its classifier: `trunk` (frozen) then `tail` (trained), images to features.

    `trunk` maps images [n, 3, size, size] to activations at the frozen boundary, `tail` maps those
    to features [n, num_features]. With trainable="head" the tail is empty, with "all" the trunk
    only normalises.

    All of it stays in eval mode, even after `train()`. Batch norms keep the statistics of the
    pretrained weights: those of a small batch, or of a frozen layer's drift, would spoil them
    (Lightning's issues 15062 and 20629).

    Attributes:
        preprocessing: the pixels that it takes; by default those that its weights were trained
            with. Its mean and standard deviation are applied in here, its size where photos are
            decoded.
        frozen_digest: that of the frozen part's weights, for a backbone that is trained on cached
            features and has no such weights; None: computed.
        weights: what `build_backbone` builds the same from: a provider's name, the path of a file,
            "none"; "auto" where that isn't known.
    """

    frozen_digest: str | None = None
    weights: str = AUTO

    def __init__(
        self,
        name: str,
        network: nn.Module,
        trainable: str = HEAD,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.trainable = trainable
        provider = _provider_or_generic(name)
        self.preprocessing = preprocessing or provider.preprocessing(name)
        self.num_features = provider.remove_classifier(network)
        parts = {HEAD: (network, nn.Identity()), ALL: (nn.Identity(), network)}
        trunk, tail = provider.cut(name, network) if trainable == LAST_STAGE else parts[trainable]
        self.trunk = nn.Sequential(
            OrderedDict(normalise=Normalise(self.preprocessing), layers=trunk)
        )
        self.tail = tail
        self.trunk.requires_grad_(False)
        self.to(memory_format=torch.channels_last)
        self.train(False)

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in eval mode: see the class."""
        super().train(False)
        return self

    def frozen(self, images: Tensor) -> Tensor:
        """Activations at the frozen boundary, without a graph."""
        with torch.no_grad():
            activations: Tensor = self.trunk(images)
        return activations

    def forward(self, images: Tensor) -> Tensor:
        """images [n, 3, size, size] to features [n, num_features]."""
        features: Tensor = self.tail(self.frozen(images))
        return features

    def digest(self) -> str:
        """What identifies the frozen part's weights: the same weights give the same text."""
        return self.frozen_digest or weights_digest(self.trunk.state_dict())


def build_backbone(
    name: str,
    weights: str | PathLike[str] = AUTO,
    trainable: str = HEAD,
    preprocessing: Preprocessing | None = None,
) -> Backbone:
    """Build a provider's network by name, load its weights, freeze what isn't trained.

    Args:
        name: a network of a provider (dogbreed.backbone.providers), such as torchvision's.
        weights: a path, a provider's name (IMAGENET1K_V1), "auto" or "none" (seeded random).
        trainable: "head", "last_stage" or "all".
        preprocessing: the pixels that it is to take; None: those of its weights.

    Raises:
        ConfigError: no such network, or one that has no last stage to cut at.
        WeightsError: the weights can't be had, are damaged, or belong to another network.
    """
    provider = provider_of(name)
    if not isinstance(weights, str | PathLike):
        raise ConfigError(
            f"weights={brief(weights)}: must be a path, a name of weights in {provider.title} such "
            f"as {provider.default_weights(name)!r}, 'auto' or 'none'."
        )
    trainable = argument(ModelConfig, "trainable", trainable)
    if trainable == LAST_STAGE:
        provider.check_cut(name)  # no weights are fetched for a network that can't be cut
    if weights == NONE:
        network = _random_network(provider, name)
        _settle_norms(network, provider.preprocessing(name).size_px)
    else:
        network = _blank_network(provider, name)
        _load(network, name, provider, read_weights(name, fspath(weights)))
    backbone = Backbone(name, network, trainable, preprocessing)
    backbone.weights = lasting_name(name, fspath(weights))
    return backbone


def as_backbone(
    backbone: str | Backbone, weights: str | PathLike[str] = AUTO, trainable: str = HEAD
) -> Backbone:
    """A backbone that was built already, or one by name as `build_backbone` builds it.

    Raises:
        ConfigError: it is neither, or one that was built and settings that are for another.
    """
    trainable = argument(ModelConfig, "trainable", trainable)
    if isinstance(backbone, str):
        return build_backbone(backbone, weights, trainable)
    if not isinstance(backbone, Backbone):
        raise ConfigError(
            f"backbone={brief(backbone)}: must be a torchvision network's name, such as "
            "'resnet50', or a dogbreed.backbone.architecture.Backbone(name, network)."
        )
    if trainable not in (HEAD, backbone.trainable):
        raise ConfigError(
            f"trainable={trainable!r}: the backbone was built with trainable="
            f"{backbone.trainable!r}: build it with the one that you want."
        )
    if weights not in (AUTO, backbone.weights):
        raise ConfigError(
            f"weights={brief(weights)}: the backbone has its weights already: leave it out, or "
            "give the backbone's name."
        )
    return backbone


def empty_backbone(
    name: str, trainable: str, preprocessing: Preprocessing | None = None
) -> Backbone:
    """The same network, for weights that are loaded into it next."""
    return Backbone(name, _blank_network(provider_of(name), name), trainable, preprocessing)


def parameters_of(name: str) -> int:
    """How many parameters a network has by its publisher, its classifier's included.

    Raises:
        ConfigError: no provider has such a network.
    """
    return provider_of(name).parameters(name)


def preprocessing_of(name: str) -> Preprocessing:
    """The pixels that a network's published weights were trained with.

    Raises:
        ConfigError: no provider has such a network.
    """
    return provider_of(name).preprocessing(name)


def _provider_or_generic(name: str) -> Provider:
    """The provider of a network; for one that a caller built, under a name of its own, a default
    that knows ImageNet's scale, the last linear layer and the families of torchvision."""
    return find_provider(name) or TorchvisionProvider()


def _random_network(provider: Provider, name: str) -> nn.Module:
    """The network with random weights of a fixed seed; the caller's random state is restored."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # torch.manual_seed would reseed the GPUs too
        return provider.build(name)


class _NoRandom(TorchFunctionMode):
    """Zeros in place of random weights, which take most of the time that building takes."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in (torch.Tensor.uniform_, torch.Tensor.normal_):
            return args[0].zero_()  # some sample again until all are within bounds
        return func(*args, **(kwargs or {}))


def _blank_network(provider: Provider, name: str) -> nn.Module:
    """The network for weights that are loaded next."""
    with _NoRandom():
        return _random_network(provider, name)


def _settle_norms(network: nn.Module, size_px: int) -> None:
    """Give a random network's batch norms the statistics of smooth seeded noise.

    Without them random features vanish or explode with depth (Inception's reach 1e10). Mean and
    variance are taken over one pass, as in data-dependent initialisation (Mishkin & Matas 2016).
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums over several threads differ in their last bits
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(0)
        images = nn.functional.interpolate(torch.randn(8, 3, 14, 14), size=size_px, mode="bilinear")
        for norm in norms:
            norm.momentum = 1.0
        if norms:
            network.train()(images)
    torch.set_num_threads(threads)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _load(network: nn.Module, name: str, provider: Provider, state: dict[str, Tensor]) -> None:
    """Load `state` into `network`, classifier and auxiliary heads aside.

    Raises:
        WeightsError: names or shapes of another network.
    """
    network_state = network.state_dict()
    ignored = provider.ignored_tensors(network)
    # "module." is before the names of networks that were saved under DataParallel.
    state = {provider.tensor_name(k.removeprefix("module.")): state[k] for k in state}
    wanted = {
        key for key in network_state if not key.startswith(ignored) and "num_batches" not in key
    }
    missing = sorted(wanted - state.keys())
    surplus = sorted(
        key for key in state.keys() - network_state.keys() if not key.startswith(ignored)
    )
    other = sorted(k for k in wanted & state.keys() if state[k].shape != network_state[k].shape)
    if missing or surplus or other:
        example = (missing or surplus or other)[0]
        kind = "lacks" if missing else "has beyond it" if surplus else "has in another shape"
        raise WeightsError(
            f"model.weights: these are not the weights of {name}: of its {len(wanted)} tensors "
            f"the file lacks {len(missing)}, {len(other)} have another shape, {len(surplus)} are "
            f"foreign (it {kind} {example}). Set model.backbone to the network they belong to."
        )
    network_state.update({key: state[key] for key in wanted})
    # Its own, with the format version that MNASNet insists on.
    network.load_state_dict(network_state)
