"""A layer's gradient is huge, or not finite."""

from dataclasses import dataclass

from dogbreed.configuration.debug import RULES
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Layers
from dogbreed.debug.rules.base import Fault, Thresholds
from dogbreed.debug.rules.layer_rule import LayerRule


@dataclass(frozen=True, kw_only=True)
class ExplodingGradientThresholds(Thresholds):
    """The keys of debug.rules.exploding_gradient."""

    # Features of norm 30 give gradients of norm 1 to 20.
    norm_above: float = key("norm of a layer's gradient", above=0, default=1000.0)


class ExplodingGradient(LayerRule[ExplodingGradientThresholds]):
    """A layer's gradient is huge or not finite."""

    thresholds_class = ExplodingGradientThresholds
    recommendation = (
        "Lower optim.lr and start from smaller weights; inputs that aren't normalised do it too."
    )

    def on_layers(self, layers: Layers) -> Fault | None:
        """At any record. A gradient that isn't there (NaN) is no gradient that is infinite."""
        self.not_evaluated = ""
        found = layers.grad_norm > self.thresholds.norm_above
        if not found.any():
            return None
        layer = self.worst(found, layers.grad_norm, highest=True)
        norm = float(layers.grad_norm[layer])
        return Fault(
            message=f"The gradient of {self.names[layer]} had a norm of {norm:.3g}"
            f"{self.of_layers(found)}.",
            values={"layer": self.names[layer], "norm": norm},
        )


RULES.register("exploding_gradient", ExplodingGradient)
