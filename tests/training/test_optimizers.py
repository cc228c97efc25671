"""Each optimiser has the settings that were given, and the groups with their own rates."""

from typing import Any

import pytest
import torch

from dogbreed.configuration.optimizers import OPTIMIZERS, OptimizerSettings

SETTINGS = OptimizerSettings(eps=1e-5, weight_decay=0.02, momentum=0.7)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("adam", torch.optim.Adam, {"eps": 1e-5, "weight_decay": 0.02, "betas": (0.9, 0.999)}),
        ("adamw", torch.optim.AdamW, {"eps": 1e-5, "weight_decay": 0.02, "betas": (0.9, 0.999)}),
        ("sgd", torch.optim.SGD, {"momentum": 0.7, "weight_decay": 0.02}),
    ],
)
def test_every_setting_reaches_the_optimiser(
    name: str, kind: type, expected: dict[str, Any]
) -> None:
    head, tail = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    groups = [{"params": [head], "lr": 0.1}, {"params": [tail], "lr": 0.001}]
    optimizer = OPTIMIZERS[name](groups, SETTINGS)
    assert type(optimizer) is kind
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.001]
    for group in optimizer.param_groups:
        assert {key: group[key] for key in expected} == expected
