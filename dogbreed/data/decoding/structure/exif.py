"""Limits on EXIF data, which formats of every kind embed."""

from dogbreed.data.decoding.structure.ifd import read_directories

_BEGINNING = b"Exif\0\0"


def check_exif(data: bytes) -> None:
    """Check EXIF data, with or without what it begins with in a JPEG.

    Raises:
        PhotoError: reading it would cost too much.
    """
    data = data.removeprefix(_BEGINNING).removeprefix(_BEGINNING)
    if data[:2] in (b"II", b"MM"):
        read_directories(data)
