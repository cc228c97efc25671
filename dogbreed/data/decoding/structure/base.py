"""What a file's structure says of the cost of decoding it, and how a limit refuses a photo."""

from dataclasses import dataclass

from dogbreed.errors import PhotoError

TOO_COMPLEX = "too_complex"  # the reason of a PhotoError


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A photo as its headers describe it.

    Args:
        format: by Pillow's name; "" where the file begins as none that is decoded.
        width, height: in pixels, before it is turned upright; 0 where the headers don't say.
        scans: how many passes over all pixels decoding takes: a JPEG's scans, 1 otherwise.
        arithmetic: whether a JPEG is coded arithmetically, which decodes some times more slowly.
    """

    format: str = ""
    width: int = 0
    height: int = 0
    scans: int = 1
    arithmetic: bool = False

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def limit(count: int, max_count: int, of_what: str) -> None:
    """Refuse a photo that has more of something than any program writes.

    Raises:
        PhotoError: `count` is larger than `max_count`.
    """
    if count > max_count:
        raise PhotoError(
            TOO_COMPLEX,
            f"its file has more than {max_count:,} {of_what}, which costs too much to decode: "
            "save it again as a plain JPEG or PNG",
        )


def number(data: bytes, place: int, size: int, order: str = "big") -> int:
    """The unsigned number of `size` bytes at `place`; of what is there where the file ends."""
    return int.from_bytes(data[place : place + size], order)  # type: ignore[arg-type]
