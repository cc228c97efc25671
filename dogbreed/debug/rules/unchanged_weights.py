"""A layer that should be trained, and isn't."""

from dataclasses import dataclass

from dogbreed.configuration.debug import RULES
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Layers
from dogbreed.debug.rules.base import Fault, Thresholds
from dogbreed.debug.rules.layer_rule import LayerRule


@dataclass(frozen=True, kw_only=True)
class UnchangedWeightsThresholds(Thresholds):
    """The keys of debug.rules.unchanged_weights."""

    patience: int = key("records in a row without any change", at_least=1, default=3)


class UnchangedWeights(LayerRule[UnchangedWeightsThresholds]):
    """A layer that is in the optimiser's hands and never changes."""

    thresholds_class = UnchangedWeightsThresholds
    recommendation = (
        "See that its parameters require a gradient and are in the optimiser with a learning rate "
        "above zero (optim.lr, optim.backbone_lr_scale)."
    )

    def on_layers(self, layers: Layers) -> Fault | None:
        """Over records in a row."""
        self.not_evaluated = ""
        same = (layers.update_ratio == 0) & self.living(layers) & (layers.lr > 0)
        found = self.lasting(same, self.thresholds.patience)
        if not found.any():
            return None
        layer = int(found.argmax())
        return Fault(
            message=f"The weights of {self.names[layer]} haven't changed over "
            f"{int(self._in_a_row[layer])} records{self.of_layers(found)}.",
            values={"layer": self.names[layer], "weight_norm": float(layers.weight_norm[layer])},
        )


RULES.register("unchanged_weights", UnchangedWeights)
