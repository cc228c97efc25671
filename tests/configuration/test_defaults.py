"""A default is defined once: those of the Python API are the values in conf/."""

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from conftest import PROJECT

import dogbreed
from dogbreed.backbone.architecture import preprocessing_of
from dogbreed.configuration.composing import compose, compose_as
from dogbreed.configuration.debug import checked_config, default_config
from dogbreed.configuration.deploy import DeployConfig, QueryConfig, TeardownConfig
from dogbreed.configuration.run import Config, PredictConfig, ServeConfig
from dogbreed.configuration.schema import flat
from dogbreed.configuration.search import FinalConfig, TuneConfig
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.model import BreedClassifier

SCHEMAS = (
    *(Config, PredictConfig, ServeConfig, TuneConfig, FinalConfig),
    *(DeployConfig, QueryConfig, TeardownConfig),
)

# These packages are below the configuration, or have defaults of services and not of keys.
WITHOUT_KEYS = ("dogbreed.utils.", "dogbreed.configuration.", "dogbreed.cloud.")

# Parameters whose key has another name.
OTHER_NAMES = {("BreedClassifier", "optimizer"): "optim.name"}

# Parameters that have the name of a key and another meaning, or another default for a reason.
EXCEPTIONS = {
    # Each view of a live photo costs a decoding and a pass through the network; cached, it is
    # computed once. `BreedClassifier.save` and model.json, in which the number may be absent, have
    # the same default, so that a model is used as it was validated.
    ("BreedDataModule", "views"): 1,
    ("BreedDataModule.from_folder", "views"): 1,
    ("Description", "views"): 1,
    # Backbones are compared by the centre alone.
    ("fit_probe", "views"): 1,
    # 0 is "auto" here: one per core.
    ("Predictor.predict_many", "workers"): 0,
    # Processes, not threads: who builds a loader decides.
    ("BatchLoader", "workers"): 0,
    # What "auto" stands for until other heads are fitted.
    ("build_head", "head"): "linear",
    # For one photo, not for a URL or a request.
    ("DecodingPool.opened", "timeout_s"): 120.0,
    ("DecodingQueue.opened", "timeout_s"): 24.0,
    # What "auto" stands for under a torchvision network.
    ("Preprocessing", "size_px"): 224,
    ("Preprocessing", "crop_share"): 1.0,
    # Names for messages.
    ("OpenVinoRunner", "name"): "this network",
    # "auto" is resolved before a runner is built.
    ("TorchRunner", "precision"): "f32",
    # Whether there is a token, not the token.
    ("build_app", "token"): False,
    ("pages", "token"): False,
}


def values_of_keys() -> dict[str, list[tuple[str, Any]]]:
    """The values in conf/ of training, predict and serve, by the last word of their keys."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for name, schema in (("train", Config), ("predict", PredictConfig), ("serve", ServeConfig)):
        for key, value in flat(compose_as(schema, name, ())).items():
            found.setdefault(key.rpartition(".")[2], []).append((key, value))
    return found


def public_callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function, class and method of the package, by its qualified name."""
    for module in pkgutil.walk_packages(dogbreed.__path__, "dogbreed."):
        if module.name.startswith(WITHOUT_KEYS) or module.name.endswith("__main__"):
            continue
        for name, found in vars(importlib.import_module(module.name)).items():
            if name.startswith("_") or getattr(found, "__module__", None) != module.name:
                continue
            if inspect.isfunction(found):
                yield name, found
            elif inspect.isclass(found):
                for attribute, member in vars(found).items():
                    function = getattr(member, "__func__", member)
                    if inspect.isfunction(function) and (
                        attribute == "__init__" or attribute[0] != "_"
                    ):
                        yield (name if attribute == "__init__" else f"{name}.{attribute}"), function


def defaults() -> Iterator[tuple[str, str, Any]]:
    """(callable, parameter, default) where that is a value as keys have; None is "not given"."""
    for name, function in public_callables():
        for parameter in inspect.signature(function).parameters.values():
            if isinstance(parameter.default, bool | int | float | str):
                yield name, parameter.name, parameter.default


def test_defaults_of_arguments_are_the_values_in_conf() -> None:
    by_name, by_key = values_of_keys(), flat(compose(()))
    checked = set()
    for name, parameter, default in defaults():
        exception = EXCEPTIONS.get((name, parameter))
        if exception is not None:
            assert default == exception, f"{name}({parameter}={default!r})"
            continue
        key = OTHER_NAMES.get((name, parameter))
        values = [(key, by_key[key])] if key else by_name.get(parameter, [])
        if not values:
            continue
        assert any(default == value and type(default) is type(value) for _, value in values), (
            f"{name}({parameter}={default!r}), in conf/ {values}"
        )
        checked.add((name, parameter))
    # So that a renamed parameter can't slip out of the comparison.
    model = flat(compose(()).model) | flat(compose(()).optim)
    assert {("BreedClassifier", key) for key in model.keys() - {"name", "class_weights"}} <= checked
    assert checked >= {
        *OTHER_NAMES,
        *(("BreedDataModule", name) for name in ("batch_size", "workers", "seed", "max_pixels")),
        *(("BreedDataModule.from_folder", name) for name in ("fraction", "workers", "links")),
        *(("check", name) for name in ("max_bad_share", "max_pixels", "workers")),
        *(("read_folders", name) for name in ("valid_share", "test_share", "split_seed", "links")),
        *(("Predictor.load", name) for name in ("engine", "precision", "threads")),
        ("Predictor.predict", "top_k"),
        ("Predictor.predict_many", "top_k"),
    }


def test_auto_pixels_are_the_default_of_preprocessing() -> None:
    assert compose(()).pixels == {"fit": "crop"}
    assert preprocessing_of(compose(()).model.backbone) == Preprocessing()


def test_class_weights_are_none_in_both() -> None:
    assert compose(()).optim.class_weights == "none"
    signature = inspect.signature(BreedClassifier)
    assert signature.parameters["class_weights"].default is None


def test_every_exception_is_still_there() -> None:
    assert EXCEPTIONS.keys() <= {(name, parameter) for name, parameter, _ in defaults()}


def test_the_schema_has_no_defaults() -> None:
    def check(schema: Any) -> None:
        hints = typing.get_type_hints(schema)
        for item in fields(schema):
            where = f"{schema.__name__}.{item.name}"
            assert item.default is MISSING, where
            assert item.default_factory is MISSING, where
            if is_dataclass(hints[item.name]):
                check(hints[item.name])

    for schema in SCHEMAS:
        check(schema)


def test_the_debugger_takes_its_limits_from_conf() -> None:
    assert checked_config(None) == default_config() == compose(()).debug
    assert (PROJECT / "conf" / "debug" / "default.yaml").is_file()


def test_the_decoder_s_limit_is_the_one_of_the_key() -> None:
    assert compose(()).data.max_pixels == photos.MAX_PIXELS
