"""The names in a zip archive: UTF-8 where that is declared, else a guess for the whole archive.

Windows writes names in the code page of its language and doesn't say which; macOS writes UTF-8 and
doesn't say so. zipfile takes all of them for code page 437.
"""

import unicodedata
import zipfile
from collections.abc import Sequence

_UTF8_FLAG = 0x800
_DECLARED = "cp437"  # what the specification says of a name without the flag (APPNOTE, appendix D)
# Windows in Western languages: Explorer writes the OEM code page, other programs the ANSI one.
_WESTERN = (_DECLARED, "cp850", "cp1252")
_FAT = 0  # the system of an archive by Windows: some of its programs separate folders by backslash


class NameDecoder:
    """Decodes the names of one archive.

    Attributes:
        encoding: of the names that aren't declared to be UTF-8.
        example: a decoded name whose encoding was guessed; None: there is none.
    """

    def __init__(self) -> None:
        self.encoding = _DECLARED
        self.example: str | None = None

    def learn(self, entries: Sequence[zipfile.ZipInfo]) -> None:
        """Choose the encoding that makes the most of all names Latin letters."""
        raw = [_raw(entry) for entry in entries if _is_undeclared(entry)]
        if not raw:
            return
        joined = b"/".join(raw)
        if _decoded(joined, "utf-8") is not None:
            self.encoding = "utf-8"
            return
        self.encoding = max(_WESTERN, key=lambda name: _latin_letters(_decoded(joined, name)))
        self.example = raw[0].decode(self.encoding)

    def name_of(self, entry: zipfile.ZipInfo) -> str:
        """The name of an entry, its folders separated by slashes."""
        name = _raw(entry).decode(self.encoding) if _is_undeclared(entry) else entry.filename
        return name.replace("\\", "/") if entry.create_system == _FAT else name


def _is_undeclared(entry: zipfile.ZipInfo) -> bool:
    # Where zipfile has found the name in Unicode in an extra field, the two names differ.
    is_as_written = entry.orig_filename.startswith(entry.filename)
    return is_as_written and not entry.flag_bits & _UTF8_FLAG and not entry.filename.isascii()


def _raw(entry: zipfile.ZipInfo) -> bytes:
    """The bytes of a name that zipfile has decoded; it maps each byte to a letter."""
    return entry.filename.encode(_DECLARED)


def _decoded(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def _latin_letters(text: str | None) -> int:
    """How many letters beyond ASCII are Latin ones; -1 for a text that can't be decoded."""
    if text is None:
        return -1
    return sum(
        not letter.isascii() and unicodedata.name(letter, "").startswith("LATIN ")
        for letter in text
    )
