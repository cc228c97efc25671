"""gzip and deflate as HTTP carries them (RFC 9110, 8.4.1), decompressed within a limit."""

import zlib

from dogbreed.errors import PhotoError

GZIP_MAGIC = b"\x1f\x8b"
_GZIP, _DEFLATE = ("gzip", "x-gzip"), "deflate"
_ZLIB_BITS, _GZIP_BITS, _RAW_BITS = 15, 31, -15  # values of zlib's wbits


def is_compressed(data: bytes, encoding: str) -> bool:
    """Whether `inflated` may return more bytes than `data` has."""
    return data.startswith(GZIP_MAGIC) or _DEFLATE in encoding.lower()


def inflated(data: bytes, encoding: str, max_bytes: int) -> bytes:
    """A message's content without its Content-Encoding.

    gzip is recognised by its bytes: servers and clients announce it for uncompressed content, and
    fail to announce it for compressed content. No image format begins like gzip.

    Args:
        encoding: the header Content-Encoding, "" where there is none.
        max_bytes: of the result; decompression stops there.

    Raises:
        PhotoError: with the reason "encoded" (another encoding), "damaged" or "too_large".
    """
    names = [name.strip().lower() for name in encoding.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if data.startswith(GZIP_MAGIC) and set(names) <= set(_GZIP):
        return _decompressed(data, _GZIP_BITS, max_bytes)
    if names == [_DEFLATE]:
        # HTTP's deflate is the zlib format; some clients send it without zlib's header.
        bits = _ZLIB_BITS if _has_zlib_header(data) else _RAW_BITS
        return _decompressed(data, bits, max_bytes)
    if set(names) - set(_GZIP):
        raise PhotoError(
            "encoded", f"encoded as {', '.join(names)[:60]}: only gzip and deflate are supported"
        )
    return data


def _has_zlib_header(data: bytes) -> bool:
    """RFC 1950, 2.2: the method is 8, and the first two bytes are a multiple of 31."""
    return len(data) > 1 and data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0


def _decompressed(data: bytes, bits: int, max_bytes: int) -> bytes:
    stream = zlib.decompressobj(bits)
    try:
        content = stream.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise PhotoError("damaged", "its compressed content is damaged") from error
    if len(content) > max_bytes:
        raise PhotoError("too_large", f"more than {max_bytes:,} bytes once it is decompressed")
    if not stream.eof:
        raise PhotoError("damaged", "its compressed content ends too early")
    return content
