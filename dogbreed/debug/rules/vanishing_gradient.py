"""A layer's gradient is next to nothing although there is something to learn."""

from dataclasses import dataclass

import numpy as np

from dogbreed.configuration.debug import RULES
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Layers
from dogbreed.debug.rules.base import Fault, Thresholds
from dogbreed.debug.rules.layer_rule import LayerRule


@dataclass(frozen=True, kw_only=True)
class VanishingGradientThresholds(Thresholds):
    """The keys of debug.rules.vanishing_gradient."""

    # Adam's eps: below it even Adam no longer moves.
    mean_below: float = key("root mean square of a layer's gradient", above=0, default=1e-8)
    loss_above: float = key(
        "only at a training cross entropy above this (nats)", at_least=0, default=0.1
    )
    patience: int = key("records in a row", at_least=1, default=5)


class VanishingGradient(LayerRule[VanishingGradientThresholds]):
    """A layer gets next to no gradient although the loss is high."""

    thresholds_class = VanishingGradientThresholds
    recommendation = (
        "Fewer layers that squash (sigmoid, tanh), normalisation between them, or larger first "
        "weights; for a pretrained backbone: model.trainable=last_stage in place of all."
    )

    def on_layers(self, layers: Layers) -> Fault | None:
        """Over records in a row."""
        self.not_evaluated = ""
        mean = layers.grad_norm / np.sqrt(self.sizes)
        small = (mean < self.thresholds.mean_below) & (
            layers.cross_entropy > self.thresholds.loss_above
        )
        found = self.lasting(small, self.thresholds.patience)
        if not found.any():
            return None
        layer = self.worst(found, mean, highest=False)
        return Fault(
            message=f"The gradient of {self.names[layer]} was {mean[layer]:.2g} (root mean square) "
            f"at a cross entropy of {layers.cross_entropy:.3g}{self.of_layers(found)}.",
            values={"layer": self.names[layer], "gradient": float(mean[layer])},
        )


RULES.register("vanishing_gradient", VanishingGradient)
