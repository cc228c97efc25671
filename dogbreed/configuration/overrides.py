"""Parses values of a command line: KEY=VALUE, lists [A,B], and trees {NAME: VALUE}.

Hydra's grammar isn't used: it rejects letters beyond ASCII and names with a colon, and its errors
are those of its parser generator. Values that are valid for Hydra have the same meaning here.
"""

import re
import types
import typing
from typing import Any, NoReturn

from dogbreed.configuration.schema import TAGS, TEXTS, TREE, takes_text

MAX_DEPTH = 20  # of nested lists and trees, far from Python's recursion limit
_QUOTES = ("'", '"')
_CLOSING = {"[": "]", "{": "}"}
# A backslash is literal, except before a quote, the end, or "${".
_QUOTED = {
    quote: re.compile(rf"{quote}((?:[^{quote}\\]|\\.)*){quote}", re.DOTALL) for quote in _QUOTES
}
_UNQUOTED = re.compile(r"[^,\[\]{}]*")
# The colon after a name: one before a space, a quote, or a list or tree (the run's end).
_SEPARATOR = re.compile(r":(?=\s|['\"]|\Z)")


class UnreadableValueError(ValueError):
    """What is wrong with a value: the rest of a sentence that begins with the argument."""


def read_value(text: str, kind: Any) -> Any:
    """The value of `text` for a key of this `kind` (a type of the schema).

    A value that the key doesn't take, such as a word for a number, is returned as text; the schema
    rejects it.

    Raises:
        UnreadableValueError: an open bracket or quote, or several values where there is one.
    """
    if kind in (TREE, TAGS):
        return _Reader(text, typed=kind == TREE).read_all()
    if kind == TEXTS:
        return _read_list(text)
    allowed = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if takes_text(allowed):
        return None if text == "null" else _read_text(text)
    if "," in text and text[:1] not in _QUOTES:
        raise UnreadableValueError("give one value.")
    return _read_scalar(text)


def read_name(text: str) -> str:
    """A name in a tree, which may be quoted.

    Raises:
        UnreadableValueError: it is empty, or a quote isn't closed.
    """
    name = _read_text(text)
    if not name.strip():
        raise UnreadableValueError("there is no name after the last dot of the key.")
    return name


def quoted(text: str) -> str:
    """Any text, quoted so that it is read from the command line unchanged."""
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    text = re.sub(r"(\\*)'", r"\1\1\\'", text)
    text = re.sub(r"(\\+)\Z", r"\1\1", text)
    return f"'{text}'"


def _read_text(text: str) -> str:
    """The text itself, or what is between its quotes."""
    if text[:1] not in _QUOTES:
        return text
    reader = _Reader(text, typed=False)
    value = reader.quoted()
    reader.end()
    return value


