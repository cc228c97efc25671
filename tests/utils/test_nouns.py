"""Nouns of configurations and models: plurals, counts, and which texts are accepted as a noun."""

import pytest

from dogbreed.configuration.run import DataConfig
from dogbreed.configuration.schema import parse_key
from dogbreed.errors import ConfigError
from dogbreed.utils.nouns import counted, is_noun, plural


@pytest.mark.parametrize(
    ("noun", "many"),
    [
        ("class", "classes"),
        ("breed", "breeds"),
        ("dog breed", "dog breeds"),
        ("variety", "varieties"),
        ("toy", "toys"),
        ("box", "boxes"),
        ("bench", "benches"),
        ("brush", "brushes"),
        ("T-shirt", "T-shirts"),
    ],
)
def test_a_plural(noun: str, many: str) -> None:
    assert plural(noun) == many
    assert counted(1, noun) == f"1 {noun}"
    assert counted(1200, noun) == f"1,200 {many}"
    assert counted(0, noun) == f"0 {many}"


def test_a_plural_that_is_not_regular() -> None:
    assert counted(2, "of them", "of them") == "2 of them"


@pytest.mark.parametrize("noun", ["class", "dog breed", "T-shirt", "Größe", "犬種", "x" * 40])
def test_a_noun(noun: str) -> None:
    assert is_noun(noun)
    assert parse_key(DataConfig, "noun", noun) == noun


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " breed",
        "breed ",
        "two  spaces",
        "breed\n",
        "a\nb",
        "br33d",
        "<b>breed</b>",
        "\x1b[31mred",
        "breed\u202e",
        "\u3164",  # a letter that can't be seen
        "under_score",
        "x" * 41,
    ],
)
def test_no_noun(text: str) -> None:
    assert not is_noun(text)
    with pytest.raises(ConfigError, match=r"noun=.*: must be letters, hyphens and single spaces"):
        parse_key(DataConfig, "noun", text)
