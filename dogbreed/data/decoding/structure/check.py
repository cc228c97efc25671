"""Which limits apply to a file, by its first bytes."""

from dogbreed.data.decoding.structure.base import Structure
from dogbreed.data.decoding.structure.bmp import check_bmp
from dogbreed.data.decoding.structure.gif import check_gif
from dogbreed.data.decoding.structure.iso import check_iso
from dogbreed.data.decoding.structure.jpeg import check_jpeg
from dogbreed.data.decoding.structure.png import check_png
from dogbreed.data.decoding.structure.riff import check_webp
from dogbreed.data.decoding.structure.tiff import check_tiff, is_tiff

_CHECKS = {
    b"\xff\xd8\xff": check_jpeg,
    b"\x89PNG\r\n\x1a\n": check_png,
    b"RIFF": check_webp,
    b"BM": check_bmp,
    b"GIF87a": check_gif,
    b"GIF89a": check_gif,
}


def check_structure(data: bytes) -> Structure:
    """A photo's structure, read in time linear in its size, without decoding anything.

    What is damaged is left to the decoder, which says so better.

    Raises:
        PhotoError: of reason `too_complex`: it has more parts than programs and cameras write, so
            that opening or decoding it would cost more time or memory than its pixels do.
    """
    for beginning, check in _CHECKS.items():
        if data.startswith(beginning):
            return check(data)
    if is_tiff(data):
        return check_tiff(data)
    return check_iso(data) if data[4:8] == b"ftyp" else Structure()
