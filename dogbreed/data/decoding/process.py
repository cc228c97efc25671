"""The process that decodes photos for another, within limits that the kernel enforces.

    python -m dogbreed.data.decoding.process PIPE NICENESS

Requests and answers are JSON, with the bytes of a photo or of pixels after them.
"""

import json
import math
import os
import resource
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dogbreed.data.decoding import photos
from dogbreed.data.decoding.image_formats.base import IMAGE_FORMATS, PLAIN_BYTES, check_structure
from dogbreed.data.decoding.loading import damaged
from dogbreed.data.decoding.memory import bytes_per_pixel
from dogbreed.data.decoding.pool import CPU_S, PIXELS_PER_S
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import PhotoError

Answer = tuple[dict[str, Any], bytes]

# Memory beside the pixels: what the decoders' libraries take, and copies of the file.
_SPARE_BYTES, _COPIES = 128 * 2**20, 4


class _Photo:
    """The photo that is opened; `image` is its upright picture once it is decoded."""

    def __init__(self, data: bytes, max_pixels: int) -> None:
        # Opening a WebP takes the memory of its canvas twice.
        pixels = min(check_structure(data).pixels, max_pixels)
        _limit(pixels, pixels * PLAIN_BYTES + _SPARE_BYTES + _COPIES * len(data))
        self.image, self.costly = photos.open_with_cost(data, max_pixels=max_pixels)
        self.pixels = self.image.width * self.image.height
        self.size_bytes = self.pixels * bytes_per_pixel(self.image)
        self.file_bytes = len(data)

    def decoded(self, wanted_px: int | None, to_srgb: bool) -> Image.Image:
        """The upright picture, as `photos.upright` makes it."""
        self.image = photos.upright(self.image, wanted_px=wanted_px, to_srgb=to_srgb)
        return self.image


def main(pipe: str, niceness: str) -> None:
    """Answer requests until the other end is closed."""
    _set(resource.RLIMIT_CORE, 0)  # nor is a core file written when a limit ends this
    os.nice(int(niceness))
    # Pillow's plugins and extensions are loaded now, not within a photo's limits.
    Image.init()
    IMAGE_FORMATS.names()
    connection = Connection(int(pipe))
    connection.send_bytes(b"ready")
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)  # C libraries print what they find odd in a photo
    photo: _Photo | None = None
    while True:
        _lift_limits()  # nothing of what the photo before left of them counts for the next
        try:
            request = json.loads(connection.recv_bytes())
            data = connection.recv_bytes() if request["do"] == "open" else b""
        except EOFError:
            return
        try:
            if data:
                photo = None  # its memory isn't the next one's
                photo = _Photo(data, request["max_pixels"])
                answer: Answer = (_header(photo), b"")
            else:
                assert photo is not None, "a photo is opened first"
                _limit(photo.pixels, photo.size_bytes + _SPARE_BYTES + _COPIES * photo.file_bytes)
                answer = _ANSWERS[request["do"]](photo, request)
        except (PhotoError, MemoryError) as error:
            photo = None
            if isinstance(error, MemoryError):
                error = damaged(error)
            connection.send_bytes(json.dumps({"error": [error.reason, str(error)]}).encode())
            continue
        values, content = answer
        connection.send_bytes(json.dumps({"values": values, "bytes": bool(content)}).encode())
        if content:
            connection.send_bytes(content)


def _header(photo: _Photo) -> dict[str, Any]:
    image = photo.image
    return {
        "width": image.width,
        "height": image.height,
        "format": image.format or "",
        "mode": image.mode,
        "size_bytes": photo.size_bytes,
        "costly": photo.costly,
    }


def _inspect(photo: _Photo, request: dict[str, Any]) -> Answer:
    from dogbreed.data.decoding.inspection import inspected  # not in containers, which don't check

    found = inspected(photo.image)
    return {"format": found.format, "remarks": found.remarks}, b""


def _upright(photo: _Photo, request: dict[str, Any]) -> Answer:
    picture = photo.decoded(request["wanted_px"], request["to_srgb"])
    return {"size": picture.size}, picture.tobytes()


def _views(photo: _Photo, request: dict[str, Any]) -> Answer:
    preprocessing = Preprocessing(**request["preprocessing"])
    picture = photo.decoded(request["wanted_px"], preprocessing.to_srgb)
    made = preprocessing.views(picture, request["names"], bytes.fromhex(request["identity"]))
    return {"shape": made.shape}, np.ascontiguousarray(made).tobytes()


def _small(photo: _Photo, request: dict[str, Any]) -> Answer:
    picture = photo.image
    picture.thumbnail((request["longest_px"], request["longest_px"]))
    return {"size": picture.size}, picture.tobytes()


_ANSWERS: dict[str, Callable[[_Photo, dict[str, Any]], Answer]] = {
    "inspect": _inspect,
    "upright": _upright,
    "views": _views,
    "small": _small,
}


def _limit(pixels: int, size_bytes: int) -> None:
    """Limit CPU time and memory from now on, by what a photo of so many pixels may take."""
    used_s = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _set(resource.RLIMIT_CPU, math.ceil(used_s + CPU_S + pixels / PIXELS_PER_S))
    data_bytes = _data_bytes()
    if data_bytes is not None:
        _set(resource.RLIMIT_DATA, data_bytes + size_bytes)


def _lift_limits() -> None:
    for kind in (resource.RLIMIT_CPU, resource.RLIMIT_DATA):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (hard, hard))


def _set(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _data_bytes() -> int | None:
    """Bytes that this process has of what RLIMIT_DATA counts; None on another system than Linux."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return None


if __name__ == "__main__":
    main(*sys.argv[1:])
