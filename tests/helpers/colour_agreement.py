"""How often a photo and its copy in another colour space get the same answer."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from helpers.colour_profiles import SPACES, in_space, profile
from PIL import Image

from dogbreed.data.decoding.photos import decode
from dogbreed.serving.prediction import Prediction
from dogbreed.serving.predictor import Predictor

FORMATS: dict[str, dict[str, int]] = {"PNG": {}, "JPEG": {"quality": 95}}


def agreements(
    model: Path, paths: Sequence[Path], formats: Sequence[str] = tuple(FORMATS)
) -> dict[tuple[str, str], float]:
    """The share of the photos whose copy gets the same first answer, by space and format."""
    predictor = Predictor.load(model, precision="f32")

    def answers(many: Sequence[bytes]) -> list[str]:
        found = list(predictor.predict_many(many, 1))
        return [each.classes[0].class_name for each in found if isinstance(each, Prediction)]

    sent = [path.read_bytes() for path in paths]
    wanted = answers(sent)
    pixels = [np.asarray(decode(data, wanted_px=10_000)) for data in sent]
    found = {}
    for space in SPACES:
        for format in formats:
            got = answers([copy_of(each, space, format) for each in pixels])
            found[space, format] = sum(a == b for a, b in zip(got, wanted, strict=True)) / len(got)
    return found


def copy_of(srgb: npt.NDArray[np.uint8], space: str, format: str) -> bytes:
    """A photo's copy in another space, with its profile."""
    out = io.BytesIO()
    image = Image.fromarray(in_space(srgb, space))
    image.save(out, format, icc_profile=profile(space), **FORMATS[format])
    return out.getvalue()
