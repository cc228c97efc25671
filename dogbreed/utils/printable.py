"""Makes untrusted text printable, so that it can't control a terminal or forge a line.

It is applied to every output: lines for people (terminal.py), CSV files
(csv_cells.py), pages (templates.py), the model card, and the messages of errors.
"""

import re
import unicodedata

_JOINERS = "\u200c\u200d"
_SELECTORS = "\u180b\u180c\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_SELECTOR = re.compile(f"[{_SELECTORS}]")
# Invisible characters that Python counts as printable: the grapheme joiner, fillers of Hangul and
# Khmer, the empty Braille cell. Source: Default_Ignorable_Code_Point in Unicode's
# DerivedCoreProperties.txt, and fonts for the last.
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800"
_WIDE_SPACE = "\u3000"  # between the words of Japanese and Chinese
_KEYCAP = "\u20e3"
_SUSPECT = re.compile("[^ -~]")
# Symbols, and letters and marks of scripts without upper and lower case.
_JOINED = frozenset(("So", "Sk", "Sm", "Po", "Pd", "Lo", "Lm", "Mn", "Mc"))
_EUROPEAN_MARKS = 200  # combining classes from here on are accents, of Latin letters among others
_MAX_MARKS = 8  # on one letter; more overlap the lines above and below


def printable(text: object) -> str:
    """The text in one line, with escapes for characters that could mislead a terminal or a reader.

    They are Python's (`\\n`, `\\x1b`, `\\u202e`, `\\udcff`) and stand for control characters, line
    breaks, bytes that aren't text, marks of writing direction, invisible characters, and spaces
    that look like the common one. The letters of every script stay, with the joiners that
    some scripts and emoji need. Applying it twice changes nothing more.
    """
    text = str(text)
    if text.isascii() and text.isprintable():
        return text
    return _SUSPECT.sub(lambda match: letter_at(text, match.start()), text)


def letter_at(text: str, place: int) -> str:
    """One character of a text as `printable` shows it there."""
    letter, after = text[place], text[place + 1 : place + 2]
    if letter in _JOINERS:
        seen = _is_joined_after(text, place) and _is_joined(after) and not _is_mark(after)
    elif _SELECTOR.match(letter):
        keycap = after == _KEYCAP and text[place - 1 : place] in tuple("0123456789#*")
        seen = keycap or (_is_joined_after(text, place) and not _SELECTOR.match(text[place - 1]))
    else:
        seen = (letter.isprintable() and letter not in _FILLERS) or letter == _WIDE_SPACE
        seen = seen and not _is_stacked(text, place)
    return letter if seen else letter.encode("unicode_escape").decode()


def _is_joined(letter: str) -> bool:
    """Whether a joiner or variation selector next to the character can change its look."""
    if not letter or letter.isascii() or letter in _FILLERS:
        return False
    return (
        unicodedata.category(letter) in _JOINED and unicodedata.combining(letter) < _EUROPEAN_MARKS
    )


def _is_joined_after(text: str, place: int) -> bool:
    """The same for the character before, if that is printed itself."""
    before = text[place - 1 : place]
    return _is_joined(before) and letter_at(text, place - 1) == before


def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter).startswith("M")


def _is_stacked(text: str, place: int) -> bool:
    """Whether the character is one mark too many on its letter."""
    marks = text[max(0, place - _MAX_MARKS) : place + 1]
    return len(marks) > _MAX_MARKS and all(map(_is_mark, marks))
