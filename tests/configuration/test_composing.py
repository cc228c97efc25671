"""Arguments that aren't KEY=VALUE: what is accepted, and what is suggested in place of the rest."""

from pathlib import Path
from typing import Any

import pytest

from dogbreed.configuration.composing import compose, compose_as
from dogbreed.configuration.deploy import DeployConfig, TeardownConfig
from dogbreed.configuration.run import Config, ServeConfig
from dogbreed.configuration.search import TuneConfig
from dogbreed.errors import ConfigError


def test_dashes_before_a_key_or_a_group_mean_nothing() -> None:
    config = compose(["--optim=sgd", "--optim.lr=0.5", "--data.root=--x"])
    assert (config.optim.name, config.optim.lr, config.data.root) == ("sgd", 0.5, "--x")
    launcher = compose_as(TuneConfig, "tune", ["--launcher=local", "--launcher.tags.a=b"]).launcher
    assert (launcher.name, launcher.tags) == ("local", {"a": "b"})


@pytest.mark.parametrize(
    ("schema", "name", "argument", "sentence"),
    [
        (Config, "train", "--optim.lr", "options are written KEY=VALUE, as in optim.lr=VALUE."),
        (Config, "train", "-optim.lr=1", "options are written KEY=VALUE, as in optim.lr=VALUE."),
        (Config, "train", "photos", "a folder of photos is written data.root=photos."),
        (Config, "train", "~/dogs", "is written 'data.root=~/dogs'."),
        (Config, "train", "my photos/", "is written 'data.root=my photos/'."),
        (TuneConfig, "tune", "/nowhere", "a folder of photos is written data.root=/nowhere."),
        (ServeConfig, "serve", "outputs/latest", "a model is written model=outputs/latest."),
        (DeployConfig, "deploy", "photos", "a model is written model=photos."),
        (TeardownConfig, "teardown", "photos", "write KEY=VALUE or GROUP=CHOICE"),
        (Config, "train", "somewhere", "write KEY=VALUE or GROUP=CHOICE; --help lists them."),
        (Config, "train", "optim.lr", "write optim.lr=VALUE."),
        (Config, "train", "optim", "write optim=CHOICE; --help lists the choices."),
        (Config, "train", "model=resnet18", "Did you mean model.backbone=resnet18?"),
        (TuneConfig, "tune", "--model=vit_b_16", "Did you mean model.backbone=vit_b_16?"),
        (Config, "train", "data=photos", "Did you mean data.root=photos?"),
        (Config, "train", "data=stanford_dog", "Did you mean stanford_dogs?"),
        (Config, "train", "optim=adm", "Did you mean adam?"),
    ],
)
def test_what_is_meant_is_suggested(
    schema: type[Any],
    name: str,
    argument: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    with pytest.raises(ConfigError) as caught:
        compose_as(schema, name, [argument])
    assert str(caught.value).startswith(f"{argument}: ")
    assert sentence in str(caught.value)
