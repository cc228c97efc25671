"""Reads the weights' file without safetensors, which AWS's PyTorch container lacks.

The format is safetensors': the length of a header in 8 bytes, the header as JSON with each tensor's
type, shape and offsets, then the numbers, little-endian and row by row.
Source: huggingface/safetensors, README.md, "Format".
"""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dogbreed.artifact.file_names import opened
from dogbreed.errors import ArtifactError
from dogbreed.utils.documents import json_object

_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_LENGTH_BYTES = 8
# Those of torchvision's networks with most tensors take about 200 kB.
_MAX_HEADER_BYTES = 16 * 2**20
_MAX_DIMENSIONS = 8


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a file, by their names; they share one copy of its bytes.

    Nothing is allocated before the header is checked: it must describe every byte of the file once.

    Raises:
        ArtifactError: the file isn't of this format, or has an unknown type.
    """
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            start = _LENGTH_BYTES + length
            if length > _MAX_HEADER_BYTES or start > size:
                raise ValueError("its header is too long")
            places = list(_places(json_object(file.read(length)), size - start))
            data = bytearray(size - start)  # not bytes: torch wants to write to what it shares
            if file.readinto(data) != len(data):
                raise ValueError("it ends too early")
        return {name: _tensor(data, at, dtype, shape) for name, at, dtype, shape in places}
    except (ValueError, LookupError, TypeError, RuntimeError) as error:
        raise ArtifactError(
            f"{path} isn't a safetensors file that this dogbreed can read: copy the folder again."
        ) from error


def _places(
    header: Mapping[str, Any], size_bytes: int
) -> Iterator[tuple[str, int, torch.dtype, list[int]]]:
    """Each tensor's name, first byte after the header, type and shape.

    Raises:
        ValueError, LookupError, TypeError: the tensors aren't stored one after the other in
            `size_bytes` bytes, each in as many as its shape takes.
    """
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape, (first, last) = _TYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
        if any(type(each) is not int or each < 0 for each in (*shape, first, last)):
            raise ValueError(f"{name} has a shape or a place that is none")
        count = math.prod(shape)
        if len(shape) > _MAX_DIMENSIONS or first != end or last - first != count * dtype.itemsize:
            raise ValueError(f"{name} isn't in its place")
        end = last
        yield name, first, dtype, shape
    if end != size_bytes:
        raise ValueError("there are bytes that are no tensor's")


def _tensor(data: bytearray, offset: int, dtype: torch.dtype, shape: list[int]) -> Tensor:
    count = math.prod(shape)
    if not count:
        return torch.empty(shape, dtype=dtype)
    if offset % dtype.itemsize:  # after a type of fewer bytes; numbers are read in step
        data, offset = data[offset : offset + count * dtype.itemsize], 0
    return torch.frombuffer(data, dtype=dtype, count=count, offset=offset).reshape(shape)
