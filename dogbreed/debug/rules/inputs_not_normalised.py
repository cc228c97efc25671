"""The inputs of the first layer aren't normalised."""

import math
from dataclasses import dataclass

from dogbreed.configuration.debug import RULES
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Layers
from dogbreed.debug.rules.base import Fault, Rule, Thresholds


@dataclass(frozen=True, kw_only=True)
class InputsNotNormalisedThresholds(Thresholds):
    """The keys of debug.rules.inputs_not_normalised."""

    mean_above: float = key("mean of the inputs, without its sign", above=0, default=3.0)
    sd_below: float = key("standard deviation of the inputs: too small", at_least=0, default=0.03)
    sd_above: float = key("standard deviation of the inputs: too large", above=0, default=5.0)


class InputsNotNormalised(Rule[InputsNotNormalisedThresholds]):
    """The first layer gets values of a scale that networks aren't trained for.

    Evaluated on photos: cached features are as the backbone computes them.
    """

    thresholds_class = InputsNotNormalisedThresholds
    recommendation = (
        "Normalise photos by the mean and standard deviation that the backbone was trained with "
        "(Preprocessing does it)."
    )

    def __init__(self, name: str, thresholds: InputsNotNormalisedThresholds) -> None:
        super().__init__(name, thresholds)
        self.not_evaluated = "the first layer gets no photos: features are cached"

    def on_layers(self, layers: Layers) -> Fault | None:
        """At each record."""
        inputs, thresholds = layers.inputs, self.thresholds
        if inputs is None or not inputs.is_photos:
            return None
        if not math.isfinite(inputs.mean):  # the loss will say so
            return None
        self.not_evaluated = ""
        # Normalised photos have dark pixels below zero; photos from 0 to 1, or to 255, have none.
        off = (
            abs(inputs.mean) > thresholds.mean_above
            or not thresholds.sd_below <= inputs.sd <= thresholds.sd_above
            or inputs.least >= 0
        )
        if not off:
            return None
        return Fault(
            message=f"The first layer got photos of mean {inputs.mean:.3g}, standard deviation "
            f"{inputs.sd:.3g}, from {inputs.least:.3g} up.",
            values={"mean": inputs.mean, "sd": inputs.sd, "least": inputs.least},
        )


RULES.register("inputs_not_normalised", InputsNotNormalised)
