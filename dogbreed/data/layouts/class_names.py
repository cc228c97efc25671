"""Names of classes: what people read, and which names are spellings of one class."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

# 001.Affenpinscher, 12-Collie, 3_Beagle; n02085620-Chihuahua (a synset of WordNet, as in ImageNet).
_PREFIX = re.compile(r"n\d{8}[._-]|\d+[._-]")


def display_names(classes: Sequence[str]) -> tuple[str, ...]:
    """What people read for each class: no number in front, spaces for underscores.

    A number or synset in front is an index, and left out, only if every class has one, no two of
    them are the same, and each of the remainders is a name: it has a letter, starts with no digit
    and is spelled otherwise than the rest. So "0-2, 4-6" and "1.5_carat, 2.7_carat" stay as they
    are. No two classes get the same name.
    """
    prefixes = [_PREFIX.match(name) for name in classes]
    names = list(classes)
    if all(prefixes):
        rests = [
            name[match.end() :].strip()
            for name, match in zip(classes, prefixes, strict=True)
            if match
        ]
        if (
            len({match.group() for match in prefixes if match}) == len(classes)
            and all(_is_name(rest) for rest in rests)
            and len({spelling_key(rest) for rest in rests}) == len(classes)
        ):
            names = rests
    cleaned = [name.replace("_", " ").strip() or name for name in names]
    counts = Counter(cleaned)
    unique = [
        clean_name if counts[clean_name] == 1 else name
        for clean_name, name in zip(cleaned, classes, strict=True)
    ]
    return tuple(unique) if len(set(unique)) == len(unique) else tuple(classes)


def _is_name(text: str) -> bool:
    return any(map(str.isalpha, text)) and not text[0].isdigit()


def spelling_key(name: str) -> str:
    """The same text for all spellings that people take for one name.

    They may differ in Unicode's composition (NFC, NFD) and compatibility forms, letter case,
    invisible characters, spaces at the ends, and in what separates two words: spaces, underscores
    or one hyphen.
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # Format characters (zero-width, soft hyphen, direction marks) and variation selectors.
    text = "".join(
        letter
        for letter in text
        if unicodedata.category(letter) != "Cf" and not "\ufe00" <= letter <= "\ufe0f"
    )
    text = re.sub(r"[\s_]+", " ", text)
    text = re.sub(r"(?<=[^\W_])-(?=[^\W_])", " ", text)
    return text.strip() or name
