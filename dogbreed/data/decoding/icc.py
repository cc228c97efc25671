"""Colour spaces that a file describes without an ICC profile, as ICC profiles.

Code points of HEIF, AVIF and PNG (cICP), and PNG's chromaticities and gamma.
"""

import struct

import numpy as np
import numpy.typing as npt
from PIL import Image

from dogbreed.data.decoding.png_chunks import png_chunk

# x and y of red, green, blue and white.
Chromaticities = tuple[float, ...]
_D65 = (0.3127, 0.3290)
_SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *_D65)
# By ColourPrimaries. Source: ITU-T H.273, table 2.
_PRIMARIES: dict[int, Chromaticities] = {
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
}
_UNSPECIFIED = (1, 2)  # BT.709, which sRGB shares, or nothing
# By TransferCharacteristics (H.273, table 3). Curves of television are shown by sRGB's, as browsers
# do; those of high dynamic range (16, 18) need tone mapping and are left as they are.
_GAMMA = {4: 2.2, 5: 2.8, 8: 1.0}
_LIKE_SRGB = (1, 2, 6, 13, 14, 15)
# libpng takes gammas for equal that differ by less (PNG_GAMMA_THRESHOLD).
_SAME_GAMMA = 0.05
_PNG_GAMMA = 0.45455  # what stands for sRGB in a PNG


def described_profile(photo: Image.Image, data: bytes) -> bytes | None:
    """The ICC profile of what the file `data`, opened as `photo`, says of its colours.

    None where it embeds a profile or says nothing, or sRGB. Only a PNG's code points come before
    an embedded profile.
    """
    if photo.format == "PNG":
        return _of_png(photo, data)
    if photo.info.get("icc_profile"):
        return None
    if photo.format == "HEIF":
        known = photo.info.get("nclx_profile") or {}
        return _of_codes(known.get("color_primaries", 2), known.get("transfer_characteristics", 2))
    if photo.format == "AVIF":
        place = data[:65536].find(b"colrnclx")
        if place >= 0 and len(data) >= place + 12:
            return _of_codes(*struct.unpack_from(">HH", data, place + 8))
    return None


def _of_png(photo: Image.Image, data: bytes) -> bytes | None:
    codes = png_chunk(data, b"cICP")
    if codes and len(codes) == 4:
        return _of_codes(codes[0], codes[1])
    if photo.info.get("icc_profile") or "srgb" in photo.info:
        return None
    xy = photo.info.get("chromaticity")  # white first
    gamma = photo.info.get("gamma")
    corners = (*xy[2:], *xy[:2]) if xy and len(xy) == 8 else _SRGB
    same_gamma = not gamma or abs(gamma / _PNG_GAMMA - 1) < _SAME_GAMMA
    if same_gamma and np.allclose(corners, _SRGB, atol=0.005):
        return None
    return matrix_profile(corners, 1 / gamma if gamma else None)


def _of_codes(primaries: int, transfer: int) -> bytes | None:
    gamma = _GAMMA.get(transfer)
    if gamma is None and transfer not in _LIKE_SRGB:
        return None
    if primaries in _UNSPECIFIED:
        return matrix_profile(_SRGB, gamma) if gamma else None
    corners = _PRIMARIES.get(primaries)
    return matrix_profile(corners, gamma) if corners else None


def matrix_profile(corners: Chromaticities, gamma: float | None = None) -> bytes | None:
    """An ICC profile of an RGB display; `gamma` None is sRGB's curve. None if there is no such one.

    Source: ICC.1:2022, sections 7 to 10; its connection space is at D50, reached by Bradford's
    adaptation (annex E).
    """
    try:
        columns = _to_d50(corners)
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return None
    if not np.isfinite(columns).all() or np.abs(columns).max() > 10:
        return None
    if gamma is None:  # IEC 61966-2-1: g, a, b, c, d
        curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0)
        curve += b"".join(map(_fixed, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
    else:
        curve = b"para" + bytes(4) + struct.pack(">HH", 0, 0) + _fixed(min(max(gamma, 0.1), 10))
    tags = [(b"wtpt", _xyz(_D50))]
    tags += [(name, _xyz(column)) for name, column in zip(_COLUMNS, columns.T, strict=True)]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return _packed(tags)


_COLUMNS = (b"rXYZ", b"gXYZ", b"bXYZ")
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def _to_d50(corners: Chromaticities) -> npt.NDArray[np.float64]:
    """The matrix from linear RGB to XYZ at D50."""
    points = np.array(
        [(x / y, 1, (1 - x - y) / y) for x, y in zip(*[iter(corners)] * 2, strict=True)]
    )
    white = points[3]
    matrix = points[:3].T * np.linalg.solve(points[:3].T, white)
    scale = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted: npt.NDArray[np.float64] = (
        np.linalg.inv(_BRADFORD) @ np.diag(scale) @ _BRADFORD @ matrix
    )
    return adapted


def _packed(tags: list[tuple[bytes, bytes]]) -> bytes:
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12s4s28s12s48s",
        *(start + len(body), b"", 0x04400000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp"),
        *(bytes(28), b"".join(map(_fixed, _D50)), b""),
    )
    return header + table + body


def _xyz(values: npt.ArrayLike) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(_fixed(float(value)) for value in np.asarray(values))


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))
