"""The bytes of a tar by anybody, packed or not: read once from start to end, within bounds.

tarfile reads each extended header in one piece, of the size that it declares, and gzip a file name
byte by byte; neither bounds what is unpacked.
"""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

# Of a member's headers: 512 bytes, and extended headers for long names.
MAX_HEADER_BYTES = 64 * 1024
# xz -9 needs 65 MiB; a header may ask for 1.5 GiB.
MAX_XZ_BYTES = 128 * 2**20
CHUNK_BYTES = 64 * 1024
# What the decompressors raise for damaged bytes; bz2 raises an OSError without a number.
DECOMPRESSION_ERRORS = (zlib.error, lzma.LZMAError, EOFError)


class TarStreamError(ValueError):
    """Bytes that aren't read on; the message is a clause that says why."""


class _Gzip:
    """A decompressor for gzip as bz2 and lzma have theirs; zlib parses the header."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


# By the name of the packing as in .tar.NAME.
DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "gz": _Gzip,
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_BYTES),
}


class TarStream(io.BufferedIOBase):
    """A file that tarfile reads forwards.

    Args:
        file: the archive, at its start.
        packing: one of DECOMPRESSORS; None for a plain tar.
        max_bytes: how many bytes it may have unpacked.

    Attributes:
        in_header: how many bytes the next member's headers may still have; None while its content
            is read. Its reader sets it; TarFile's constructor reads the first headers.
        last: what was read last; at the end of a complete tar a block of zeros.
    """

    def __init__(self, file: BinaryIO, packing: str | None, max_bytes: int) -> None:
        self._file, self._left, self._max_bytes = file, max_bytes, max_bytes
        self._new = DECOMPRESSORS[packing] if packing else None
        self._decompressor: Any = self._new() if self._new else None
        self._place = 0
        self.in_header: int | None = MAX_HEADER_BYTES
        self.last = b""

    def tell(self) -> int:
        return self._place

    def seek(self, place: int, whence: int = 0) -> int:
        if whence or place < self._place:
            raise TarStreamError("its members aren't in sequence")
        while self._place < place and self._read(min(place - self._place, CHUNK_BYTES)):
            pass
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            raise TarStreamError("it has a header of an invalid size")
        if self.in_header is not None:
            self.in_header -= size
            if self.in_header < 0:
                raise TarStreamError(f"a header in it has more than {MAX_HEADER_BYTES} bytes")
        self.last = self._read(size)
        return self.last

    def finish(self) -> None:
        """Read to the end, where packed files have their checksums."""
        while self._new is not None and self._read(CHUNK_BYTES):
            pass

    def _read(self, size: int) -> bytes:
        found = []
        while size and (data := self._more(size)):
            found.append(data)
            size -= len(data)
            self._left -= len(data)
            if self._left < 0:
                raise TarStreamError(f"it has more than {self._max_bytes} bytes unpacked")
        joined = b"".join(found)
        self._place += len(joined)
        return joined

    def _more(self, size: int) -> bytes:
        """Some of the next `size` bytes; none at the end of the file."""
        if self._new is None:
            return self._file.read(size)
        while True:
            packed = b""
            if self._decompressor.eof:
                packed = self._decompressor.unused_data or self._file.read(CHUNK_BYTES)
                if not packed.strip(b"\0"):  # padding
                    return b""
                self._decompressor = self._new()
            elif self._decompressor.needs_input:
                packed = self._file.read(CHUNK_BYTES)
                if not packed:
                    raise EOFError("it is incomplete")
            data: bytes = self._decompressor.decompress(packed, size)
            if data:
                return data
