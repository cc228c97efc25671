"""Rules about gradients, weights and units of the trained layers."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dogbreed.configuration.debug import (
    DeadUnitsLimits,
    ExplodingGradientLimits,
    UnchangedWeightsLimits,
    UpdateRatioLimits,
    VanishingGradientLimits,
)
from dogbreed.debug.recording.observations import Layers, Start
from dogbreed.debug.rules.base import Fault, Rule

Flags = npt.NDArray[np.bool_]
LimitsType = TypeVar("LimitsType")

# The root mean square below which a gradient is next to nothing, Adam's eps: what follows from it
# is for the rule of vanishing gradients to say.
NO_GRADIENT = 1e-8
# Below a tenth of the highest learning rate so far a schedule is at its ends: small updates there
# are what it is for.
SCHEDULE_ENDS_SHARE = 0.1


class LayerRule(Rule[LimitsType]):
    """A rule that looks at each trained layer by itself."""

    def on_start(self, start: Start) -> None:
        """Nothing was seen of any layer yet."""
        self.names = start.layers
        self.sizes = np.array(start.sizes, np.float64)
        self._in_a_row = np.zeros(len(start.layers), np.int64)

    def lasting(self, so: Flags, patience: int) -> Flags:
        """The layers of which something was so for `patience` records in a row."""
        self._in_a_row = np.where(so, self._in_a_row + 1, 0)
        return self._in_a_row >= patience

    def living(self, layers: Layers) -> Flags:
        """The layers whose gradient is more than nothing; one that isn't there counts too."""
        living: Flags = ~(layers.grad_norm < NO_GRADIENT * np.sqrt(self.sizes))
        return living

    def worst(self, found: Flags, values: npt.NDArray[np.floating], highest: bool) -> int:
        """The layer with the highest, or the lowest value of those found."""
        ranked = np.where(found, values if highest else -values, -np.inf)
        return int(np.nan_to_num(ranked, nan=np.inf).argmax())

    def of_layers(self, found: Flags) -> str:
        """How many of the layers it was found of, where there are several."""
        return f" ({int(found.sum())} of {len(found)} layers)" if len(found) > 1 else ""


class VanishingGradient(LayerRule[VanishingGradientLimits]):
    """A layer gets next to no gradient although the loss is high."""

    advice = (
        "Fewer layers that squash (sigmoid, tanh), normalisation between them, or larger first "
        "weights; for a pretrained backbone: model.trainable=last_stage in place of all."
    )

    def on_layers(self, layers: Layers) -> Fault | None:
        """Over records in a row."""
        self.not_judged = ""
        mean = layers.grad_norm / np.sqrt(self.sizes)
        small = (mean < self.limits.mean_below) & (layers.cross_entropy > self.limits.loss_above)
        found = self.lasting(small, self.limits.patience)
        if not found.any():
            return None
        layer = self.worst(found, mean, highest=False)
        return Fault(
            seen=f"The gradient of {self.names[layer]} was {mean[layer]:.2g} (root mean square) "
            f"at a cross entropy of {layers.cross_entropy:.3g}{self.of_layers(found)}.",
            values={"layer": self.names[layer], "gradient": float(mean[layer])},
        )


class ExplodingGradient(LayerRule[ExplodingGradientLimits]):
    """A layer's gradient is huge or not finite."""

    advice = (
        "Lower optim.lr and start from smaller weights; inputs that aren't normalised do it too."
    )

    def on_layers(self, layers: Layers) -> Fault | None:
        """At any record. A gradient that isn't there (NaN) is no gradient that is infinite."""
        self.not_judged = ""
        found = layers.grad_norm > self.limits.norm_above
        if not found.any():
            return None
        layer = self.worst(found, layers.grad_norm, highest=True)
        norm = float(layers.grad_norm[layer])
        return Fault(
            seen=f"The gradient of {self.names[layer]} had a norm of {norm:.3g}"
            f"{self.of_layers(found)}.",
            values={"layer": self.names[layer], "norm": norm},
        )


class DeadUnits(Rule[DeadUnitsLimits]):
    """Many units of an activation give nothing, whatever the photo."""

    advice = (
        "Lower optim.lr, or take a head whose activation lets negative values through "
        "(model.head=mlp has GELU)."
    )

    def __init__(self, name: str, limits: DeadUnitsLimits) -> None:
        super().__init__(name, limits)
        self.not_judged = "the trained part has no activations"

    def on_layers(self, layers: Layers) -> Fault | None:
        """Units that were silent for long enough."""
        for name, silent in layers.silent.items():
            self.not_judged = ""
            share = float((silent >= self.limits.patience).mean())
            if share > self.limits.share_above:
                return Fault(
                    seen=f"{share:.0%} of the {len(silent)} units of {name} gave nothing for any "
                    f"photo of {self.limits.patience} records.",
                    values={"activation": name, "share": share},
                )
        return None


class UnchangedWeights(LayerRule[UnchangedWeightsLimits]):
    """A layer that is in the optimiser's hands and never changes."""

    advice = (
        "See that its parameters require a gradient and are in the optimiser with a learning rate "
        "above zero (optim.lr, optim.backbone_lr_scale)."
    )

    def on_layers(self, layers: Layers) -> Fault | None:
        """Over records in a row."""
        self.not_judged = ""
        same = (layers.update_ratio == 0) & self.living(layers) & (layers.lr > 0)
        found = self.lasting(same, self.limits.patience)
        if not found.any():
            return None
        layer = int(found.argmax())
        return Fault(
            seen=f"The weights of {self.names[layer]} haven't changed over "
            f"{int(self._in_a_row[layer])} records{self.of_layers(found)}.",
            values={"layer": self.names[layer], "weight_norm": float(layers.weight_norm[layer])},
        )


class UpdateRatio(LayerRule[UpdateRatioLimits]):
    """Updates are out of proportion to the weights."""

    advice = (
        "Too large: lower optim.lr, or optim.weight_decay, which is multiplied by it. Too small: "
        "raise optim.lr, or optim.backbone_lr_scale for layers of the backbone."
    )

    def on_start(self, start: Start) -> None:
        """Nothing was seen yet."""
        super().on_start(start)
        self._records, self._highest_lr = 0, 0.0

    def on_layers(self, layers: Layers) -> Fault | None:
        """Over records in a row, after the first ones."""
        self._records += 1
        self._highest_lr = max(self._highest_lr, layers.lr)
        if self._records <= self.limits.skip:
            return None
        self.not_judged = ""
        ratio = layers.update_ratio
        large = ratio > self.limits.above
        # No change at all is another rule's.
        small = (ratio > 0) & (ratio < self.limits.below) & self.living(layers)
        if layers.lr < SCHEDULE_ENDS_SHARE * self._highest_lr:
            small = np.zeros_like(small)
        found = self.lasting(large | small, self.limits.patience)
        if not found.any():
            return None
        layer = self.worst(found, ratio, highest=bool((found & large).any()))
        return Fault(
            seen=f"Steps changed {self.names[layer]} by {ratio[layer]:.2g} times its weights"
            f"{self.of_layers(found)}.",
            values={"layer": self.names[layer], "ratio": float(ratio[layer])},
        )
