"""Every rule finds its fault in a training that has it, and nothing else; healthy ones are left in
peace. Trainings are real ones, of modules that know nothing of this project."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import planted
from helpers.planted import FAULTS, Training, fired, watch

from dogbreed.configuration.debug import RULES
from dogbreed.debug.rules.verdicts import FINE, FIRED, NOT_APPLICABLE, OFF

pytestmark = pytest.mark.watch


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found_and_nothing_else(
    fault: Callable[[], Training], tmp_path: Path
) -> None:
    verdicts = watch(fault(), tmp_path)
    assert fired(verdicts) == {FAULTS[fault]}
    found = next(verdict for verdict in verdicts if verdict.state == FIRED)
    assert found.times >= 1
    assert found.first_step is not None
    assert found.last_step is not None
    assert found.first_step <= found.last_step
    assert found.points[0].values
    assert found.parameters["action"] in ("warn", "stop")
    assert found.message.endswith(".")
    assert found.recommendation.endswith(".")


def test_every_rule_has_a_planted_fault() -> None:
    assert set(FAULTS.values()) == set(RULES)


@pytest.mark.parametrize(("seed", "lr"), [(seed, 10 ** (-4 + 2 * seed / 9)) for seed in range(10)])
def test_a_healthy_training_is_left_in_peace(seed: int, lr: float, tmp_path: Path) -> None:
    verdicts = watch(planted.healthy(seed, lr), tmp_path)
    assert fired(verdicts) == set()
    states = {verdict.name: verdict.state for verdict in verdicts}
    assert states.pop("dead_units") == NOT_APPLICABLE  # a linear head has no activation
    assert states.pop("inputs_not_normalised") == NOT_APPLICABLE  # features aren't photos
    assert set(states.values()) == {FINE}


def test_what_the_rules_found_stands_in_a_file(tmp_path: Path) -> None:
    verdicts = watch(planted.infinite_features(), tmp_path)
    written = json.loads((tmp_path / "rules.json").read_text("utf-8"))
    assert [entry["name"] for entry in written] == list(RULES)
    assert [entry["state"] for entry in written] == [verdict.state for verdict in verdicts]
    not_finite = written[0]
    assert not_finite["points"][0]["values"]["cross_entropy"] is None  # JSON has no infinity
    assert not_finite["points"][0]["values"]["where"] == "the input of network"


def test_the_layer_is_named_that_the_fault_comes_from(tmp_path: Path) -> None:
    training = planted.frozen_head()
    hidden = training.module.get_submodule("network.0")
    with torch.no_grad():
        hidden.get_parameter("weight")[3, 5] = torch.nan
    verdicts = watch(training, tmp_path)
    assert "the weights of network.0" in verdicts[0].message
    assert verdicts[0].first_step == 0


def test_a_rule_that_is_off_says_nothing(tmp_path: Path) -> None:
    training = planted.large_first_weights()
    training.overrides = ("debug.rules.poor_start.action=off",)
    verdicts = watch(training, tmp_path)
    assert {v.name: v.state for v in verdicts}["poor_start"] == OFF
    assert fired(verdicts) == set()


def test_a_rule_can_stop_the_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training = planted.few_photos()
    training.overrides = ("debug.rules.overfit.action=stop",)
    overfit = next(v for v in watch(training, tmp_path) if v.name == "overfit")
    assert overfit.times == 1  # it would have gone on to find it in every epoch
    assert "debug.rules.overfit at step" in capsys.readouterr().out


def test_a_rule_that_warns_lets_the_training_go_on(tmp_path: Path) -> None:
    training = planted.infinite_features()
    training.overrides = ("debug.rules.loss_not_finite.action=warn",)
    not_finite = watch(training, tmp_path)[0]
    assert not_finite.times > 50
    assert not_finite.last_step is not None
    assert not_finite.last_step > 100
    assert len(not_finite.points) == 10  # the first and the latest: memory doesn't grow
