"""The prediction for a photo: its most likely classes, with their probabilities."""

import html
from dataclasses import dataclass, field
from typing import Any

from dogbreed.runtime.runner import Floats


@dataclass(frozen=True)
class RankedClass:
    """A class of a prediction: its label for people, its folder's name, calibrated probability."""

    label: str
    class_name: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """What the model predicts for a photo: its classes, the most likely first.

    `unknown`: the probability of the first class is below the model's threshold. `embedding`: the
    mean of the views' features, float32 [features].
    """

    classes: tuple[RankedClass, ...]
    unknown: bool
    embedding: Floats = field(compare=False, repr=False)

    def _repr_html_(self) -> str:
        """A table for notebooks: each class with its probability as a bar."""
        rows = "".join(
            f"<tr><td style='text-align:left'>{html.escape(each.label)}</td>"
            f"<td>{each.probability:.1%}</td><td style='text-align:left'><div style='width:"
            f"{160 * each.probability:.0f}px;height:0.8em;background:#4878a8'></div></td></tr>"
            for each in self.classes
        )
        note = "<caption>unknown: below the model's threshold</caption>" if self.unknown else ""
        return f"<table>{note}{rows}</table>"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the embedding."""
        classes = [
            {"label": each.label, "class": each.class_name, "probability": each.probability}
            for each in self.classes
        ]
        return {"unknown": self.unknown, "classes": classes}
