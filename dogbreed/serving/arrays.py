"""Photos as NumPy arrays and torch tensors. Torch isn't imported."""

from typing import Any, TypeGuard

import numpy as np
from PIL import Image

from dogbreed.data.decoding.photos import MAX_PIXELS
from dogbreed.errors import ConfigError

CHANNELS = (1, 3)  # grey, or red, green and blue


def is_array(photo: object) -> TypeGuard[Any]:
    """Whether it is an array or a tensor; an image of Pillow is neither."""
    return hasattr(photo, "__array__") and hasattr(photo, "ndim")


def image_of(array: Any) -> Image.Image:
    """An array [height, width, 3], or a tensor [3, height, width], as an image of Pillow.

    Values are uint8, or floats from 0 to 1, as torchvision's ToTensor returns them. One channel, or
    none ([height, width]), is grey.

    Raises:
        ConfigError: another shape, type or range.
    """
    is_tensor = hasattr(array, "detach")
    values = np.asarray(array.detach().cpu() if is_tensor else array)
    layout = "[3, height, width]" if is_tensor else "[height, width, 3]"
    if values.ndim == 3:
        values = np.moveaxis(values, 0, -1) if is_tensor else values
        if values.shape[-1] == 1:
            values = values[..., 0]
    is_photo = values.ndim == 2 or (values.ndim == 3 and values.shape[-1] in CHANNELS)
    if not is_photo or not values.size:
        raise ConfigError(
            f"An array of shape {list(np.shape(array))}: a photo is {layout}, or [height, width] "
            "in grey; predict_many takes several."
        )
    if values.shape[0] * values.shape[1] > MAX_PIXELS:
        raise ConfigError(
            f"An array of shape {list(np.shape(array))} has more than {MAX_PIXELS:,} pixels."
        )
    return Image.fromarray(np.ascontiguousarray(_bytes_of(values)))


def _bytes_of(values: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if values.dtype == np.uint8:
        return values
    if np.issubdtype(values.dtype, np.floating):
        low, high = float(values.min()), float(values.max())
        if low >= 0 and high <= 1:
            return np.round(values * 255).astype(np.uint8)
        raise ConfigError(
            f"An array of floats from {low:.3g} to {high:.3g}: a photo has values from 0 to 1; one "
            "that is normalised for a network can't be used."
        )
    raise ConfigError(f"An array of {values.dtype}: a photo has uint8, or floats from 0 to 1.")
