"""Steps that are much too large or too small for the weights that they change."""

from dataclasses import dataclass

import numpy as np

from dogbreed.configuration.debug import RULES
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Layers, Start
from dogbreed.debug.rules.base import Fault, Thresholds
from dogbreed.debug.rules.layer_rule import LayerRule

# Below a tenth of the highest learning rate so far a schedule is at its ends: small updates there
# are what it is for.
SCHEDULE_ENDS_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class UpdateRatioThresholds(Thresholds):
    """The keys of debug.rules.update_ratio."""

    # About 1e-3 is usual; a head that starts at zero begins above 0.1.
    above: float = key("update over weights, as norms: too large", above=0, default=0.3)
    # Single precision ends a little below.
    below: float = key("update over weights, as norms: too small", at_least=0, default=1e-6)
    skip: int = key(
        "first records that don't count: weights may start at zero", at_least=0, default=10
    )
    patience: int = key("records in a row", at_least=1, default=5)


class UpdateRatio(LayerRule[UpdateRatioThresholds]):
    """Updates are out of proportion to the weights."""

    thresholds_class = UpdateRatioThresholds
    recommendation = (
        "Too large: lower optim.lr, or optim.weight_decay, which is multiplied by it. Too small: "
        "raise optim.lr, or optim.backbone_lr_scale for layers of the backbone."
    )

    def on_start(self, start: Start) -> None:
        """Nothing was observed yet."""
        super().on_start(start)
        self._records, self._highest_lr = 0, 0.0

    def on_layers(self, layers: Layers) -> Fault | None:
        """Over records in a row, after the first ones."""
        self._records += 1
        self._highest_lr = max(self._highest_lr, layers.lr)
        if self._records <= self.thresholds.skip:
            return None
        self.not_evaluated = ""
        ratio = layers.update_ratio
        large = ratio > self.thresholds.above
        # No change at all is another rule's.
        small = (ratio > 0) & (ratio < self.thresholds.below) & self.living(layers)
        if layers.lr < SCHEDULE_ENDS_SHARE * self._highest_lr:
            small = np.zeros_like(small)
        found = self.lasting(large | small, self.thresholds.patience)
        if not found.any():
            return None
        layer = self.worst(found, ratio, highest=bool((found & large).any()))
        return Fault(
            message=f"Steps changed {self.names[layer]} by {ratio[layer]:.2g} times its weights"
            f"{self.of_layers(found)}.",
            values={"layer": self.names[layer], "ratio": float(ratio[layer])},
        )


RULES.register("update_ratio", UpdateRatio)
