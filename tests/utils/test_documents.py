"""YAML and JSON from anywhere: read within bounds, or refused in a sentence, at once."""

import os
from pathlib import Path

import pytest

from dogbreed.utils.documents import (
    MAX_YAML_BYTES,
    DocumentError,
    json_value,
    read_bytes,
    read_json,
    read_yaml,
    yaml_mapping,
)

# Nine levels of nine: three hundred million values of a few hundred bytes.
BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)


def test_plain_values_are_read_as_they_are() -> None:
    text = 'a: {b: [1, 2.5, true, null, "x"]}\n"12": 1e-3\nc: ${oc.env:HOME}\nd: 日本\n'
    assert yaml_mapping(text) == {
        "a": {"b": [1, 2.5, True, None, "x"]},
        "12": "1e-3",  # YAML 1.1 wants a dot in a number
        "c": "${oc.env:HOME}",
        "d": "日本",
    }
    assert json_value('{"a": [1, 2.5, true, null, "${x}"]}') == {"a": [1, 2.5, True, None, "${x}"]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOMB, r"an anchor \(&a0\)"),
        ("a: &a 1\nb: 2\n", r"an anchor \(&a\): write values without \(line 1\)"),
        ("a: *b\n", r"an alias \(\*b\)"),
        ("a: &a [*a]\n", "an anchor"),
        ("b: 1\n<<: {a: 1}\n", r"a merge key \(<<\).*line 2"),
        ("a: !!python/object/apply:os.system [id]\n", "a tag"),
        ("a: !!str 1\n", "a tag"),
        ("a: !x 1\n", "a tag"),
        ("a: 1\nb: 2\na: 3\n", r"the key a twice \(line 3\)"),
        ("a:\n - {b: 1, b: 2}\n", "the key b twice"),
        ("? [a]\n: 1\n", "a list or a mapping as a key"),
        ("1: a\n", "the key 1, which is no text"),
        ("a: .nan\n", "isn't finite"),
        ("a: [-.inf]\n", "isn't finite"),
        ("a: 2026-01-01\n", "holds 2026-01-01: write it in quotes"),
        ("a: 1\n---\nb: 2\n", "is no YAML"),
        ("a: [1\n", "is no YAML: line 2"),
        ("a: \x1b[31m\n", "is no YAML"),
        ("", "holds no mapping"),
        ("- a\n", "holds no mapping"),
        ("a: " + "[" * 200_000, "nested deeper"),
        ("a: " + "{a: " * 50 + "1" + "}" * 50, "nested deeper"),
        ("".join(f"{' ' * n}a:\n" for n in range(100)), "nested deeper"),
        ("a: [" + "1," * 100_000 + "]", "more than 20000 values"),
        ("a: 1" + ":1" * 100_000, "too long a number"),
        ("a: " + "9" * 200_000, "too long a number"),
    ],
)
def test_yaml_out_of_bounds_is_refused(text: str, told: str) -> None:
    with pytest.raises(DocumentError, match=told) as caught:
        yaml_mapping(text)
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1, "a": 2}', "the key a twice"),
        ('[{"b": 1, "b": 2}]', "the key b twice"),
        ('{"a": NaN}', "NaN"),
        ("[-Infinity]", "Infinity"),
        ("[1e999]", "isn't finite"),
        ("[" * 40 + "]" * 40, "nested deeper"),
        ("[" * 200_000, "is no JSON"),
        ('{"a":' * 200_000, "is no JSON"),
        ("9" * 5000, "more than 18 digits"),
        ("[9223372036854775808]", "more than 18 digits"),
        ("[" + "[]," * 1_000_000 + "1]", "more than 1,000,000 values"),
        (b"\xff\xfe\x00", "is no text in UTF-8"),
        (b'{"a": [-1e999]}', "isn't finite"),
        ("{", "is no JSON"),
        ("", "is no JSON"),
    ],
)
def test_json_out_of_bounds_is_refused(text: str | bytes, told: str) -> None:
    with pytest.raises(DocumentError, match=told) as caught:
        json_value(text)
    assert len(str(caught.value)) < 400


def test_only_regular_files_within_their_size_are_read(tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.write_text("a: 1\n", "utf-8")
    assert read_yaml(good) == {"a": 1}
    (tmp_path / "link").symlink_to(good)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"#" * (MAX_YAML_BYTES + 1))
    (tmp_path / "latin").write_bytes(b"a: \xe4\n")
    for name, told in {
        "link": "is a symbolic link",
        "fifo": "is no regular file",
        ".": "is no regular file",
        "none": "No such file",
        "large": "is larger than 256 KiB",
        "latin": "is no text in UTF-8",
    }.items():
        with pytest.raises(DocumentError, match=told):
            read_yaml(tmp_path / name)
    with pytest.raises(DocumentError, match="is no regular file"):
        read_bytes(Path(os.devnull), 10)
    (tmp_path / "list.json").write_text("[1]", "utf-8")
    with pytest.raises(DocumentError, match="no JSON object"):
        read_json(tmp_path / "list.json")
