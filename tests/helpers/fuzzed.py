"""Requests as they come from broken clients and from attackers: the same for the same seed."""

import gzip
import io
import json
import random
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from helpers.colour_profiles import profile
from helpers.local_server import as_text, photo, picture
from PIL import Image

MB = 2**20


@dataclass(frozen=True)
class Fuzzed:
    """What is sent on one connection, piece by piece.

    `answers` is how many answers come back; with 0 the connection is left in the middle.
    """

    kind: str
    pieces: tuple[bytes, ...]
    answers: int = 1
    pause_s: float = 0.0


def fuzzed(kind: str, random_: random.Random) -> Fuzzed:
    """A request of one of KINDS."""
    made = MAKERS[kind](random_)
    return Fuzzed(kind, (post(made),)) if isinstance(made, bytes) else made


def post(body: bytes, media_type: str = "image/jpeg", *more: str, path: str = "") -> bytes:
    """A request as it is sent."""
    lines = [
        f"POST /invocations{path} HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {media_type}",
        f"Content-Length: {len(body)}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


@cache
def photos() -> tuple[bytes, ...]:
    """Photos that nothing is wrong with."""
    smooth = [picture(seed).resize((200, 150), Image.Resampling.BICUBIC) for seed in range(3)]
    return tuple(
        photo(kind, image, **options)
        for image in smooth
        for kind, options in (
            ("JPEG", {}),
            ("JPEG", {"progressive": True, "subsampling": 0}),
            ("PNG", {}),
            ("WEBP", {}),
            ("GIF", {}),
            ("TIFF", {"compression": "tiff_lzw"}),
            ("AVIF", {}),
            ("HEIF", {}),
            ("JPEG", {"icc_profile": profile("Display P3")}),
            ("TIFF", {"icc_profile": profile("ProPhoto"), "compression": "jpeg"}),
        )
    )


def chunk(name: bytes, data: bytes) -> bytes:
    """A PNG's part."""
    return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)


