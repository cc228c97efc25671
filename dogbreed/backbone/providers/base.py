"""What a provider of backbones says of its networks, and which provider a name belongs to."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from dogbreed.configuration.schema import nearest
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import ConfigError
from dogbreed.utils.registry import Registry


class Provider(ABC):
    """A source of classification networks and of their weights.

    A provider of your own registers an instance, `PROVIDERS.register("mine", Mine())`, in a module
    that is loaded as an extension (dogbreed.utils.registry). Names of networks are unique over all
    providers: begin yours with the provider's, as in "mine/small".

    Attributes:
        title: as messages name it.
        prefix: that all its names have, in which case it is consulted for no others.
        packages: what computes its networks besides torch and torchvision: their versions are part
            of a feature's identity.
        downloads: whether pretrained weights are fetched from a network.
        all_convert: whether OpenVINO is known to convert all its networks.
        cut_families: for messages, the networks that `layer_order` knows.
    """

    title: str
    prefix: str = ""
    packages: tuple[str, ...] = ()
    downloads: bool = True
    all_convert: bool = True
    cut_families: tuple[str, ...] = ()

    @abstractmethod
    def names(self) -> Sequence[str]:
        """The names that model.backbone takes."""

    @abstractmethod
    def licence(self, name: str) -> str:
        """The licence of a network's pretrained weights, as far as the provider states one."""

    def has_weights(self, name: str) -> bool:
        """Whether the default weights of a network are on this machine: nothing is downloaded."""
        return False

    def local_names(self) -> Sequence[str]:
        """The networks whose default weights are on this machine."""
        return [name for name in self.names() if self.has_weights(name)]

    @abstractmethod
    def build(self, name: str) -> nn.Module:
        """The network with random weights, by torch's generator: images [n, 3, height, width] to
        one output, normalised images in."""

    @abstractmethod
    def parameters(self, name: str) -> int:
        """How many parameters a network has by its publisher, its classifier's included."""

    @abstractmethod
    def weight_names(self, name: str) -> Sequence[str]:
        """The names of pretrained weights that model.weights takes for a network."""

    @abstractmethod
    def default_weights(self, name: str) -> str:
        """The one of them that model.weights=auto stands for."""

    @abstractmethod
    def fetch(self, name: str, weights: str) -> dict[str, Tensor]:
        """The state dict of pretrained weights, from a cache or the network.

        Raises:
            WeightsError: they can't be fetched.
        """

    def preprocessing(self, name: str) -> Preprocessing:
        """The pixels that a network was trained with: 224 px and ImageNet's colours unless
        overridden."""
        return Preprocessing()

    def tensor_name(self, key: str) -> str:
        """A tensor's name in a published file as the network has it now."""
        return key

    def classifier_name(self, network: nn.Module) -> str:
        """The dotted name of the classifier, by default the last linear layer."""
        linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
        return linear[-1] if linear else "classifier.1"

    def ignored_tensors(self, network: nn.Module) -> tuple[str, ...]:
        """How the names of tensors begin that a published file may have beyond the features: the
        classifier's, and those of auxiliary heads."""
        return (f"{self.classifier_name(network)}.", "aux1.", "aux2.", "AuxLogits.")

    def remove_classifier(self, network: nn.Module) -> int:
        """Replace the classifier by nothing; how many features then come out."""
        name = self.classifier_name(network)
        last = network.get_submodule(name)
        parent, _, attribute = name.rpartition(".")
        setattr(network.get_submodule(parent), attribute, nn.Identity())
        assert isinstance(last, nn.Linear | nn.Conv2d)
        return last.in_features if isinstance(last, nn.Linear) else last.in_channels

    def layer_order(self, name: str) -> tuple[Sequence[str], str] | None:
        """The attributes of a network in the order of its forward pass, and the first of the last
        stage: what model.trainable=last_stage cuts at. None where the layers are no sequence.

        "flatten" stands for flattening [n, c, 1, 1]. A stage such as "features.-2" is a part of
        the attribute before the dot, by its index.
        """
        return None

    def layer(self, network: nn.Module, attribute: str) -> nn.Module:
        """A layer by its attribute in `layer_order`."""
        return network.get_submodule(attribute)

    def check_cut(self, name: str) -> tuple[Sequence[str], str]:
        """As `layer_order`.

        Raises:
            ConfigError: the layers of the network are no sequence.
        """
        order = self.layer_order(name)
        if order is None:
            *others, last = [each for known in PROVIDERS.values() for each in known.cut_families]
            raise ConfigError(
                f"model.trainable=last_stage: it isn't known where {name}'s last stage begins; "
                f"it is for {', '.join(others)} and {last}."
            )
        return order

    def cut(self, name: str, network: nn.Module) -> tuple[nn.Sequential, nn.Sequential]:
        """The network as two sequences, cut before its last stage.

        Raises:
            ConfigError: as `check_cut`.
        """
        order, first_layer = self.check_cut(name)
        stage, _, index = first_layer.partition(".")
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for attribute in order:
            module = nn.Flatten(1) if attribute == "flatten" else self.layer(network, attribute)
            if attribute == stage and index:
                layers |= {f"{stage}{place}": part for place, part in enumerate(module.children())}
            else:
                layers[attribute] = module
        staged = [each for each in layers if each.startswith(stage)]
        split = list(layers).index(staged[int(index)] if index else stage)
        items = list(layers.items())
        return nn.Sequential(OrderedDict(items[:split])), nn.Sequential(OrderedDict(items[split:]))


MAX_LISTED = 100  # networks in a message
PROVIDERS: Registry[Provider] = Registry("provider of backbones")


def find_provider(name: str) -> Provider | None:
    """The provider of the network `name`, if there is one."""
    return next((each for each in _candidates(name) if name in each.names()), None)


def _candidates(name: str) -> list[Provider]:
    """The providers that may have a network `name`."""
    prefixed = [each for each in PROVIDERS.values() if each.prefix and name.startswith(each.prefix)]
    return prefixed or [each for each in PROVIDERS.values() if not each.prefix]


def provider_of(name: str, key: str = "model.backbone") -> Provider:
    """The provider of the network `name`, which was given as the value of `key`.

    Raises:
        ConfigError: no provider has such a network.
    """
    found = find_provider(name)
    if found is None:
        known = [each for provider in _candidates(name) for each in provider.names()]
        titles = [provider.title for provider in _candidates(name)]
        have = f"{' and '.join(titles)} {'has' if len(titles) == 1 else 'have'}"
        hint = nearest(name, known) or f" There are: {', '.join(known[:MAX_LISTED])}, ..."
        raise ConfigError(f"{key}={name}: {have} no such network.{hint}")
    return found
