"""Section "Training": losses and accuracy over the training, and the learning-rate finder."""

from pathlib import Path

from dogbreed.data.layouts.splits import TRAIN
from dogbreed.evaluation.facts import Facts
from dogbreed.report.charts import Chart
from dogbreed.report.frame import Section
from dogbreed.report.run.figures.cross_entropy import cross_entropy
from dogbreed.report.run.figures.curves import accuracy_curves, loss_curves, rate_curve
from dogbreed.report.run.sections.registry import Content


def training_section(content: Content) -> Section | None:
    """The section; None where nothing was trained, as of an evaluation."""
    if TRAIN not in content.facts.counts:
        return None
    return Section(
        key="training",
        title="Training",
        template=Path(__file__).with_name("training.html.j2"),
        charts=_charts(content.facts),
    )


def _charts(facts: Facts) -> tuple[Chart, ...]:
    charts: tuple[Chart, ...] = ()
    if facts.watched is not None and len(facts.watched.recording.steps["step"]):
        charts += (cross_entropy(facts.watched),)
    elif facts.epochs:
        charts += (loss_curves(facts),)
    if facts.epochs:
        charts += (accuracy_curves(facts),)
    if facts.rate_curve is not None:
        charts += (rate_curve(facts.rate_curve),)
    return charts
