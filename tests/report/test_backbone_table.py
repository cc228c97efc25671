"""The table of compared backbones: 80 columns, whatever the names, licences and reasons."""

import torch

from dogbreed.evaluation.backbones import (
    FailedBackbone,
    FeaturePass,
    MeasuredBackbone,
    best_first,
)
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.report.backbone_table import WIDTH, backbone_notes, backbone_table

TORCHVISION = "BSD-3-Clause; weights may have terms of the data that they were trained on"


def scores(right: int, n: int = 400) -> Scores:
    """The first `right` of `n` photos are answered rightly."""
    answers = torch.where(torch.arange(n) < right, 1.0, -1.0)
    return Scores(torch.stack([answers, -answers], 1), torch.zeros(n, dtype=torch.long))


def measured(
    label: str, valid: int, test: int, licence: str = "Apache-2.0", megabytes: float = 20
) -> MeasuredBackbone:
    return MeasuredBackbone(
        label=label,
        overrides=(f"model.backbone={label}",),
        licence=licence,
        megabytes=megabytes,
        shrinkage=0.1,
        features=FeaturePass(computed=1000, seconds=8)
        if test % 2
        else FeaturePass(computed=0, seconds=0),
        valid=scores(valid),
        test=scores(test),
        details={"engine": "openvino", "precision": "bf16"},
    )


def test_validation_photos_order_and_equal_ones_by_size() -> None:
    best_on_test = measured("a", valid=300, test=399)
    large, small = measured("b", 310, 301, megabytes=90), measured("c", 310, 290, megabytes=9)
    assert best_first([best_on_test, large, small]) == (small, large, best_on_test)


def test_every_line_fits_a_terminal() -> None:
    rows = [
        measured("efficientnet_lite2", 400, 399, megabytes=23.4),
        measured("timm/vit_small_patch14_dinov2.lvd142m", 320, 320, "cc-by-nc-sa-4.0"),
        measured("vit_h_14=weights-of-nineteen.pth", 1, 1, TORCHVISION, megabytes=12345.6),
        measured("resnet18", 0, 0, TORCHVISION),
    ]
    failed = [FailedBackbone(label="x" * 30, reason="OpenVINO can't convert this network. " * 4)]
    lines = [*backbone_table(rows, failed), *backbone_notes(rows)]
    assert [line for line in lines if len(line) > WIDTH or line != line.rstrip()] == []
    table = "\n".join(lines)
    head, first, name, second, *_ = lines
    assert head.index("licence") == first.index("Apache-2.0") == second.index("cc-by-nc-sa-…")
    assert first.split()[-2:] == ["23.4", "Apache-2.0"]
    assert first.split()[-3] == "125.0"
    assert name == "timm/vit_small_patch14_dinov2.lvd142m"
    assert second.split()[:5] == ["80.0", "80.0", "(75.8", "to", "83.6)"]
    assert "cached" in second
    assert f"Licence of vit_h_14=weights-of-nineteen.pth, resnet18: {TORCHVISION}." in " ".join(
        table.split()
    )
    assert f"{'x' * 30}: not measured: OpenVINO can't" in table


def test_a_difference_that_may_be_chance_is_named() -> None:
    near, far = measured("near", 300, 318), measured("far", 290, 250)
    notes = " ".join(backbone_notes([measured("best", 310, 320), near, far]))
    assert "don't tell best from near (-0.5 points): the 95 % interval" in notes
    assert "far" not in notes
    assert "don't tell" not in " ".join(backbone_notes([measured("best", 310, 320), far]))
