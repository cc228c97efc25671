"""Small facts of a run that never was, with drawn photos, for tests of report and model card."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from conftest import draw_photo
from helpers.made_watched import make_profile, make_watched

from dogbreed.data.layouts.splits import Finding, Sample
from dogbreed.evaluation.baseline import TRAINED
from dogbreed.evaluation.facts import Baseline, Duplicate, Facts, Folds, RateCurve
from dogbreed.evaluation.metrics.calibration_error import against_perfect_calibration
from dogbreed.evaluation.metrics.intervals import wilson
from dogbreed.evaluation.metrics.measuring import measure, measure_classes
from dogbreed.evaluation.metrics.scores import Scores

NAMES = ("Akita", "Beagle", "Collie")
# Names that a page, a chart, a template or a Markdown viewer could take for something else.
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<b>bold</b> <a href='https://example.org'>link</a>",
    "</script><script>alert(1)</script>",
    "{{7*7}} {% raw %}",
    "$x^2$ %{y} &lt;i&gt;",
    "undecodable \udcff\udc80",
    "line\nbreak | `code` [link](https://example.org) **strong** www.example.org",
    "' \" onmouseover='alert(1)'",
)


def make_facts(root: Path, names: tuple[str, ...] = NAMES, per_class: int = 4) -> Facts:
    """Every class has `per_class` test photos, of which one is taken for the next class."""
    samples, rows = [], []
    for label in range(len(names)):
        for number in range(per_class):
            path = root / "test" / f"class{label}" / f"{number}.jpg"
            draw_photo(path, 20 + 200 * label // len(names), 10 * label + number)
            samples.append(Sample(path, label, "test"))
            answer = (label + (number == 0)) % len(names)
            row = torch.zeros(len(names)).index_fill(0, torch.tensor(answer), 2.0 + 0.1 * number)
            rows.append(row)
    scores = Scores(
        torch.stack(rows).log_softmax(-1), torch.tensor([sample.label for sample in samples])
    )
    measured = measure(scores, 0.8)
    n = len(samples)
    return Facts(
        name="made",
        finished="2026-11-21T11:06:31",
        config={
            "seed": 7,
            "model": {"head": "auto"},
            "data": {"root": str(root), "size_px": 224},
            "resume": None,
        },
        versions={"dogbreed": "0.1.0"},
        seconds={"fit": 3.25, "total": 127.0},
        epochs=tuple(
            {
                "epoch": epoch,
                "train_loss": 2.0 / epoch,
                "train_top1": 1 - 0.5 / epoch,
                "valid_loss": 2.2 / epoch,
                "valid_top1": 1 - 0.6 / epoch,
            }
            for epoch in (1, 2, 3)
        ),
        root=root,
        classes=names,
        display_names=names,
        counts={"train": [12] * len(names), "valid": [4] * len(names), "test": [4] * len(names)},
        findings=(),
        duplicates=(),
        metrics={"train": measured, "valid": measured, "test": measured},
        class_metrics=measure_classes(scores, names, names),
        temperature=0.8,
        threshold=0.3125,
        unknown={
            "answered_share": 1.0,
            "answered_top1": 0.75,
            "right_answered_share": 1.0,
            "ci95": {
                "answered_share": wilson(n, n),
                "answered_top1": wilson(3 * n // 4, n),
                "right_answered_share": wilson(3 * n // 4, 3 * n // 4),
            },
        },
        calibration=against_perfect_calibration(scores.calibrated(0.8)),
        head=TRAINED,
        baselines=(),
        folds=None,
        rate_curve=None,
        watched=None,
        profile=None,
        forms={},
        data_fingerprint="9f2c41d07be1",
        test_samples=tuple(samples),
        test_scores=scores.calibrated(0.8),
    )


def with_everything(facts: Facts) -> Facts:
    """The same with all that a run may lack."""
    first, *_, last = facts.test_samples
    changes: dict[str, Any] = {
        "baselines": tuple(
            Baseline(
                name=name,
                setting=setting,
                n_train=36,
                valid=facts.metrics["valid"],
                test=facts.metrics["test"],
                top1_gain_points=4.25,
                top1_gain_ci95=(1.5, 7.0),
            )
            for name, setting in (
                ("logistic regression", "C = 0.1"),
                ("another", "size = 3"),
            )
        ),
        "folds": Folds(
            top1=(0.7123, 0.7345),
            loss=(1.1, 1.2),
            top1_mean=0.7234,
            top1_sd=0.0157,
            loss_mean=1.15,
            loss_sd=0.07,
            seconds=17.3,
        ),
        "rate_curve": RateCurve(
            lr=(1e-4, 1e-3, 1e-2, 1e-1), loss=(2.0, 1.5, 1.2, float("inf")), suggestion=0.0032
        ),
        "watched": make_watched(),
        "profile": make_profile(),
        "forms": {"int8": {"top1_equal_share": 0.9875, "valid_top1_loss_points": 0.17}},
        "duplicates": (Duplicate(first=first, second=replace(last, split="train"), cosine=0.9871),),
        "findings": tuple(
            Finding(
                path=facts.root / "train" / f"bad{number}.jpg",
                reason="truncated",
                message="the file ends before the picture does",
                bad=True,
            )
            for number in range(60)
        ),
    }
    return replace(facts, **changes)


def random_scores(n: int, classes: int, seed: int = 0, scale: float = 1.0) -> Scores:
    """Scores whose targets are drawn from their own probabilities sharpened by `scale`."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, classes, generator=generator)
    targets = (scale * logits).softmax(-1).multinomial(1, generator=generator)[:, 0]
    return Scores(logits.log_softmax(-1), targets)
