"""The description of a trained model: the content of model.json."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dogbreed.configuration.schema import brief
from dogbreed.data.decoding.preprocessing import VERSIONS, Preprocessing
from dogbreed.errors import ArtifactError, ConfigError


@dataclass(frozen=True, kw_only=True)
class Description:
    """The content of model.json.

    A logit's index is an index into `classes` (folder names) and `display_names`. The probabilities
    of `views` views of a photo are averaged, then calibrated by `temperature`; an answer below
    `threshold` (a probability) is "unknown". `noun` is what pages and the terminal call a class.
    `forms` has an entry for each export format: its measured agreement with training.
    """

    classes: tuple[str, ...]
    display_names: tuple[str, ...]
    backbone: Mapping[str, str]
    head: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    noun: str = "class"
    views: int = 1
    temperature: float = 1.0
    threshold: float = 0.0
    dtype: str = "float32"
    forms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    data_fingerprint: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """What identifies the model: two of the same identity give the same answers.

        It includes the checksums of the weights and of the exported files.
        """
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def pixels(self) -> Preprocessing:
        """How a photo becomes the pixels that this model was trained on.

        Colours that aren't stored are scaled by the statistics of ImageNet: so were those of all
        models before every backbone had its own.

        Raises:
            ArtifactError: the preprocessing is unknown to this version.
        """
        stored = {"version": VERSIONS[0], **self.preprocessing}
        try:
            known = Preprocessing(**stored)
        except (ConfigError, TypeError):
            known = None
        if known is None or known.version not in VERSIONS or known.describe() != stored:
            raise ArtifactError(
                f"The model was trained with a preprocessing that this dogbreed doesn't have "
                f"({brief(stored)}): use the version of dogbreed that wrote it."
            )
        return known
