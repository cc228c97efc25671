"""Values become what their keys take, and messages name bounds as one can type them."""

import pickle
from dataclasses import dataclass
from typing import Any

import pytest

from dogbreed.configuration.composing import compose
from dogbreed.configuration.overrides import read_value
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import key, keys, parse, parse_key
from dogbreed.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Bounded:
    """Bounds that a rounded text would change."""

    pixels: float = key("pixels", at_most=89_478_485.0)
    fine: float = key("a fine bound", above=0.123456789)
    small: float = key("a small bound", at_least=1e-9)
    share: float = key("a share", at_least=0, below=1)
    count: int = key("a count", at_least=1, at_most=4_294_967_295)


@pytest.mark.parametrize(
    ("name", "value", "converted"),
    [
        ("data.batch_size", 64.0, 64),
        ("data.batch_size", 1e3, 1000),
        ("data.workers", 4.0, 4),  # int | str
        ("trainer.epochs", 2e1, 20),
        ("optim.lr", 1, 1.0),
        ("data.fraction", 1, 1.0),
    ],
)
def test_numbers_that_lose_nothing_are_converted(
    name: str, value: object, converted: object
) -> None:
    parsed = parse_key(Config, name, value)
    assert parsed == converted
    assert type(parsed) is type(converted)
    # On the command line too, from the text on.
    section, _, key = name.rpartition(".")
    composed = getattr(getattr(compose([f"{name}={value}"]), section), key)
    assert composed == converted
    assert type(composed) is type(converted)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("data.batch_size", 64.5, "data.batch_size=64.5: must be a whole number."),
        ("data.batch_size", float("inf"), "must be a whole number"),
        ("data.batch_size", True, "must be a whole number"),
        ("data.workers", 0.5, "must be a whole number or auto"),
        ("optim.lr", True, "must be a number"),
        ("optim.lr", "0.1", "must be a number"),
        ("features.store", 1, "must be true or false"),
        ("features.store", 1.0, "must be true or false"),
        # The bounds hold for a converted number, too.
        ("data.batch_size", 0.0, "data.batch_size=0.0: must be at least 1 and at most 1000000."),
        ("data.max_pixels", 9e7, "must be at least 1 and at most 89478485."),
        ("seed", 2.0**32, "must be at least 0 and at most 4294967295."),
    ],
)
def test_other_values_are_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_key(Config, name, value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("pixels", 1e9, "at most 89478485"),
        ("fine", 0.0, "above 0.123456789"),
        ("small", 0.0, "at least 1e-09"),
        ("share", 2.0, "at least 0 and below 1"),
        ("count", 0, "at least 1 and at most 4294967295"),
    ],
)
def test_bounds_can_be_typed_back(name: str, value: float, bounds: str) -> None:
    values = {"pixels": 1.0, "fine": 0.2, "small": 0.1, "share": 0.5, "count": 1}
    with pytest.raises(ConfigError) as caught:
        parse(Bounded, {**values, name: value})
    assert str(caught.value) == f"{name}={value}: must be {bounds}."
    # The last number of the message, typed as it is written, is the bound itself.
    word, _, number = bounds.rpartition(" and ")[2].rpartition(" ")
    typed = {**values, name: read_value(number, float)}
    if word in ("at least", "at most"):
        assert getattr(parse(Bounded, typed), name) == float(number)
    else:
        with pytest.raises(ConfigError):
            parse(Bounded, typed)


def test_the_help_writes_the_same_bounds() -> None:
    sentences: dict[str, Any] = {name: sentence for name, _, sentence in keys(Bounded)}
    assert sentences["pixels"] == "pixels (at most 89478485)"
    assert sentences["fine"] == "a fine bound (above 0.123456789)"


def test_a_configuration_can_be_sent_to_another_process() -> None:
    config = compose(("debug.rules.overfit.patience=7", "debug.triggers.outlier_times=9"))
    sent = pickle.loads(pickle.dumps(config))  # noqa: S301
    assert sent == config
    assert sent.debug.rules.overfit.patience == 7
