"""torchvision's classification networks, cut where training begins: frozen trunk, trained tail."""

import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from os import PathLike, fspath
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dogbreed.backbone.weights import AUTO, NONE, read_weights, weights_digest
from dogbreed.configuration.run import ModelConfig
from dogbreed.configuration.schema import argument, brief, nearest
from dogbreed.data.decoding.photos import IMAGENET_MEAN, IMAGENET_STD
from dogbreed.errors import ConfigError, WeightsError

HEAD, LAST_STAGE, ALL = "head", "last_stage", "all"

# Networks whose layers can be called one after the other, and so be cut before the last stage:
# the attributes in the order of their forward pass. `features` stands for its own layers.
_STAGES = ("layer1", "layer2", "layer3", "layer4")
_BLOCKS = ("block1", "block2", "block3", "block4")
_SEQUENCES: dict[tuple[str, ...], tuple[tuple[str, ...], str]] = {
    ("resnet", "resnext", "wide_resnet"): (
        ("conv1", "bn1", "relu", "maxpool", *_STAGES, "avgpool", "flatten", "fc"),
        "layer4",
    ),
    ("regnet",): (("stem", *_BLOCKS, "avgpool", "flatten", "fc"), "block4"),
    ("efficientnet", "mobilenet_v3"): (
        ("features", "avgpool", "flatten", "classifier"),
        "features.-2",
    ),
    ("convnext",): (("features", "avgpool", "classifier"), "features.-1"),
}

# Names in torchvision's published files from before its DenseNet and its ViT were rewritten.
_RENAMED = (
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)"), r"\1"),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)


class Normalise(nn.Module):
    """8-bit pixels to the scale of the pretrained weights.

    Images of any other type are taken as normalised already, which is what most people's own
    data modules hand over.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

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

    The whole stays in eval mode whatever is asked of it. Batch norms keep the statistics of the
    pretrained weights: those of a small batch, or of a frozen layer's drift, would spoil them
    (Lightning's issues 15062 and 20629).
    """

    def __init__(self, name: str, network: nn.Module, trainable: str = HEAD) -> None:
        super().__init__()
        self.name = name
        self.trainable = trainable
        self.num_features = _remove_classifier(network)
        parts = {HEAD: (network, nn.Identity()), ALL: (nn.Identity(), network)}
        trunk, tail = _cut(name, network) if trainable == LAST_STAGE else parts[trainable]
        self.trunk = nn.Sequential(OrderedDict(normalise=Normalise(), layers=trunk))
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
        return weights_digest(self.trunk.state_dict())


def build_backbone(
    name: str, weights: str | PathLike[str] = AUTO, trainable: str = HEAD
) -> Backbone:
    """Build a torchvision network by name, load its weights, freeze what isn't trained.

    Args:
        name: one of `torchvision.models.list_models(module=torchvision.models)`.
        weights: a path, a torchvision name (IMAGENET1K_V1), "auto" or "none" (seeded random).
        trainable: "head", "last_stage" or "all".

    Raises:
        ConfigError: no such network, or one that has no last stage to cut at.
        WeightsError: the weights can't be had, are damaged, or belong to another network.
    """
    check_name(name)
    if not isinstance(weights, str | PathLike):
        raise ConfigError(
            f"weights={brief(weights)}: must be a path, the name of torchvision's weights such as "
            "'IMAGENET1K_V1', 'auto' or 'none'."
        )
    trainable = argument(ModelConfig, "trainable", trainable)
    if trainable == LAST_STAGE:
        _sequence(name)  # no weights are fetched for a network that can't be cut
    if weights == NONE:
        network = _random_network(name)
        _settle_norms(network)
    else:
        network = _blank_network(name)
        _load(network, name, read_weights(name, fspath(weights)))
    return Backbone(name, network, trainable)


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
    if weights != AUTO:
        raise ConfigError(
            f"weights={brief(weights)}: the backbone has its weights already: leave it out, or "
            "give the backbone's name."
        )
    return backbone


def empty_backbone(name: str, trainable: str) -> Backbone:
    """The same network, for weights that are loaded into it next."""
    return Backbone(name, _blank_network(name), trainable)


def parameters_of(name: str) -> int:
    """How many parameters a network has by its publisher, its classifier's included.

    Raises:
        ConfigError: torchvision has no such network.
    """
    check_name(name)
    return int(next(iter(torchvision.models.get_model_weights(name))).meta["num_params"])


def check_name(name: str) -> None:
    """Raise a ConfigError if torchvision has no classification network `name`."""
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        hint = nearest(name, known) or f" There are: {', '.join(known)}."
        raise ConfigError(f"model.backbone={name}: torchvision has no such network.{hint}")