def _read_scalar(text: str) -> Any:
    """A number, true, false or null where the text is one, else the text."""
    text = text.strip()
    if text[:1] in _QUOTES:
        return _read_text(text)
    words = {"null": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    if text.isascii():  # Python reads digits of every script
        for number in (int, float):
            try:
                return number(text)
            except ValueError:
                continue
    return text


def _read_list(text: str) -> Any:
    """[A,B], or one text alone; null is null."""
    stripped = text.strip()
    if stripped.startswith("["):
        return _Reader(text, typed=False).read_all()
    if not stripped:
        raise UnreadableValueError("is empty: write [ONE,TWO], or [] for none.")
    if stripped == "null":
        return None
    value = _read_text(stripped)
    if "," in value and value == stripped:
        raise UnreadableValueError(f"several values are written in brackets: [{stripped}].")
    return [value]


class _Reader:
    """Reads one value from its start; `typed`: numbers, true, false and null aren't text."""

    def __init__(self, text: str, *, typed: bool) -> None:
        self._text, self._typed, self._place, self._depth = text, typed, 0, 0

    def read_all(self) -> Any:
        """The value, which must be the complete text."""
        value = self._value()
        self.end()
        return value

    def end(self) -> None:
        """Raise if anything follows."""
        if self._next() == ",":
            raise UnreadableValueError(
                "give one value; several are written in brackets, and a text with a comma in "
                "quotes."
            )
        if self._next():
            self._fail("can't be there: a text with brackets or quotes is written in quotes")

    def quoted(self) -> str:
        """The text between the quote here and the closing one."""
        quote = self._text[self._place]
        found = _QUOTED[quote].match(self._text, self._place)
        if found is None:
            self._fail("is never closed: write a second one, or none")
        self._place = found.end()
        # Of the backslashes before a quote, the end or "${" every second one is meant.
        return re.sub(
            rf"(\\+)(?={quote}|\Z|\$\{{)", lambda run: "\\" * (len(run[1]) // 2), found[1]
        )

    def _value(self) -> Any:
        first = self._next()
        if first in _CLOSING:
            self._depth += 1
            if self._depth > MAX_DEPTH:
                self._fail("is nested too deeply")
            value = self._list() if first == "[" else self._tree()
            self._depth -= 1
            return value
        if first in _QUOTES:
            return self.quoted()
        found = _UNQUOTED.match(self._text, self._place)
        assert found is not None
        self._place = found.end()
        text = found[0].strip()
        return _read_scalar(text) if self._typed else None if text == "null" else text

    def _list(self) -> list[Any]:
        items: list[Any] = []
        start = self._open()
        while not self._closed(start, first=not items):
            if self._next() in (",", "]"):
                self._fail("has no value before it: an empty text is written ''")
            items.append(self._value())
        return items

    def _tree(self) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        start = self._open()
        while not self._closed(start, first=not tree):
            name = self._name()
            if self._next() in (",", "}"):
                raise UnreadableValueError(f"{name} has no value: an empty text is written ''.")
            if name in tree:
                raise UnreadableValueError(f"{name} is given twice.")
            tree[name] = self._value()
        return tree

    def _name(self) -> str:
        """A name and the colon after it."""
        if self._next() in _QUOTES:
            name = self.quoted()
            if self._next() != ":":
                raise UnreadableValueError(f"{name} has no value: write {{{name}: VALUE}}.")
            self._place += 1
            return name
        found = _UNQUOTED.match(self._text, self._place)
        assert found is not None
        colon = _SEPARATOR.search(found[0])
        if colon is not None:
            at = colon.start()
        elif found[0].count(":") == 1:
            at = found[0].index(":")
        else:
            self._fail_at_name(found[0].strip())
        name = found[0][:at].strip()
        if not name:
            self._fail("has no name before it: write {NAME: VALUE}")
        self._place += at + 1
        return name

    def _fail_at_name(self, entry: str) -> NoReturn:
        if not entry:
            self._fail("can't be there: write {NAME: VALUE}")
        if ":" in entry:
            raise UnreadableValueError(
                f"{entry} has several colons: write a space after the one before the value."
            )
        raise UnreadableValueError(f"{entry} has no value: write {{{entry}: VALUE}}.")

    def _open(self) -> int:
        self._place += 1
        return self._place - 1

    def _closed(self, start: int, *, first: bool) -> bool:
        """Skip the closing bracket, or the comma before another item."""
        closing = _CLOSING[self._text[start]]
        here = self._next()
        if not here or here in set(_CLOSING.values()) - {closing}:
            self._place = start
            self._fail(
                f"is never closed: write {closing} where it ends, and quote the complete argument "
                "for the shell"
            )
        if here == closing:
            self._place += 1
            return True
        if first:
            return False
        if here != ",":
            self._fail("can't be there: a text with brackets or quotes is written in quotes")
        self._place += 1
        return False

    def _next(self) -> str:
        """The next character that isn't space, without consuming it; empty at the end."""
        while self._place < len(self._text) and self._text[self._place].isspace():
            self._place += 1
        return self._text[self._place : self._place + 1]

    def _fail(self, what: str) -> NoReturn:
        here = self._text[self._place : self._place + 1] or "the end"
        raise UnreadableValueError(f"the {here} at character {self._place + 1} {what}.")
