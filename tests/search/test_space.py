"""The search space: what it may say, and what Optuna and SageMaker make of it."""

from typing import Any

import pytest

from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import TuneConfig
from dogbreed.errors import ConfigError
from dogbreed.search.runner_limits import check_local_search
from dogbreed.search.sagemaker_limits import check_on_sagemaker, job_notes
from dogbreed.search.space import (
    Choice,
    Numbers,
    Space,
    as_distributions,
    grid_size,
    read_space,
)

LR = {"type": "float", "low": 1e-4, "high": 0.1, "scale": "log"}


def tune(*overrides: str) -> TuneConfig:
    return compose_as(TuneConfig, "tune", overrides)


def space_of(*overrides: str) -> Space:
    return read_space(tune(*overrides).search.space)


def test_the_experiments_search_what_they_say() -> None:
    assert space_of("+experiment=hpo") == {
        "optim.lr": Numbers("float", 1e-4, 0.1, True),
        "optim.eps": Numbers("float", 1e-9, 1e-8, True),
        "data.batch_size": Choice((64, 128, 256)),
    }
    assert tune("+experiment=hpo").data.fraction < 1
    assert space_of("experiment=hpo_batch_lr") == {
        "optim.lr": Numbers("float", 1e-3, 0.1, True),
        "data.batch_size": Numbers("int", 32, 512, True),
    }


def test_what_is_typed_takes_the_place_of_what_stood_there() -> None:
    space = space_of(
        "search.space.optim.lr.high=0.5",
        "search.space.optim.eps=null",
        "search.space.data.batch_size={type: int, low: 16, high: 64}",
        "search.space.optim.name={type: choice, values: [adam, sgd]}",
    )
    assert space == {
        "optim.lr": Numbers("float", 1e-4, 0.5, True),
        "data.batch_size": Numbers("int", 16, 64, False),
        "optim.name": Choice(("adam", "sgd")),
    }


def test_a_grid_has_every_combination_with_both_ends() -> None:
    sizes = Numbers("int", 16, 64, False)
    assert grid_size({"data.batch_size": sizes}) == 49
    assert grid_size({"data.batch_size": sizes, "optim.name": Choice(("adam", "sgd"))}) == 98
    assert grid_size({"optim.lr": Numbers("float", 1e-4, 0.5, True)}) is None


def test_optuna_and_sagemaker_get_the_same_space() -> None:
    # Seconds of imports that the other tests don't need.
    from sagemaker.train.tuner import HyperparameterTuner

    from dogbreed.cloud.jobs.tuner import parameter_ranges

    space = space_of("search.space.seed={type: int, low: 1, high: 9}")
    distributions = as_distributions(space)
    assert (distributions["optim.lr"].low, distributions["optim.lr"].high) == (1e-4, 0.1)
    assert distributions["optim.lr"].log
    assert distributions["data.batch_size"].choices == (64, 128, 256)
    assert (distributions["seed"].low, distributions["seed"].log) == (1, False)
    ranges = HyperparameterTuner._prepare_parameter_ranges_for_tuning(parameter_ranges(space))
    assert ranges == {
        "ContinuousParameterRanges": [
            {
                "name": "optim.lr",
                "min_value": "0.0001",
                "max_value": "0.1",
                "scaling_type": "Logarithmic",
            },
            {
                "name": "optim.eps",
                "min_value": "1e-09",
                "max_value": "1e-08",
                "scaling_type": "Logarithmic",
            },
        ],
        "IntegerParameterRanges": [
            {"name": "seed", "min_value": "1", "max_value": "9", "scaling_type": "Linear"}
        ],
        "CategoricalParameterRanges": [{"name": "data.batch_size", "values": ["64", "128", "256"]}],
    }


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("optim.lr.low=1", "search.space.optim.lr: low=1 must be below high=0.1"),
        ("optim.lr.low=0", "search.space.optim.lr.low=0: a logarithmic scale starts above 0"),
        ("optim.lr.low=x", "search.space.optim.lr.low=x: must be a number"),
        ("optim.lr.scale=logg", "search.space.optim.lr.scale=logg: must be linear or log"),
        ("optim.lr.type=flaot", "search.space.optim.lr.type=flaot: must be one of float, int"),
        ("optim.lr.step=2", "a float has only low, high, scale"),
        ("optim.lr.high=1000", "search.space.optim.lr.high: optim.lr=1000.0: must be above 0"),
        ("optim.lr=0.1", "write {type:float,low:A,high:B,scale:log}"),
        ("optim.lrr={type: float, low: 1, high: 2}", "Did you mean optim.lr?"),
        ("data.batch_size.values=[64]", "a search needs at least two values"),
        ("data.batch_size.values=[64,64]", "a value occurs twice"),
        ("data.batch_size.values=[64,0]", "data.batch_size=0: must be at least 1"),
        ("data.batch_size.values=64", "must be a list"),
        ("data.batch_size={type: int, low: 1.5, high: 3}", "must be an integer"),
        ("data.batch_size={type: float, low: 1, high: 3}", "take type=int"),
    ],
)
def test_a_range_that_is_none_is_named(override: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        space_of(f"search.space.{override}")
    assert expected in str(caught.value)


def test_a_space_without_ranges_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"search\.space is empty"):
        space_of("search.space={}")


