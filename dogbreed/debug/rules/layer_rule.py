"""What the rules about gradients, weights and units of each trained layer share."""

import numpy as np
import numpy.typing as npt

from dogbreed.debug.recording.observations import Layers, Start
from dogbreed.debug.rules.base import Rule, ThresholdsType

Flags = npt.NDArray[np.bool_]

# The root mean square below which a gradient is next to nothing, Adam's eps: what follows from it
# is for the rule of vanishing gradients to say.
NO_GRADIENT = 1e-8


class LayerRule(Rule[ThresholdsType]):
    """A rule that evaluates each trained layer by itself."""

    def on_start(self, start: Start) -> None:
        """Nothing was observed of any layer yet."""
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
