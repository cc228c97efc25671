"""Small trainings that are healthy, or that have one fault, for the rules to find."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from dogbreed.configuration.composing import compose
from dogbreed.debug.debugger import Debugger
from dogbreed.debug.rules.verdicts import FIRED, Verdict
from dogbreed.errors import StoppedByRule

CLASSES, FEATURES, PER_CLASS = 8, 64, 96
BATCH = 64


class Plain(pl.LightningModule):
    """A module that knows nothing of this project but for the names of what it logs."""

    def __init__(
        self,
        network: nn.Module,
        optimizer: Callable[[Any], torch.optim.Optimizer] = lambda p: torch.optim.Adam(p, lr=0.003),
    ) -> None:
        super().__init__()
        self.network = network
        self._build = optimizer

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> dict[str, Tensor]:
        inputs, targets = batch
        logits = self.network(inputs)
        return {"loss": F.cross_entropy(logits, targets), "logits": logits, "targets": targets}

    def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        logits = self.network(batch[0])
        self.log("valid_loss", F.cross_entropy(logits, batch[1]), batch_size=len(batch[1]))
        right = (logits.argmax(-1) == batch[1]).float().mean()
        self.log("valid_top1", right, batch_size=len(batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self._build(self.parameters())


def clusters(seed: int, counts: Sequence[int], spread: float = 1.0) -> tuple[Tensor, Tensor]:
    """Points around a centre per class, features of unit scale."""
    centres = torch.randn(len(counts), FEATURES, generator=torch.Generator().manual_seed(1))
    random = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    noise = torch.randn(len(labels), FEATURES, generator=random)
    return (0.5 * centres[labels] + spread * noise) / (0.25 + spread**2) ** 0.5, labels


def zero_head(inputs: int = FEATURES) -> nn.Linear:
    """A last layer that starts where every class is as likely."""
    head = nn.Linear(inputs, CLASSES)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


@dataclass
class Training:
    """A module, its data, and how long; `overrides` are keys of debug.* as typed."""

    module: pl.LightningModule
    train: Any
    valid: Any
    epochs: int = 8
    overrides: tuple[str, ...] = ()


def loaders(
    train: tuple[Tensor, Tensor], valid: tuple[Tensor, Tensor], seed: int = 0
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Shuffled training batches, and validation."""
    order = torch.Generator().manual_seed(seed)
    return (
        DataLoader(TensorDataset(*train), BATCH, shuffle=True, generator=order),
        DataLoader(TensorDataset(*valid), 256),
    )


def healthy(seed: int = 0, lr: float = 0.003, epochs: int = 20) -> Training:
    """A head that learns what there is to learn."""
    torch.manual_seed(seed)
    counts = [PER_CLASS] * CLASSES
    train, valid = loaders(clusters(10 + seed, counts), clusters(90 + seed, counts), seed)
    module = Plain(zero_head(), lambda p: torch.optim.AdamW(p, lr=lr, weight_decay=0.1))
    return Training(module, train, valid, epochs)


def rate_of_ten() -> Training:
    """AdamW at a rate of 10: with its weight decay each step throws all weights away."""
    training = healthy(lr=10.0)
    training.train.dataset.tensors[0].add_(2.0)  # as features are that come out of a ReLU
    return training


def infinite_features() -> Training:
    """One photo's features overflowed in half precision."""
    training = healthy()
    features, _ = training.train.dataset.tensors
    features[17, 3] = torch.inf
    return training


def random_labels_each_time() -> Training:
    """Labels that have nothing to do with the photos, and change."""
    training = healthy(epochs=30)

    def collate(rows: Any) -> tuple[Tensor, Tensor]:
        return torch.stack([row[0] for row in rows]), torch.randint(CLASSES, (len(rows),))

    training.train = DataLoader(training.train.dataset, BATCH, shuffle=True, collate_fn=collate)
    return training


def shuffled_labels() -> Training:
    """The photos' labels were mixed up once; a network large enough learns them by heart."""
    training = healthy(epochs=25)
    _, labels = training.train.dataset.tensors
    labels[:] = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    network = nn.Sequential(nn.Linear(FEATURES, 256), nn.GELU(), zero_head(256))
    training.module = Plain(network, lambda p: torch.optim.Adam(p, lr=0.003))
    return training


def few_photos() -> Training:
    """Too few photos for a network that can learn them by heart."""
    training = healthy(epochs=25)
    training.train, training.valid = loaders(
        clusters(10, [8] * CLASSES), clusters(90, [PER_CLASS] * CLASSES)
    )
    network = nn.Sequential(nn.Linear(FEATURES, 256), nn.GELU(), zero_head(256))
    training.module = Plain(network, lambda p: torch.optim.Adam(p, lr=0.01))
    return training


def other_classes_in_validation() -> Training:
    """The class folders of the validation photos are numbered differently."""
    training = healthy(epochs=12)
    _, labels = training.valid.dataset.tensors
    labels[:] = (labels + 3) % CLASSES
    return training


def far_too_long() -> Training:
    """Everything was learned in the first epochs."""
    training = healthy(lr=0.03, epochs=40)
    training.module = Plain(zero_head(), lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.1))
    return training


