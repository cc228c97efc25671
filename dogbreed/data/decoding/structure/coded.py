"""How many pictures of which size a piece of HEVC or AV1 data holds, by its own headers.

A file's boxes may say less, and a decoder believes the data. Sources: ITU-T H.265, 7.3; ISO
14496-15, 8.3 (hvcC); AV1 Bitstream & Decoding Process, 5.3 to 5.5; AV1-ISOBMFF, 2.3 (av1C).
"""

from dataclasses import dataclass

from dogbreed.data.decoding.structure.base import limit, number

# Parts of the data of one item. Encoders write a few; one picture in many slices has hundreds.
MAX_UNITS = 16 * 1024

_HEVC_PARAMETERS, _HEVC_FIRST_OTHER = 33, 32
_AV1_SEQUENCE, _AV1_FRAME_HEADER, _AV1_FRAME = 1, 3, 6
_PARAMETER_BYTES = 1024  # of a header, more than any has up to the picture's size


@dataclass
class Coded:
    """What data hold: how many pictures, and the largest size that a header says, in pixels."""

    pictures: int = 0
    pixels: int = 0


class _Bits:
    """Reads bits; beyond the end they are 0."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data), 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        shifted = self._value >> self._left if self._left >= 0 else 0
        return shifted & ((1 << count) - 1)

    def exponential(self) -> int:
        """ue(v): as many zeros as bits follow a one."""
        zeros = 0
        while zeros < 32 and self._left > 0 and not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)


def hevc_parameters(record: bytes) -> tuple[int, int]:
    """Of an hvcC record: bytes of the lengths in the data, pixels of the largest picture."""
    pixels, place, seen = 0, 23, 0
    for _ in range(number(record, 22, 1)):
        count = number(record, place + 1, 2)
        place += 3
        for _ in range(count):
            if place >= len(record):
                break
            seen += 1
            limit(seen, MAX_UNITS, "headers of its pictures")
            length = number(record, place, 2)
            pixels = max(pixels, _hevc_pixels(record[place + 2 : place + 2 + length]))
            place += 2 + length
    return 1 + (number(record, 21, 1) & 3), pixels


def hevc_data(data: bytes, length_size: int) -> Coded:
    """What the data of a HEVC item hold.

    Raises:
        PhotoError: they have more parts than a picture has.
    """
    found, place, units = Coded(), 0, 0
    while place + length_size < len(data):
        length = number(data, place, length_size)
        place += length_size
        units += 1
        limit(units, MAX_UNITS, "parts of a picture")
        kind = data[place] >> 1 & 63
        if kind == _HEVC_PARAMETERS:
            unit = data[place : place + min(length, _PARAMETER_BYTES)]
            found.pixels = max(found.pixels, _hevc_pixels(unit))
        elif kind < _HEVC_FIRST_OTHER and number(data, place + 2, 1) & 0x80:
            found.pictures += 1  # the first slice of one
        place += length
    return found


def av1_data(data: bytes) -> Coded:
    """What the data of an AV1 item hold, or the header in an av1C record.

    Raises:
        PhotoError: they have more parts than a picture has.
    """
    found, place, units = Coded(), 0, 0
    while place < len(data):
        head = data[place]
        kind = head >> 3 & 15
        place += 1 + (head >> 2 & 1)
        length = len(data) - place
        if head & 2:
            length, place = _leb128(data, place)
        units += 1
        limit(units, MAX_UNITS, "parts of a picture")
        if kind == _AV1_SEQUENCE:
            found.pixels = max(found.pixels, _av1_pixels(data[place : place + _PARAMETER_BYTES]))
        elif kind in (_AV1_FRAME, _AV1_FRAME_HEADER):
            found.pictures += 1
        place += length
    return found


def _hevc_pixels(unit: bytes) -> int:
    """The pixels that a sequence parameter set says, 0 of other units."""
    if not unit or unit[0] >> 1 & 63 != _HEVC_PARAMETERS:
        return 0
    bits = _Bits(unit[2:_PARAMETER_BYTES].replace(b"\0\0\3", b"\0\0"))
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 88 + 8)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
    bits.exponential()
    if bits.exponential() == 3:  # chroma_format_idc
        bits.take(1)
    return bits.exponential() * bits.exponential()


def _av1_pixels(header: bytes) -> int:
    """The pixels of the largest frame that a sequence header says."""
    bits = _Bits(header)
    bits.take(4)
    if bits.take(1):  # reduced_still_picture_header
        bits.take(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return (bits.take(width_bits) + 1) * (bits.take(height_bits) + 1)


def _skip_operating_points(bits: _Bits) -> None:
    delay_bits = 0
    if bits.take(1):  # timing_info_present_flag
        bits.take(64)
        if bits.take(1):
            bits.exponential()
        if bits.take(1):  # decoder_model_info_present_flag
            delay_bits = bits.take(5) + 1
            bits.take(32 + 10)
    delays = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if delays and bits.take(1):
            bits.take(4)


def _leb128(data: bytes, place: int) -> tuple[int, int]:
    """A number of a varying count of bytes, and where it ends."""
    value = 0
    for index in range(8):
        byte = number(data, place + index, 1)
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, place + index + 1
    return value, place + 8
