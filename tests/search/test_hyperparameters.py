"""A configuration through SageMaker's hyperparameters and back: nothing changes."""

import itertools
from typing import Any

import pytest

from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import TuneConfig
from dogbreed.errors import ConfigError
from dogbreed.search.hyperparameters import (
    as_hyperparameters,
    as_overrides,
    changed,
    decode,
    encode,
    from_arguments,
)

# What the grammar of overrides, YAML and OmegaConf each see something in.
LETTERS = ("'", "\\", "${", "}", "a", ",")
TEXTS = ["", "null", "true", "1e3", "auto", "none", "~", "?", "--x", "${seed}", "a\\", "'q'"]


def compose(*overrides: str) -> TuneConfig:
    return compose_as(TuneConfig, "tune", overrides)


def through(config: TuneConfig) -> TuneConfig:
    sent = as_hyperparameters(changed(config, compose()))
    assert all(isinstance(text, str) for text in sent.values())
    return compose(*as_overrides(sent))


@pytest.mark.parametrize(
    "overrides",
    [
        ("optim=sgd", "optim.lr=0.1"),
        ("data.batch_size=17", "trainer.epochs=3", "trainer.epochs=auto"),
        ("resume=auto", "lr_finder=true", "launcher.tags={team: dogs, cost: 12}"),
        ("search=lr_batch", "search.space.optim.eps={type: float, low: 1e-9, high: 1e-8}"),
        ("search.warm_start=[one,two]", "launcher.subnets=[subnet-1]"),
        ("optim.eps=1e-9", "optim.weight_decay=0", "model.dropout=0.25"),
    ],
)
def test_a_configuration_comes_back_as_it_was(overrides: tuple[str, ...]) -> None:
    config = compose(*overrides)
    assert through(config) == config


@pytest.mark.parametrize("length", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_any_text_comes_back_as_it_was(length: int) -> None:
    for text in [*TEXTS, *map("".join, itertools.product(LETTERS, repeat=length))]:
        (override,) = as_overrides({"name": encode(text)})
        assert compose(override).name == text, text


def test_types_stay_apart() -> None:
    values: list[Any] = [64, "64", 1.0, True, "true", None, "null", [1, "a"], {"a": 1}]
    for value in values:
        again = decode(encode(value))
        assert again == value
        assert type(again) is type(value)
    assert decode("not json") == "not json"


def test_values_are_put_in_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cr3t")
    texts = ["${oc.env:SECRET}", "x launcher.bucket=y", "[a]", "{a: b}", "'", "null", "1e3"]
    for text in texts:
        sent = {"name": encode(text), "launcher.tags": encode({text: text, "a.b": text})}
        values = {name: decode(value) for name, value in sent.items()}
        config = compose_as(TuneConfig, "tune", [], values)
        assert config.name == text
        assert config.launcher.tags == {text: text, "a.b": text}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("hydra.run.dir", "/tmp", "There is no key hydra.run.dir"),
        ("optim", "sgd", "There is no key optim"),
        ("+experiment", "hpo", r"There is no key \+experiment"),
        ("optim.lr=1 launcher.bucket", "x", "There is no key optim.lr=1 launcher.bucket"),
        ("optim.lr\x1b", 1, "There is no key optim.lr.x1b"),
        ("optim.lr", {"a": 1}, "must be a number"),
        ("optim.lr", 10**400, "must be a number"),
        ("optim.lr", True, "must be a number"),
    ],
)
def test_names_of_values_are_keys_and_nothing_more(name: str, value: Any, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        compose_as(TuneConfig, "tune", [], {name: value})


def test_what_is_no_json_within_bounds_is_text() -> None:
    for text in ("NaN", "[" * 100_000, '{"a": 1, "a": 2}', "9" * 5000, "1e999"):
        assert decode(text) == text


def test_arguments_are_read_as_the_toolkit_writes_them() -> None:
    arguments = ["--optim.lr", "0.01", "--name", "x y", "--seed", "-1"]
    assert from_arguments(arguments) == {"optim.lr": "0.01", "name": "x y", "seed": "-1"}
    for wrong in (["--lr"], ["lr", "1"], ["--lr", "1", "more"]):
        with pytest.raises(ConfigError, match="--KEY VALUE"):
            from_arguments(wrong)
