"""Cells of CSV files: untrusted text that spreadsheets don't compute and terminals don't obey.

Spreadsheets compute a text that begins with =, +, - or @. Such a text gets an apostrophe in front,
which marks text (OWASP, "CSV Injection"); numbers stay numbers. Control characters and invisible
characters are written as escapes (`\\x1b`, `\\u202e`). Line breaks (in quotes) and bytes that
aren't text stay unchanged. `text_of` returns exactly what was written.
"""

import csv
import io
import re
from collections.abc import Iterable

from dogbreed.utils.printable import letter_at

_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)

# A cell also begins where a program that splits at semicolons or tabs, or knows no quotes, begins
# one. Spreadsheets pass over spaces and quotes; full-width signs count in Chinese, Japanese and
# Korean ones. A tab or a line break at the start is dangerous by itself.
_BEGIN = r"(?:\A|(?<=[;\t\r\n]))"
_FORMULA = r"(?=(?:(?![\t\r\n])[\s\"'`])*[=+\-@\uff1d\uff0b\uff0d\uff20])"
_BREAK = r"(?='*[\t\r\n])"
_DANGEROUS = re.compile(rf"{_BEGIN}{_FORMULA}|\A{_BREAK}")
_PROTECTED = re.compile(rf"{_BEGIN}'{_FORMULA}|\A'{_BREAK}")

# Backslashes before an escape are doubled, so that a name that looks like one stays distinct.
_ESCAPE = r"x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}"
_TO_ESCAPE = re.compile(rf"(\\+)(?={_ESCAPE})|(\\*)([^\t\r\n -~\udc80-\udcff])")
_ESCAPED = re.compile(rf"(\\+)({_ESCAPE})")


def csv_line(values: Iterable[object]) -> str:
    """A row of a CSV file with its line end, CR LF as in RFC 4180."""
    line = io.StringIO(newline="")
    csv.writer(line).writerow([_cell(value) for value in values])
    return line.getvalue()


def text_of(cell: str) -> str:
    """The text that `csv_line` wrote as this cell."""
    return _ESCAPED.sub(_unescaped, _PROTECTED.sub("", cell))


def _cell(value: object) -> object:
    """A number unchanged; a text so that it stays text."""
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    return text if _NUMBER.fullmatch(text) else _DANGEROUS.sub("'", _TO_ESCAPE.sub(_escaped, text))


def _escaped(match: re.Match[str]) -> str:
    before_escape, before_letter, letter = match.groups()
    if letter is None:
        return 2 * str(before_escape)
    shown = letter_at(match.string, match.start(3))
    return f"{before_letter}{letter}" if shown == letter else f"{2 * before_letter}{shown}"


def _unescaped(match: re.Match[str]) -> str:
    backslashes, code = match.groups()
    half = backslashes[: len(backslashes) // 2]
    return half + (chr(int(code[1:], 16)) if len(backslashes) % 2 else code)
