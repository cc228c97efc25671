"""The answer to a photo: its breeds, the likeliest first."""

from dataclasses import dataclass, field
from typing import Any

from dogbreed.runtime.runner import Floats


@dataclass(frozen=True)
class Breed:
    """A class as an answer: its name for people, its folder's name, its calibrated probability."""

    name: str
    class_name: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """What the model says of a photo: its breeds, the likeliest first.

    `unknown`: the likeliest breed's probability is below the model's threshold. `embedding`: the
    mean of the views' features, float32 [features].
    """

    breeds: tuple[Breed, ...]
    unknown: bool
    embedding: Floats = field(compare=False, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, less the embedding."""
        breeds = [
            {"breed": breed.name, "class": breed.class_name, "probability": breed.probability}
            for breed in self.breeds
        ]
        return {"unknown": self.unknown, "breeds": breeds}
