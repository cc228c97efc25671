"""Values as they are typed: what they mean, and mistakes in a sentence of this project's own."""

import re

import pytest

from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.deploy import DeployConfig, TeardownConfig
from dogbreed.configuration.overrides import UnreadableValueError, quoted, read_value
from dogbreed.configuration.schema import TAGS, TEXTS, TREE
from dogbreed.configuration.search import TuneConfig
from dogbreed.errors import ConfigError
from dogbreed.search.hyperparameters import as_hyperparameters, as_overrides

# Words of ANTLR's and Hydra's that mean nothing to who typed an argument.
FOREIGN = re.compile(
    "mismatched input|extraneous|no viable|token recognition|Lexer|Exception|multirun|EOF|"
    "Error parsing|Interpolation|Ambiguous|override '|Hydra|Sweep",
)
KINDS = (TAGS, TREE, TEXTS, int, float | None, bool, int | str, str, str | None)
VALUES = (
    *("[a,b", "a,b", "{a: }", "{a: b", "{a: [}", "{a}", "{", "}", "]", "[", "'", '"', "'a", '"a'),
    *("${oc.env:HOME}", "${x", "$", "", " ", "=x", "a=b", "choice(1,2)", "range(1,3)", "glob(*)"),
    *("interval(0,1)", "f(", "größe", "日本", "a\nb", "a b", "a:b", ":", ",", "\\", "#", ";", "!"),
    *("[a]]", "{a: b}}", "[[a]", "{a: b, a: c}", "{a:b:c}", "'a'b'", "1.2.3", "~", "@", "%", "&"),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{cost:center: x}", {"cost:center": "x"}),
        ("{team:kennel, url: http://x:80/}", {"team": "kennel", "url": "http://x:80/"}),
        ("{'a,b': \"c}\", größe: 日本}", {"a,b": "c}", "größe": "日本"}),
        (
            "{version: 1.10, yes: true, e: 1e3, n: 007}",
            {"version": "1.10", "yes": "true", "e": "1e3", "n": "007"},
        ),
        ("{a: b=c, d=e: f g, h:'i'}", {"a": "b=c", "d=e": "f g", "h": "i"}),
        ("{a: ''}", {"a": ""}),
        ("{}", {}),
    ],
)
def test_tags_are_texts_as_they_are_typed(text: str, value: dict[str, str]) -> None:
    assert read_value(text, TAGS) == value