def _random_network(name: str) -> nn.Module:
    """The network with random weights of a fixed seed; the caller's random state is kept."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # GoogLeNet and Inception announce a change of their random weights.
        warnings.simplefilter("ignore", FutureWarning)
        torch.default_generator.manual_seed(0)  # torch.manual_seed would reseed the GPUs too
        network: nn.Module = torchvision.models.get_model(name, weights=None)
    if hasattr(network, "transform_input"):  # GoogLeNet, Inception: one output, and photos
        network.transform_input = True  # type: ignore[assignment]  # normalised as for all others
        network.aux_logits = False  # type: ignore[assignment]
        for auxiliary in ("aux1", "aux2", "AuxLogits"):
            if hasattr(network, auxiliary):
                setattr(network, auxiliary, None)
    return network


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
            return args[0].zero_()  # some draw again until all lie within bounds
        return func(*args, **(kwargs or {}))


def _blank_network(name: str) -> nn.Module:
    """The network for weights that are loaded next."""
    with _NoRandom():
        return _random_network(name)


def _settle_norms(network: nn.Module) -> None:
    """Give a random network's batch norms the statistics of smooth seeded noise.

    Without them random features vanish or explode with depth (Inception's reach 1e10). Mean and
    variance are taken over one pass, as in data-dependent initialisation (Mishkin & Matas 2016).
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [norm.momentum for norm in norms]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums over several threads differ in their last bits
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(0)
        images = nn.functional.interpolate(torch.randn(8, 3, 14, 14), size=224, mode="bilinear")
        for norm in norms:
            norm.momentum = 1.0
        if norms:
            network.train()(images)
    torch.set_num_threads(threads)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum


def _load(network: nn.Module, name: str, state: dict[str, Tensor]) -> None:
    """Load `state` into `network`, classifier and auxiliary heads aside.

    Raises:
        WeightsError: names or shapes of another network.
    """
    own = network.state_dict()
    classifier = _classifier_name(network)
    ignored = tuple(p for p in (f"{classifier}.", "aux1.", "aux2.", "AuxLogits."))
    state = {_renamed(key): value for key, value in state.items()}
    wanted = {key for key in own if not key.startswith(ignored) and "num_batches" not in key}
    missing = sorted(wanted - state.keys())
    surplus = sorted(key for key in state.keys() - own.keys() if not key.startswith(ignored))
    other = sorted(k for k in wanted & state.keys() if state[k].shape != own[k].shape)
    if missing or surplus or other:
        example = (missing or surplus or other)[0]
        kind = "lacks" if missing else "has beyond it" if surplus else "has in another shape"
        raise WeightsError(
            f"model.weights: these are not the weights of {name}: of its {len(wanted)} tensors "
            f"the file lacks {len(missing)}, {len(other)} have another shape, {len(surplus)} are "
            f"foreign (it {kind} {example}). Set model.backbone to the network they belong to."
        )
    own.update({key: state[key] for key in wanted})
    network.load_state_dict(own)  # its own, with the format version that MNASNet insists on


def _renamed(key: str) -> str:
    """A tensor's name in a file as its network has it now."""
    key = key.removeprefix("module.")  # of networks saved under DataParallel
    for pattern, replacement in _RENAMED:
        key = pattern.sub(replacement, key)
    return key


def _classifier_name(network: nn.Module) -> str:
    """The dotted name of the classifier: the last linear layer; SqueezeNet has a convolution."""
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    return linear[-1] if linear else "classifier.1"


def _remove_classifier(network: nn.Module) -> int:
    """Replace the classifier by nothing; how many features then come out."""
    name = _classifier_name(network)
    last = network.get_submodule(name)
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, nn.Identity())
    assert isinstance(last, nn.Linear | nn.Conv2d)
    return last.in_features if isinstance(last, nn.Linear) else last.in_channels


def _cut(name: str, network: nn.Module) -> tuple[nn.Sequential, nn.Sequential]:
    """The network as two sequences, cut before its last stage."""
    order, boundary = _sequence(name)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for attribute in order:
        module = nn.Flatten(1) if attribute == "flatten" else _child(network, attribute)
        if attribute == "features":
            layers |= {f"features{index}": layer for index, layer in enumerate(module.children())}
        else:
            layers[attribute] = module
    stage, _, index = boundary.partition(".")
    names = list(layers)
    staged = [name for name in names if name.startswith(stage)]
    first = names.index(staged[int(index)] if index else stage)
    return (
        nn.Sequential(OrderedDict(list(layers.items())[:first])),
        nn.Sequential(OrderedDict(list(layers.items())[first:])),
    )


def _sequence(name: str) -> tuple[Sequence[str], str]:
    """The layers in their order, and the one that the last stage begins with."""
    for families, sequence in _SEQUENCES.items():
        if name.startswith(families):
            return sequence
    raise ConfigError(
        f"model.trainable=last_stage: it isn't known where {name}'s last stage begins; "
        "it is for ResNet, ResNeXt, RegNet, EfficientNet, MobileNetV3 and ConvNeXt."
    )


def _child(network: nn.Module, attribute: str) -> nn.Module:
    """A layer by name; RegNet keeps its blocks in `trunk_output`."""
    if attribute.startswith("block") and hasattr(network, "trunk_output"):
        return network.trunk_output.get_submodule(attribute)  # type: ignore[union-attr]
    return network.get_submodule(attribute)
