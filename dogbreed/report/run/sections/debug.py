"""Section "Debug": what was recorded of a training, and what its rules found."""

from functools import partial
from pathlib import Path

from dogbreed.evaluation.facts import Watched
from dogbreed.report.charts import Chart
from dogbreed.report.formatting import counted
from dogbreed.report.frame import Section
from dogbreed.report.run.figures.layers import drawn_layers, layer_charts, learning_rate
from dogbreed.report.run.sections.registry import Content
from dogbreed.report.run.wording.step_labels import at_step
from dogbreed.report.run.wording.verdicts import headline, rows


def debug_section(content: Content) -> Section | None:
    """The section; the cross entropy itself is in section "Training"."""
    watched = content.facts.watched
    if watched is None:
        return None
    recording = watched.recording
    when = partial(at_step, recording)
    charts: tuple[Chart, ...] = layer_charts(recording)
    has_layers = bool(charts)
    if len(recording.steps["step"]):
        charts += (learning_rate(recording),)
    drawn, count = drawn_layers(recording), len(recording.layer_names)
    return Section(
        key="debug",
        title="Debug",
        template=Path(__file__).with_name("debug.html.j2"),
        charts=charts,
        values={
            "headline": headline(watched.verdicts, "rule", when),
            "recorded": _recorded(watched),
            "rows": rows(watched.verdicts, when, "{:,}".format),
            "layers": drawn if has_layers else [],
            "left_out": f"{len(drawn)} of {counted(count, 'trained layer')} are drawn, "
            "evenly spaced from the first to the last."
            if len(drawn) < count
            else "",
        },
    )


def _recorded(watched: Watched) -> str:
    recording = watched.recording
    steps, epochs = len(recording.steps["step"]), len(recording.epochs["step"])
    if not steps:
        return "No step was recorded."
    text = (
        f"{counted(steps, 'step')} in {counted(epochs, 'epoch')} were recorded, and the norms of "
        f"{counted(len(recording.layer_names), 'trained layer')} at "
        f"{counted(len(recording.layers['step']), 'of them', 'of them')}."
    )
    return text if recording.complete else f"{text} The last rows of the recording were lost."