@cache
def bombs() -> tuple[bytes, ...]:
    """Little that claims to be much, or is."""
    header = (1).to_bytes(4) + (1).to_bytes(4) + bytes([8, 2, 0, 0, 0])
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    much = zlib.compress(bytes(100 * MB), 1)
    gif = bytearray(photo("GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    return (
        photo("PNG", Image.new("RGB", (10_000, 8_000))),
        photo("PNG", Image.new("RGBA", (7_000, 7_000))),
        photo("PNG", Image.new("RGB", (7_000, 7_000))),
        photo("PNG", Image.new("1", (8_900, 10_000))),
        photo("JPEG", Image.new("RGB", (6_000, 5_000)), progressive=True),
        photo("WEBP", Image.new("RGBA", (4_000, 4_000))),
        bytes(gif),
        start + chunk(b"IDAT", much) + chunk(b"IEND", b""),
        start + b"".join(chunk(b"IDAT", much) for _ in range(20)),
        start + chunk(b"zTXt", b"a\0\0" + much) + chunk(b"iCCP", b"a\0\0" + much),
        start + chunk(b"tEXt", b"a\0" + bytes(10 * MB)),
    )


@cache
def disguises() -> tuple[bytes, ...]:
    """Files that are no photos."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("dog.jpg", photos()[0])
    return (
        packed.getvalue(),
        photos()[0][:20] + packed.getvalue(),
        gzip.compress(photos()[0]),
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "/etc/passwd">]><x>&e;</x>',
        b"%PDF-1.7\n1 0 obj\n<</Type /Catalog>>\nendobj\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99999 99999\n(/etc/passwd) run\n",
        b"\x00\x00\x00\x18ftypheic" + bytes(200),
        b"\xff\x0a" + bytes(200),
        b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(200),
        b"II*\0\x10\0\0\0CR\x02\0" + bytes(200),
        b"\0\0\0\x18ftypcrx " + bytes(200),
        b"\x7fELF" + bytes(500),
        b"P6\n99999 99999\n255\n",
        b"BM" + (2**31).to_bytes(4, "little") + bytes(100),
    )


def truncated(random_: random.Random) -> bytes:
    data = random_.choice(photos())
    return data[: random_.randrange(len(data))]


def flipped(random_: random.Random) -> bytes:
    data = bytearray(random_.choice(photos()))
    for _ in range(random_.choice((1, 1, 3, 30, 300))):
        # Half of them in the header, where they do the most.
        place = random_.randrange(random_.choice((min(600, len(data)), len(data))))
        data[place] ^= 1 << random_.randrange(8)
    return bytes(data)


def noise(random_: random.Random) -> bytes:
    begin = random_.choice(
        (b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF", b"{")
    )
    return begin + random_.randbytes(random_.randrange(3000))


def odd_tags(random_: random.Random) -> bytes:
    """A TIFF whose every tag may be another, of another type, and hold anything."""
    tags = b"".join(
        random_.choice(
            (254, 256, 257, 258, 259, 262, 273, 277, 278, 279, 322, 330, 34675)
        ).to_bytes(2, "little")
        + random_.randrange(1, 14).to_bytes(2, "little")
        + random_.choice((0, 1, 2, 3, 2**16, 2**32 - 1)).to_bytes(4, "little")
        + random_.choice((0, 1, 8, 100, 2**16, 2**31, 2**32 - 1)).to_bytes(4, "little")
        for _ in range(12)
    )
    return b"II*\0\x08\0\0\0" + (12).to_bytes(2, "little") + tags + random_.randbytes(300)


def bomb(random_: random.Random) -> bytes:
    return random_.choice(bombs())


def disguised(random_: random.Random) -> bytes:
    return random_.choice(disguises()) + random_.randbytes(random_.choice((0, 10, 1000)))


def good(random_: random.Random) -> bytes:
    return random_.choice(photos())


def odd_json(random_: random.Random) -> bytes:
    text = as_text(random_.choice(photos()))
    return random_.choice(
        (
            b"[" * 100_000,
            b'{"photos":' * 20_000,
            b'{"photos": [' + b"[" * 100,
            b'{"a":1,' + b",".join(b'"%d":1' % number for number in range(100_000)) + b"}",
            b'{"photos": ["%b"], "top_k": NaN}' % text.encode(),
            b'{"photos": ["%b"], "top_k": -Infinity}' % text.encode(),
            b'{"photos": ["%b"], "top_k": 1e999}' % text.encode(),
            b'{"photos": ["%b"], "top_k": %b}' % (text.encode(), b"9" * 4000),
            b'{"photos": ["%b"], "top_k": %b}' % (text.encode(), b"9" * 9000),
            b'{"photos": [], "photos": ["%b"], "photos": null}' % text.encode(),
            b'{"photos": ["\\ud800"]}',
            b'{"\\ud800": 1}',
            b'{"photos": ["%b"]}' % random_.randbytes(30),
            b'\xef\xbb\xbf{"photos": []}',
            '{"photos": []}'.encode("utf-16"),
            b'{"photos": ["' + b"A" * random_.randrange(5000),
            json.dumps({"photos": [text[: random_.randrange(len(text))]]}).encode(),
            json.dumps({"photos": [text, None]}).encode(),
            json.dumps({"photos": {"0": text}}).encode(),
            json.dumps({"photos": [text], "k" * random_.randrange(9000): [text]}).encode(),
            json.dumps({"photos": [text, as_text(truncated(random_))]}).encode(),
        )
    )


def many(random_: random.Random) -> bytes:
    count = random_.choice((100, 100, 33, 32, 20))
    return json.dumps({"photos": [as_text(good(random_)) for _ in range(count)]}).encode()


def huge(random_: random.Random) -> Fuzzed:
    size = random_.choice((26, 60)) * MB
    begin = random_.choice((b"\xff\xd8\xff\xe0", b'{"photos": ["', b""))
    body = begin + bytes(size - len(begin))
    if random_.random() < 0.5:
        return Fuzzed("huge", (post(body),))
    piece = b"%x\r\n" % MB + bytes(MB) + b"\r\n"
    head = b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    return Fuzzed("huge", (head, *[piece] * (size // MB), b"0\r\n\r\n"))


def half(random_: random.Random) -> Fuzzed:
    whole = post(random_.choice((good, many))(random_))
    return Fuzzed("half", (whole[: random_.randrange(1, len(whole) - 1)],), answers=0)


def slow(random_: random.Random) -> Fuzzed:
    whole = post(good(random_))
    cuts = sorted(random_.sample(range(len(whole)), 5))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    return Fuzzed("slow", tuple(pieces), pause_s=0.02)


def odd_http(random_: random.Random) -> Fuzzed:
    body = good(random_)
    head = b"POST /invocations HTTP/1.1\r\nHost: localhost\r\n"
    cases: tuple[bytes | tuple[bytes, int], ...] = (
        random_.randbytes(100) + b"\r\n\r\n",
        b"\r\n" * 20 + post(body),
        post(body).replace(b"POST", b"BREW", 1),
        post(body).replace(b"POST", random_.choice((b"PUT", b"GET", b"DELETE", b"TRACE")), 1),
        post(body).replace(b"HTTP/1.1", random_.choice((b"HTTP/1.0", b"HTTP/9.9", b"HTTP")), 1),
        post(body).replace(b"/invocations", b"http://x:y", 1),
        post(body).replace(b"/invocations", b"/%ff%00?\xff", 1),
        post(body).replace(b"/invocations", b"*", 1),
        post(body, path="?top_k=%00%ff&explain=%F0%9F%90%95"),
        post(body, path="?" + "&".join(["top_k=1"] * 999)),
        post(body, path="?" + "a" * 70_000),
        post(body, "image/jpeg", f"X-Flood: {'a' * 70_000}"),
        post(body, "image/jpeg", *(f"X-{number}: a" for number in range(2_000))),
        post(body, "\x80\xff;;=,", "Accept: ;;q=,/", "Content-Encoding: gzip"),
        post(body, "multipart/form-data", "X-Amzn-SageMaker-Custom-Attributes: ;=;top_k"),
        post(body, "image/jpeg", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"),
        post(body, "image/jpeg", "Transfer-Encoding: chunked"),
        head + b"Content-Length: -5\r\n\r\n" + body,
        head + b"Content-Length: 5, 6\r\n\r\n" + body,
        head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + body,
        head + b"Content-Length: 99999999999999999999999\r\n\r\n" + body,
        head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body,
        head + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n" + body,
        head + b"no colon\r\n\r\n",
        head + b": no name\r\n\r\n",
        head + b"A: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        (post(body) * 3, 3),
        (post(b"") + post(body) + b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n", 3),
    )
    case = random_.choice(cases)
    sent, answers = case if isinstance(case, tuple) else (case, 1)
    return Fuzzed("odd_http", (sent,), answers)


MAKERS: dict[str, Callable[[random.Random], bytes | Fuzzed]] = {
    maker.__name__: maker
    for maker in (
        *(truncated, flipped, noise, odd_tags, bomb, disguised, good),
        *(odd_json, many, huge, half, slow, odd_http),
    )
}
