"""The weights' file, read without the library that wrote it: AWS's PyTorch container lacks that.

The format is safetensors': the length of a header in 8 bytes, the header as JSON with each tensor's
type, shape and place, then the numbers, little-endian and row by row.
Source: huggingface/safetensors, README.md, "Format".
"""

import json
import math
from pathlib import Path

import torch
from torch import Tensor

from dogbreed.errors import ArtifactError

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


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a file, by their names; they share one copy of its bytes.

    Raises:
        ArtifactError: the file isn't of this format, or has a type that isn't known here.
    """
    data = bytearray(path.stat().st_size)  # not bytes: torch wants to write to what it shares
    with path.open("rb") as file:
        file.readinto(data)
    try:
        length = int.from_bytes(data[:_LENGTH_BYTES], "little")
        start = _LENGTH_BYTES + length
        header = json.loads(data[_LENGTH_BYTES:start])
        header.pop("__metadata__", None)
        return {
            name: _tensor(data, start + entry["data_offsets"][0], entry["dtype"], entry["shape"])
            for name, entry in header.items()
        }
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{path} isn't a safetensors file that this dogbreed can read: copy the folder anew."
        ) from error


def _tensor(data: bytearray, offset: int, kind: str, shape: list[int]) -> Tensor:
    dtype, count = _TYPES[kind], math.prod(shape)
    if not count:
        return torch.empty(shape, dtype=dtype)
    if offset % dtype.itemsize:  # after a type of fewer bytes; numbers are read in step
        data, offset = data[offset : offset + count * dtype.itemsize], 0
    return torch.frombuffer(data, dtype=dtype, count=count, offset=offset).reshape(shape)
