"""Names that attack what they are written to, and how to see that an output is safe of them."""

import unicodedata

ESCAPE = "\x1b[2J\x1b]0;title\x07red"
FORGED_LINE = "break\n2026-01-01 00:00:00,000 forged valid_loss=0.000001 \r"
FORMULA = '=HYPERLINK("http:example.org")'
REVERSED = "\u202egnp.\u2066elloc\u200b\ufeff\u061c"
MARKUP = "[bold]x[/x] [link=http:x]y <b>$a$<a> | `c` [l](http:x) :dog:"
CONTROLS = "c1\x9b31m\x7f\x85nel\u2028sep\u2029tab\t"
UNDECODABLE = "bytes \udcff\udc9b"
NAMES = (ESCAPE, FORGED_LINE, FORMULA, REVERSED, MARKUP, CONTROLS, UNDECODABLE)

# What legitimate names are made of: they must stay as they are.
READABLE = (
    "Akita",
    "Löwchen – Bichon",
    "秋田犬\u3000柴犬",
    "كلب سلوقي",
    "כלב כנעני",
    "می\u200cخواهم",  # Persian, with the joiner that keeps two letters apart
    "क\u094d\u200dष",  # Devanagari, with the joiner after its virama
    "👩\u200d👩\u200d👧 ❤\ufe0f 1\ufe0f\u20e3 👍🏽",
    "cafe\u0301",
)


def unsafe(text: str, kept: str = "\n") -> list[str]:
    """The characters of a text that command a terminal, turn the direction or can't be seen."""
    return sorted(
        {
            letter
            for letter in text
            if letter not in kept and unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        }
    )
