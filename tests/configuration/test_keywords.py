"""Keyword arguments as a configuration: names, values, and the errors of the command line."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
from omegaconf import OmegaConf

from dogbreed.configuration.composing import compose
from dogbreed.configuration.keywords import compose_keywords
from dogbreed.configuration.overrides import quoted
from dogbreed.configuration.run import Config
from dogbreed.errors import ConfigError


def composed(**settings: Any) -> Config:
    return compose_keywords(Config, "train", settings)


def test_a_key_is_named_by_its_last_word_or_in_full() -> None:
    config = composed(
        epochs=7, backbone="resnet18", lr=0.01, seed=3, patience=2, **{"optim.momentum": 0.5}
    )
    typed = "trainer.epochs=7 model.backbone=resnet18 optim.lr=0.01 seed=3 trainer.patience=2"
    assert config == compose([*typed.split(), "optim.momentum=0.5"])


def test_the_least_nested_key_has_the_short_name() -> None:
    config = composed(name="mine")
    assert config.name == "mine"
    assert config.optim.name != "mine"


def test_a_group_takes_a_choice_and_keys_replace_what_it_sets() -> None:
    assert composed(optim="sgd", lr=0.25) == compose(["optim=sgd", "optim.lr=0.25"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.root", "a=b, {c: [d]} 'e' \"f\" ${g} \\ h\u00e9 --i ~ "),
        ("data.root", None),
        ("data.root", "null"),
        ("name", ""),
        ("links", True),
        ("nested_classes", None),
        ("valid_share", 0.1 + 0.2),
        ("seed", 2**32 - 1),
    ],
)
def test_a_value_is_that_of_the_quoted_argument(key: str, value: Any) -> None:
    full = {"links": "data.links", "nested_classes": "data.nested_classes"}
    full["valid_share"] = "data.valid_share"
    text = quoted(value) if isinstance(value, str) else repr(value)
    text = {"True": "true", "None": "null"}.get(text, text)
    assert composed(**{key: value}) == compose([f"{full.get(key, key)}={text}"])


def test_paths_and_numpy_scalars_are_plain_values() -> None:
    config = composed(lr=np.float32(0.5), seed=np.int64(4), **{"data.root": Path("a", "b=c")})
    assert (config.optim.lr, config.seed, config.data.root) == (0.5, 4, "a/b=c")
    assert type(config.seed) is int


@pytest.mark.parametrize(
    ("settings", "argument"),
    [
        ({"epochs": 0}, "trainer.epochs=0"),
        ({"optim.lr": "fast"}, "optim.lr=fast"),
        ({"trainable": "heads"}, "model.trainable=heads"),
        ({"optim": "adm"}, "optim=adm"),
        ({"model": "efficientnet_lite2"}, "model=efficientnet_lite2"),
    ],
)
def test_errors_are_those_of_the_command(settings: dict[str, Any], argument: str) -> None:
    with pytest.raises(ConfigError) as typed:
        compose([argument])
    with pytest.raises(ConfigError) as called:
        composed(**settings)
    assert str(called.value) == str(typed.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, r"There is no key epoch\. Did you mean epochs\?"),
        ({"trainer.epoch": 3}, r"There is no key trainer\.epoch\. Did you mean trainer\.epochs\?"),
        ({"dtype": "float16"}, r"write \*\*\{'features\.dtype': \.\.\.\} or \*\*\{'artifact\.dty"),
        ({"lr": 0.1, "optim.lr": 0.2}, r"optim\.lr is given twice"),
        ({"seed": True}, r"seed=True: must be a whole number"),
        ({"lr": float("nan")}, r"optim\.lr=nan: must be a number"),
        ({"backbone": ["resnet18"]}, r"model\.backbone=\['resnet18'\]: must be text"),
    ],
)
def test_other_mistakes_are_a_sentence(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        composed(**settings)


def test_inside_a_program_of_hydra_and_in_threads(tmp_path: Path) -> None:
    OmegaConf.save({"epochs": 2}, tmp_path / "own.yaml")
    with hydra.initialize_config_dir(str(tmp_path), version_base="1.3"):
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda seed: composed(seed=seed).seed, range(8)))
        assert found == list(range(8))
        assert hydra.compose("own").epochs == 2  # the program's own goes on
