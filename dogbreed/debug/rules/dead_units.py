"""Units that output zero for every photo of many batches."""

from dataclasses import dataclass

from dogbreed.configuration.debug import RULES
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Layers
from dogbreed.debug.rules.base import Fault, Rule, Thresholds


@dataclass(frozen=True, kw_only=True)
class DeadUnitsThresholds(Thresholds):
    """The keys of debug.rules.dead_units."""

    share_above: float = key("share of an activation's units", above=0, at_most=1, default=0.5)
    patience: int = key("records that a unit has to be silent for", at_least=1, default=5)


class DeadUnits(Rule[DeadUnitsThresholds]):
    """Many units of an activation give nothing, whatever the photo."""

    thresholds_class = DeadUnitsThresholds
    recommendation = (
        "Lower optim.lr, or take a head whose activation lets negative values through "
        "(model.head=mlp has GELU)."
    )

    def __init__(self, name: str, thresholds: DeadUnitsThresholds) -> None:
        super().__init__(name, thresholds)
        self.not_evaluated = "the trained part has no activations"

    def on_layers(self, layers: Layers) -> Fault | None:
        """Units that were silent for long enough."""
        for name, silent in layers.silent.items():
            self.not_evaluated = ""
            share = float((silent >= self.thresholds.patience).mean())
            if share > self.thresholds.share_above:
                return Fault(
                    message=f"{share:.0%} of the {len(silent)} units of {name} gave zero for "
                    f"every photo of {self.thresholds.patience} records.",
                    values={"activation": name, "share": share},
                )
        return None


RULES.register("dead_units", DeadUnits)
