"""Rules about what goes into the network."""

import math

from dogbreed.configuration.debug import ClassImbalanceLimits, InputsLimits
from dogbreed.debug.recording.observations import Epoch, Layers, Start
from dogbreed.debug.rules.base import Fault, Rule


class ClassImbalance(Rule[ClassImbalanceLimits]):
    """Some classes have many times the photos of others."""

    advice = "optim.class_weights=balanced, or more photos of the small classes."

    def __init__(self, name: str, limits: ClassImbalanceLimits) -> None:
        super().__init__(name, limits)
        self.not_judged = "the targets of no whole epoch are known"
        self._weighted = False

    def on_start(self, start: Start) -> None:
        """A loss that weighs the classes is what the advice asks for."""
        self._weighted = start.weighted_classes
        if self._weighted:
            self.not_judged = "the loss weighs the classes"

    def on_epoch(self, epoch: Epoch) -> Fault | None:
        """The photos that an epoch trained on."""
        if self._weighted or not epoch.class_counts:
            return None
        self.not_judged = ""
        most, fewest = max(epoch.class_counts), min(epoch.class_counts)
        if most <= self.limits.ratio_above * max(1, fewest):
            return None
        return Fault(
            seen=f"The largest class has {most} training photos, the smallest {fewest}.",
            values={"most": most, "fewest": fewest},
        )


class InputsNotNormalised(Rule[InputsLimits]):
    """The first layer sees values of a scale that networks aren't trained for."""

    advice = (
        "Normalise: photos by the mean and standard deviation that the backbone was trained with "
        "(Preprocessing does it), features by their own."
    )

    def __init__(self, name: str, limits: InputsLimits) -> None:
        super().__init__(name, limits)
        self.not_judged = "what the first layer sees isn't known"

    def on_layers(self, layers: Layers) -> Fault | None:
        """At each record."""
        inputs, limits = layers.inputs, self.limits
        if inputs is None or not math.isfinite(inputs.mean):  # the loss will say so
            return None
        self.not_judged = ""
        # Normalised photos have dark pixels below zero; photos from 0 to 1, or to 255, have none.
        # Features that come out of an activation have none either, and are as they should be.
        off = (
            abs(inputs.mean) > limits.mean_above
            or not limits.sd_below <= inputs.sd <= limits.sd_above
            or (inputs.is_photos and inputs.least >= 0)
        )
        if not off:
            return None
        return Fault(
            seen=f"The first layer saw {'photos' if inputs.is_photos else 'features'} of mean "
            f"{inputs.mean:.3g}, standard deviation {inputs.sd:.3g}, from {inputs.least:.3g} up.",
            values={"mean": inputs.mean, "sd": inputs.sd, "least": inputs.least},
        )