HYPERBAND = ("search.strategy=hyperband",)
CHOICES: tuple[str, ...] = (
    "search.space.optim.eps=null",
    "search.space.optim.lr={type: choice, values: [0.001, 0.01]}",
)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (("search.direction=minimize",), "search.direction=maximize"),
        (("search.objective=valid_loss",), "search.direction=minimize"),
        (("lr_finder=true",), "leave one of the two out"),
        (("model.trainable=all",), "search.input=photos"),
        (("features.store=false",), "search.input=photos"),
        (
            (
                *HYPERBAND,
                "trainer.epochs=9",
                "search.space.trainer.epochs={type: int, low: 3, high: 9}",
            ),
            "hyperband chooses",
        ),
        (("search.strategy=grid",), "make optim.lr, optim.eps a choice"),
        (HYPERBAND, "set trainer.epochs to their number"),
        ((*HYPERBAND, "trainer.epochs=2"), "at least 3"),
        (("search.space.data.size_px={type: int, low: 64, high: 96}",), "search.input=photos"),
        (("search.space.features.views={type: int, low: 1, high: 2}",), "search.input=photos"),
        (
            ("data.fit=pad", "search.space.data.crop_share={type: float, low: 0.8, high: 1}"),
            "only data.fit=crop",
        ),
        (
            ("data.crop_share=0.9", "search.space.data.fit={type: choice, values: [crop, pad]}"),
            "must be 1 with fit=pad",
        ),
    ],
)
def test_what_no_runner_can_do_is_refused(overrides: tuple[str, ...], expected: str) -> None:
    for check in (check_local_search, check_on_sagemaker):
        with pytest.raises(ConfigError) as caught:
            check(tune(*overrides))
        assert expected in str(caught.value)


def values(count: int) -> str:
    return ",".join(map(str, range(1, count + 1)))


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((f"search.space.data.batch_size.values=[{values(31)}]",), "at most 30"),
        (("search.trials=751",), "search.trials: 751; SageMaker takes at most 750"),
        (("search.parallel=101",), "search.parallel: 101"),
        (("search.warm_start=[a,b,c,d,e,f]",), "search.warm_start: 6"),
        ((*HYPERBAND, "trainer.epochs=9", "search.warm_start=[a]"), "bayesian and random only"),
        (("search.strategy=grid", *CHOICES), "set search.trials=6"),
        (("search.name=my_search",), "letters, digits and single hyphens"),
        ((f"search.name={'a' * 33}",), "at most 32"),
        (CHOICES, "set search.trials=6, or search.strategy=grid"),
        (("artifact.int8=true",), "set it in the final training"),
        (("launcher.subnets=[subnet-1]",), "launcher.security_groups go together"),
        (("search.jobs=one", "search.warm_start=[a]"), "take search.jobs=many"),
        (("launcher.keep_alive_minutes=5",), "from trial to trial by itself"),
    ],
)
def test_sagemakers_limits_are_sagemakers_alone(overrides: tuple[str, ...], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_on_sagemaker(tune(*overrides))
    assert expected in str(caught.value)
    check_local_search(tune(*overrides))


def test_trials_that_read_photos_may_vary_what_changes_features() -> None:
    overrides = ("search.space.data.size_px={type: int, low: 64, high: 96}", "search.input=photos")
    _, space = check_on_sagemaker(tune(*overrides))
    assert space["data.size_px"] == Numbers("int", 64, 96, False)
    fits = "search.space.data.fit={type: choice, values: [crop, pad, stretch]}"
    _, space = check_on_sagemaker(tune(fits, "search.input=photos"))
    assert space["data.fit"] == Choice(("crop", "pad", "stretch"))
    with pytest.raises(ConfigError, match=r"data\.size_px"):
        check_on_sagemaker(tune(*overrides, "search.jobs=one"))


def test_auto_is_resolved_for_sagemaker() -> None:
    search, _ = check_on_sagemaker(tune())
    assert search.parallel == 2
    more: dict[str, Any] = {"trials": 10_000, "strategy": "random"}
    search, _ = check_on_sagemaker(tune(*(f"search.{name}={v}" for name, v in more.items())))
    assert search.trials == 10_000


@pytest.mark.parametrize(
    ("overrides", "jobs", "reason"),
    [
        ((), "one", "20 trials on features take seconds"),
        (("search.input=photos",), "many", "its trials read photos"),
        (("search.warm_start=[a]",), "many", "earlier searches"),
        (("search.name=latest",), "many", "one job can't do it: search.name=latest"),
    ],
)
def test_the_cheaper_variant_is_taken_and_the_reason_logged(
    overrides: tuple[str, ...], jobs: str, reason: str
) -> None:
    config = tune("search.jobs=auto", *overrides)
    search, _ = check_on_sagemaker(config)
    assert search.jobs == jobs
    (line,) = job_notes(config)
    assert line.startswith(f"search.jobs=auto: {jobs}, as ")
    assert reason in line


def test_what_cant_stop_short_trials_is_named() -> None:
    for overrides, what in (
        ((*HYPERBAND, "trainer.epochs=9"), "hyperband can't stop these trials"),
        (("search.early_stopping=true",), "early stopping can't stop these trials"),
    ):
        (line,) = job_notes(tune(*overrides))
        assert what in line
        assert "search.jobs=one" in line
        assert job_notes(tune(*overrides, "search.jobs=one")) == []
        assert job_notes(tune(*overrides, "search.input=photos")) == []
    assert job_notes(tune()) == []
