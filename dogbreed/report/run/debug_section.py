"""The section of what was recorded of a training, and of what its rules found."""

from functools import partial

from dogbreed.evaluation.facts import Watched
from dogbreed.report.charts import Chart
from dogbreed.report.formatting import counted
from dogbreed.report.frame import Section
from dogbreed.report.run.layer_figures import drawn_layers, layer_charts, learning_rate
from dogbreed.report.run.step_labels import at_step
from dogbreed.report.run.verdicts import headline, rows


def debug_section(watched: Watched) -> Section:
    """Section "Debug"; the cross entropy itself stands in section "Training"."""
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
        charts=charts,
        values={
            "headline": headline(watched.verdicts, "rule", when),
            "recorded": _recorded(watched),
            "rows": rows(watched.verdicts, when, "{:,}".format),
            "layers": drawn if has_layers else [],
            "left_out": f"{len(drawn)} of {counted(count, 'trained layer')} are drawn, spread "
            "evenly from the first to the last."
            if len(drawn) < count
            else "",
        },
    )


def _recorded(watched: Watched) -> str:
    recording = watched.recording
    steps, epochs = len(recording.steps["step"]), len(recording.epochs["step"])
    if not steps:
        return "No step was recorded."
    said = (
        f"{counted(steps, 'step')} in {counted(epochs, 'epoch')} were recorded, and the norms of "
        f"{counted(len(recording.layer_names), 'trained layer')} at "
        f"{counted(len(recording.layers['step']), 'of them', 'of them')}."
    )
    return said if recording.complete else f"{said} The last rows of the recording were lost."
