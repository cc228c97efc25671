"""Base64 as programs write it: with line breaks, URL-safe, without padding, as a data URI."""

import binascii
import re

_WHITESPACE = b" \t\r\n\v\f"
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")  # RFC 4648, 5
_TEXT = re.compile(rb"[\sA-Za-z0-9+/_=-]{4}")
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=" + _WHITESPACE
_DATA_URI = re.compile(rb"\s*data:([^,]{0,200}),", re.IGNORECASE)  # RFC 2397
_PERCENT_ENCODED = ((b"%2b", b"+"), (b"%2f", b"/"), (b"%3d", b"="))


def is_base64(text: bytes) -> bool:
    """Whether it has only characters of base64, or begins as a data URI."""
    if _DATA_URI.match(text):
        return True
    return bool(_TEXT.match(text)) and not text.translate(None, _LETTERS)


def decode_base64(text: bytes) -> bytes:
    """The bytes of base64 text in any of its variants.

    Raises:
        ValueError: it isn't base64; the message says why.
    """
    if uri := _DATA_URI.match(text):
        if not uri[1].rstrip().lower().endswith(b";base64"):
            raise ValueError("a data URI must say ;base64")
        text = text[uri.end() :]
        for encoded, character in _PERCENT_ENCODED if b"%" in text else ():
            text = text.replace(encoded, character).replace(encoded.upper(), character)
    packed = text.translate(_FROM_URL_SAFE, _WHITESPACE)
    digits = packed.rstrip(b"=")
    if len(packed) - len(digits) > 2 or (packed and not digits):
        raise ValueError("its padding is wrong")
    if len(digits) % 4 == 1:
        raise ValueError("its end is missing")
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4), strict_mode=True)
