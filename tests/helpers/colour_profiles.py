"""ICC profiles of displays, and photos as they are stored in them: by published numbers alone.

Sources: SMPTE EG 432-1 (P3, with sRGB's curve as Display P3 has it), Adobe RGB (1998),
ISO 22028-2 (ROMM, ProPhoto), IEC 61966-2-1 (sRGB); ICC.1:2010 for the file; Bradford's adaptation.
"""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# x and y of red, green, blue and white, and the exponent of the curve; None: sRGB's.
SPACES: dict[str, tuple[tuple[float, ...], float | None]] = {
    "sRGB": ((0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290), None),
    "Display P3": ((0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290), None),
    "Adobe RGB": ((0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290), 563 / 256),
    "ProPhoto": ((0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001, 0.3457, 0.3585), 1.8),
}
D50 = np.array([0.9642, 1, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])  # fmt: skip  # noqa: E501


def to_xyz(space: str) -> Array:
    """The matrix from linear RGB to XYZ at D50."""
    xy = np.array(SPACES[space][0]).reshape(4, 2)
    points = np.stack([xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(1)) / xy[:, 1]])
    matrix = points[:, :3] * np.linalg.solve(points[:, :3], points[:, 3])
    scale = np.diag((BRADFORD @ D50) / (BRADFORD @ points[:, 3]))
    result: Array = np.linalg.inv(BRADFORD) @ scale @ BRADFORD @ matrix
    return result


def linear(values: Array, exponent: float | None) -> Array:
    """Light from what is stored, both in 0..1."""
    if exponent is not None:
        return values**exponent
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def stored(light: Array, exponent: float | None) -> Array:
    """What is stored of light, both in 0..1."""
    if exponent is not None:
        return light ** (1 / exponent)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def in_space(srgb: Array, space: str) -> Array:
    """The same colours as 8-bit sRGB [..., 3], as they are stored in another space."""
    light = linear(srgb / 255, None) @ (np.linalg.inv(to_xyz(space)) @ to_xyz("sRGB")).T
    return (255 * stored(light.clip(0, 1), SPACES[space][1])).round().astype(np.uint8)


def profile(space: str) -> bytes:
    """The ICC profile of a space, by a matrix and curves."""
    exponent = SPACES[space][1]
    if exponent is None:
        table = (65535 * linear(np.linspace(0, 1, 1024), None)).round().astype(">u2").tobytes()
        curve = b"curv" + bytes(4) + struct.pack(">I", 1024) + table
    else:
        curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 * exponent)) + bytes(2)
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    tags = [(b"wtpt", xyz(D50)), *zip(names, map(xyz, to_xyz(space).T), strict=True)]
    return packed([*tags, *((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC"))], b"RGB ")


def grey_profile(exponent: float) -> bytes:
    """The ICC profile of a grey display."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 * exponent)) + bytes(2)
    return packed([(b"wtpt", xyz(D50)), (b"kTRC", curve)], b"GRAY")


def cmyk_profile() -> bytes:
    """The ICC profile of a printer that prints a grey of 1 - k whatever colours it is given."""
    identity = struct.pack(">2H", 0, 65535)
    # Lab as lut16Type has it (ICC.1:2010, table 12): a and b of 0 are 0x8000.
    table = b"".join(
        struct.pack(">3H", 0 if black else 0xFF00, 0x8000, 0x8000)
        for _ in range(8)
        for black in (0, 1)
    )
    matrix = b"".join(map(fixed, (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    lut = b"mft2" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + struct.pack(">HH", 2, 2)
    lut += identity * 4 + table + identity * 3
    return packed([(b"wtpt", xyz(D50)), (b"A2B0", lut), (b"A2B1", lut)], b"CMYK", b"prtr", b"Lab ")


def packed(
    tags: list[tuple[bytes, bytes]],
    space: bytes,
    kind: bytes = b"mntr",
    connection: bytes = b"XYZ ",
) -> bytes:
    """A profile of these tags."""
    start = 132 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">I4xI", start + len(body), 0x02400000) + kind + space + connection
    header += bytes(12) + b"acsp" + bytes(28) + b"".join(map(fixed, D50))
    return header.ljust(128, b"\0") + table + body


def xyz(values: Array) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(fixed, values))


def fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))
