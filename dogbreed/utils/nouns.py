"""Regular English nouns: the plural, a count with its noun, and which texts are accepted as one."""

import re

from dogbreed.utils.printable import printable

MAX_NOUN_CHARACTERS = 40  # it stands in headings and in lines of a terminal
NOUN = f"letters, hyphens and single spaces, at most {MAX_NOUN_CHARACTERS} characters"
_NOUN = re.compile(r"[^\W\d_]+(?:[ -][^\W\d_]+)*")
_SIBILANT = re.compile(r"(?:s|x|z|ch|sh)\Z", re.IGNORECASE)
_IRREGULAR = {"epoch": "epochs"}  # its ch is a k
_CONSONANT_Y = re.compile(r"[b-df-hj-np-tv-z]y\Z", re.IGNORECASE)


def is_noun(text: str) -> bool:
    """Whether the text consists of `NOUN` and of characters that can be seen."""
    return (
        len(text) <= MAX_NOUN_CHARACTERS and bool(_NOUN.fullmatch(text)) and printable(text) == text
    )


def plural(noun: str) -> str:
    """A regular noun's plural: classes, breeds, varieties, dog breeds."""
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if _SIBILANT.search(noun):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if _CONSONANT_Y.search(noun) else f"{noun}s"


def counted(number: int, noun: str, many: str | None = None) -> str:
    """1 photo, 1,200 photos; `many` is the plural of a noun that isn't regular."""
    return f"{number:,} {noun if number == 1 else many or plural(noun)}"