def deep_sigmoids() -> Training:
    """Ten layers that squash: nothing reaches the first ones."""
    training = healthy(epochs=12)
    layers: list[nn.Module] = []
    for _ in range(10):
        layers += [nn.Linear(FEATURES, FEATURES), nn.Sigmoid()]
    training.module = Plain(
        nn.Sequential(*layers, nn.Linear(FEATURES, CLASSES)),
        lambda p: torch.optim.Adam(p, lr=1e-4),
    )
    return training


def deep_and_large() -> Training:
    """Layers whose first weights make everything larger, under a head that starts at zero."""
    training = healthy(epochs=4)
    layers: list[nn.Module] = []
    for _ in range(12):
        layer = nn.Linear(FEATURES, FEATURES)
        nn.init.normal_(layer.weight, std=4 / FEATURES**0.5)
        layers += [layer, nn.ReLU()]
    training.module = Plain(
        nn.Sequential(*layers, zero_head()), lambda p: torch.optim.Adam(p, lr=1e-7)
    )
    return training


def dead_layer() -> Training:
    """Biases far below zero: most ReLUs never open."""
    training = healthy(epochs=8)
    hidden = nn.Linear(FEATURES, 128)
    with torch.no_grad():
        hidden.bias[:100] = -50.0
    training.module = Plain(nn.Sequential(hidden, nn.ReLU(), zero_head(128)))
    return training


def frozen_head() -> Training:
    """A head that was frozen by mistake; what is below it learns around it."""
    training = healthy(epochs=8)
    head = nn.Linear(FEATURES, CLASSES)
    head.requires_grad_(False)
    training.module = Plain(nn.Sequential(nn.Linear(FEATURES, FEATURES), nn.GELU(), head))
    return training


def tiny_rate() -> Training:
    """A rate at which single precision hardly notices a step."""
    training = healthy(epochs=16)
    network = nn.Linear(FEATURES, CLASSES)
    training.module = Plain(network, lambda p: torch.optim.SGD(p, lr=1e-6))
    return training


def large_first_weights() -> Training:
    """A head that is sure of itself before it has seen a photo."""
    training = healthy(epochs=8)
    network = nn.Linear(FEATURES, CLASSES)
    nn.init.normal_(network.weight, std=1.5)
    training.module = Plain(network, lambda p: torch.optim.Adam(p, lr=0.03))
    return training


def one_class_of_95_percent() -> Training:
    """Nearly all photos are of one class."""
    training = healthy(epochs=10)
    counts = [7 * PER_CLASS, *[5] * (CLASSES - 1)]
    training.train, training.valid = loaders(clusters(10, counts), clusters(90, counts))
    return training


def photos_not_normalised() -> Training:
    """Photos from 0 to 1, without their mean taken off."""
    training = healthy(epochs=6)
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(CLASSES).repeat_interleave(32)
    photos = torch.rand(len(labels), 3, 16, 16, generator=random)
    photos[:, 0] = (photos[:, 0] + labels[:, None, None] / CLASSES) / 2
    training.train, training.valid = loaders((photos, labels), (photos, labels))
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), zero_head(16)
    )
    training.module = Plain(network)
    return training


def data_that_stops() -> Training:
    """A network disk that says nothing for a while."""
    training = healthy(epochs=2)
    loader = training.train

    class Stops:
        def __iter__(self) -> Iterator[Any]:
            for number, batch in enumerate(loader):
                if number == 5:
                    time.sleep(1.5)
                yield batch

        def __len__(self) -> int:
            return len(loader)

    training.train = Stops()
    training.overrides = ("debug.rules.stalled.seconds=0.5",)
    return training


# Each fault with the rule that it breaks.
FAULTS: dict[Callable[[], Training], str] = {
    infinite_features: "loss_not_finite",
    random_labels_each_time: "loss_not_decreasing",
    few_photos: "overfit",
    shuffled_labels: "validation_at_chance",
    other_classes_in_validation: "validation_at_chance",
    far_too_long: "overtraining",
    deep_sigmoids: "vanishing_gradient",
    deep_and_large: "exploding_gradient",
    dead_layer: "dead_units",
    frozen_head: "unchanged_weights",
    rate_of_ten: "update_ratio",
    tiny_rate: "update_ratio",
    large_first_weights: "poor_start",
    one_class_of_95_percent: "class_imbalance",
    photos_not_normalised: "inputs_not_normalised",
    data_that_stops: "stalled",
}


def bare_trainer(*callbacks: pl.Callback, **settings: Any) -> pl.Trainer:
    """A Trainer with these callbacks and nothing of Lightning's own around it."""
    return pl.Trainer(
        accelerator="cpu",
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **settings,
    )


def watch(training: Training, folder: Path) -> tuple[Verdict, ...]:
    """Train under the rules as they stand in conf/; their verdicts."""
    debugger = Debugger(folder, compose(training.overrides).debug)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        trainer = bare_trainer(debugger, max_epochs=training.epochs)
        try:
            trainer.fit(training.module, training.train, training.valid)
        except StoppedByRule as stopped:
            print(stopped)
    return debugger.verdicts()


def fired(verdicts: Sequence[Verdict]) -> set[str]:
    """The names of the rules that found something."""
    return {verdict.name for verdict in verdicts if verdict.state == FIRED}