def test_lists_trees_and_single_values() -> None:
    assert read_value("[a, 'b,c', 1]", TEXTS) == ["a", "b,c", "1"]
    assert read_value("a", TEXTS) == ["a"]
    tree = "{lr: {type: float, low: 1e-4, high: 0.1}, n:{type:choice,values:[8,null,true,ä]}}"
    assert read_value(tree, TREE) == {
        "lr": {"type": "float", "low": 1e-4, "high": 0.1},
        "n": {"type": "choice", "values": [8, None, True, "ä"]},
    }
    assert read_value(" 12 ", int) == 12
    assert read_value("1e-3", float) == 1e-3
    assert read_value("null", int | None) is None
    assert read_value("auto", int | str) == "auto"
    assert read_value("a=b, ${c} {d", str) == "a=b, ${c} {d"
    assert read_value('"null"', str | None) == "null"


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        ("[a,b", TEXTS, r"the \[ at character 1 is never closed: write \] where it ends"),
        ("a,b", TEXTS, r"several values are written in brackets: \[a,b\]"),
        ("[a,,b]", TEXTS, "the , at character 4 has no value before it"),
        ("{a: }", TAGS, "a has no value"),
        ("{a: [}", TREE, r"the \[ at character 5 is never closed"),
        ("{a: b c", TAGS, "the { at character 1 is never closed"),
        ("{a: 'b}", TAGS, "the ' at character 5 is never closed"),
        ("{a:b:c}", TAGS, "a:b:c has several colons: write a space after the one before"),
        ("{a: b, a: c}", TAGS, "a is given twice"),
        ("{a: b}}", TAGS, "the } at character 7 can't be there"),
        ("{: a}", TAGS, "the : at character 2 has no name"),
        ("0.1,0.2", TREE, "give one value"),
        ("1,2", int, "give one value"),
        ("'a", str, "the ' at character 1 is never closed"),
        ("'a'b", str, "the b at character 4 can't be there"),
        ("[" * 5000, TREE, "nested too deeply"),
    ],
)
def test_errors_name_the_character(text: str, kind: object, sentence: str) -> None:
    with pytest.raises(UnreadableValueError, match=sentence):
        read_value(text, kind)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_any_value_is_read_or_refused_in_a_sentence(kind: object) -> None:
    for value in VALUES:
        try:
            read_value(value, kind)
        except UnreadableValueError as error:
            message = str(error)
            assert message.endswith("."), value
            assert not FOREIGN.search(message), value


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("launcher.tags={a: [}", r"^launcher.tags={a: \[}: the \[ at character 5 is never closed"),
        ("launcher.subnets=[a,b", "is never closed"),
        ("launcher.subnets=choice(a,b)", "several values are written in brackets"),
        ("deploy.instance_count=range(1,3)", "give one value"),
        ("deploy.instance_count=${oc.env:HOME}", "must be a whole number"),
        ("deploy.instance_count==2", "must be a whole number"),
        ("deploy.instance_count=zwölf", "must be a whole number"),
        ("deploy.instance_count=2;3", "must be a whole number"),
        ("endpoint='dogs", "is never closed"),
        ("endpoint='a\nb", r"^endpoint='a\\nb: "),
        ("=x", "a key and no space before the ="),
        ("endpoint =x", "a key and no space before the ="),
        ("~endpoint", "no key can be removed"),
        ("~endpoint=x", "no key can be removed"),
        ("deploy=realtime,batch", "deploy is one of"),
        ("deploy=", "deploy is one of"),
        ("launcher.tags.=x", "no name after the last dot"),
        ("hydra.run.dir=x", "There is no key"),
        ("endpoint@x=y", "There is no key"),
    ],
)
def test_an_argument_is_refused_in_plain_words(argument: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        compose_as(DeployConfig, "deploy", [argument])
    assert not FOREIGN.search(str(caught.value))
    assert "\n" not in str(caught.value)


def test_signs_before_a_key_mean_nothing() -> None:
    config = compose_as(DeployConfig, "deploy", ["+deploy=batch", "++endpoint=dogs", "+photo=x"])
    assert (config.deploy.kind, config.endpoint, config.photo) == ("batch", "dogs", "x")


def test_a_tag_s_name_is_all_that_follows() -> None:
    launcher = compose_as(
        TeardownConfig,
        "teardown",
        ["launcher.tags={team: a}", "launcher.tags.cost:center=x=y", "launcher.tags.a.b=1.10"],
    ).launcher
    assert launcher.tags == {"team": "a", "cost:center": "x=y", "a.b": "1.10"}
    for typed in ("launcher.tags.a=null", "launcher.tags={a: null}", "launcher.tags={a: {b: c}}"):
        with pytest.raises(ConfigError, match=r"launcher\.tags: a"):
            compose_as(TeardownConfig, "teardown", [typed])


def test_any_tags_come_back_from_a_search_as_they_were() -> None:
    tags = {"cost:center": "1.10", "it's": '"', "a, b": "{c}", "${x}": "\\", "d=e": "", "n": "null"}
    (override,) = as_overrides(as_hyperparameters({"launcher.tags": tags}))
    assert compose_as(TuneConfig, "tune", [override]).launcher.tags == tags
    assert read_value(quoted("\\'${\\"), str) == "\\'${\\"


def test_what_was_typed_last_holds() -> None:
    typed = ["optim.lr=0.1", "optim=sgd", "search.space.optim.lr={type: float, low: 1e-3, high: 1}"]
    config = compose_as(TuneConfig, "tune", [*typed, "search.space.optim.lr=null"])
    assert (config.optim.lr, config.optim.name) == (0.1, "sgd")
    assert config.search.space["optim"]["lr"] is None
