"""What an image format is: how a file of it is recognised, checked, opened, and what that costs.

A format of your own, in a module that is loaded as an extension (dogbreed.utils.registry):

    IMAGE_FORMATS.register(
        "QOI",
        ImageFormat(
            name="QOI",
            suffixes=frozenset({".qoi"}),
            content_type="image/qoi",
            begins=lambda head: head.startswith(b"qoif"),
            check=check_qoi,
        ),
    )
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from PIL import Image

from dogbreed.data.decoding.structure import Structure
from dogbreed.utils.registry import Registry

# Bytes a pixel while it is decoded, made upright, converted to sRGB and laid over white: the most
# that was measured of the formats that photos come in (Pillow 13, pillow-heif 1.8).
PLAIN_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class ImageFormat:
    """A format that is decoded.

    Args:
        name: by Pillow; that of an opened picture and of its Structure.
        suffixes: of its files, in lower case, the usual ones for a photo.
        content_type: over HTTP.
        begins: whether a file that begins with these bytes (64 kB of it, or all) is of the format.
        check: the structure of a file, read without decoding; a PhotoError refuses the file.
        open: reads the header of a file; None: Pillow's plugin of that name does. A PhotoError, or
            any other exception for a damaged file.
        bytes_per_pixel: of memory, while an ordinary picture of 8 bits a channel is decoded.
        profile_bytes_per_pixel: more, where a colour profile is converted.
        separate_process: whether it is decoded in a process with limits: its header doesn't bound
            the time, or its decoder has crashed on hostile files.
        allocates_when_opened: whether its decoder allocates the picture before the header is known.
        shares_signature: whether files of formats that aren't decoded begin so too.
        variants: names that Pillow gives to some files of it, with their suffixes.
    """

    name: str
    suffixes: frozenset[str]
    content_type: str
    begins: Callable[[bytes], bool]
    check: Callable[[bytes], Structure]
    open: Callable[[bytes], Image.Image] | None = None
    bytes_per_pixel: int = PLAIN_BYTES
    profile_bytes_per_pixel: int = 0
    separate_process: bool = True
    allocates_when_opened: bool = False
    shares_signature: bool = False
    variants: Mapping[str, frozenset[str]] = field(default_factory=dict)


IMAGE_FORMATS: Registry[ImageFormat] = Registry("image format")


def format_of(head: bytes) -> ImageFormat | None:
    """The format of a file that begins so; of several, the one that was registered last."""
    return next((each for each in reversed(IMAGE_FORMATS.values()) if each.begins(head)), None)


def format_by_name(name: str | None) -> ImageFormat | None:
    """The format that Pillow calls so."""
    known = IMAGE_FORMATS.values()
    return next((each for each in known if name == each.name or name in each.variants), None)


def pillow_formats() -> tuple[str, ...]:
    """The formats that Pillow's own plugins decode; those that run programs or fetch files (EPS,
    WMF) are none of them."""
    return tuple(each.name for each in IMAGE_FORMATS.values() if each.open is None)


def suffixes_of(name: str) -> frozenset[str]:
    """The suffixes of the files that Pillow says are of the format `name`."""
    known = format_by_name(name)
    if known is None:
        return frozenset()
    return known.suffixes if name == known.name else known.variants[name]


def decoded_suffixes() -> frozenset[str]:
    """The suffixes of all formats."""
    known = IMAGE_FORMATS.values()
    return frozenset().union(
        *(s for each in known for s in (each.suffixes, *each.variants.values()))
    )


def check_structure(data: bytes) -> Structure:
    """A photo's structure, read in time linear in its size, without decoding anything.

    What is damaged is left to the decoder, which says so better.

    Raises:
        PhotoError: of reason `too_complex`: it has more parts than programs and cameras write, so
            that opening or decoding it would cost more time or memory than its pixels do.
    """
    known = format_of(data)
    return known.check(data) if known is not None else Structure()
