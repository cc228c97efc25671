"""The charts of what a run had in use over its time, with its phases behind."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dogbreed.debug.profiling.profile import Profile, Sample
from dogbreed.report.charts import BLUE, GREY, ORANGE, Chart, axis
from dogbreed.report.formatting import counted
from dogbreed.report.line_charts import cuts, headed_layout, line, means, middles, zero_up
from dogbreed.report.run.figures.phases import names, phase_of, tones

# Of the narrowest plot: a phase has its name above it only where that has room.
NARROW_PX, LETTER_PX = 300, 7
MIN_SHARE = 1 / 300  # a shorter phase can't be seen
GB, MB = 1e9, 1e6


@dataclass(frozen=True)
class _Series:
    """Lines of one chart: a quantity of every sample by its name in the legend.

    Args:
        y: the layout of the vertical axis.
        number: Plotly's template of a value, in the text at the pointer.
    """

    y: dict[str, Any]
    number: str
    values: Mapping[str, Callable[[Sample], float | None]]


def usage(profile: Profile) -> tuple[Chart, ...]:
    """What was in use over time; nothing where no sample was taken."""
    if not profile.samples:
        return ()
    charts = [
        _over_time(
            profile,
            "cpu",
            "CPU",
            f"What this run uses of the {counted(profile.cores, 'core')} it may have, how busy "
            "the whole machine is, and how much of it waits for disks.",
            _Series(
                zero_up("share of cores", tickformat=".0%"),
                "%{y:.0%}",
                {
                    "this run": lambda sample: sample.cpu_share,
                    "waiting for disks": lambda sample: sample.io_wait_share,
                    "the whole machine": lambda sample: sample.machine_share,
                },
            ),
        ),
        _over_time(
            profile,
            "memory",
            "Memory",
            "What this process and those that it started hold together.",
            _Series(
                zero_up("memory (GB)"),
                "%{y:.2f} GB",
                {"memory": lambda sample: sample.memory_bytes / GB},
            ),
        ),
        _over_time(
            profile,
            "disk",
            "Disk",
            "What this process reads and writes; what the system had in memory doesn't count.",
            _Series(
                zero_up("MB per second"),
                "%{y:.1f} MB/s",
                {
                    "read": lambda sample: sample.read_bytes_per_s / MB,
                    "written": lambda sample: sample.written_bytes_per_s / MB,
                },
            ),
        ),
    ]
    if any(sample.gpu_share is not None for sample in profile.samples):
        charts.append(
            _over_time(
                profile,
                "gpu",
                "GPU",
                f"The share of the time in which {profile.gpu or 'the GPU'} computes, and of its "
                "memory in use.",
                _Series(
                    zero_up("share", tickformat=".0%"),
                    "%{y:.0%}",
                    {
                        "computing": lambda sample: sample.gpu_share,
                        "memory in use": lambda sample: sample.gpu_memory_share,
                    },
                ),
            )
        )
    return tuple(charts)


def _over_time(profile: Profile, key: str, title: str, reading: str, series: _Series) -> Chart:
    samples = profile.samples
    parts = cuts(len(samples))
    at = [
        round(second, 2)
        for second in middles(_numbers(sample.elapsed_s for sample in samples), parts)
    ]
    inside = names(profile)
    where = [inside[phase_of(samples[index])] for index in parts[:-1]]
    data = [
        line(
            name,
            at,
            means(_numbers(value(sample) for sample in samples), parts),
            customdata=where,
            line={"color": colour, "width": 1.5},
            hovertemplate=f"%{{fullData.name}}: {series.number}<br>%{{x:.0f}} s, %{{customdata}}"
            "<extra></extra>",
        )
        for (name, value), colour in zip(series.values.items(), (BLUE, ORANGE, GREY), strict=False)
    ]
    layout = headed_layout(axis("seconds"), series.y, 16)
    layout |= {"hovermode": "closest", "showlegend": len(data) > 1}
    _shade(layout, profile)
    return Chart(key=key, title=title, reading=reading, figure={"data": data, "layout": layout})


def _numbers(values: Iterable[float | None]) -> npt.NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], float)


def _shade(layout: dict[str, Any], profile: Profile) -> None:
    """Each phase in its colour behind the lines, with its name above where there's room for it."""
    colours, labels = tones(profile), names(profile)
    span = profile.samples[-1].elapsed_s - profile.samples[0].elapsed_s
    layout["shapes"], layout["annotations"] = [], []
    for phase, begin, end in _stretches(profile):
        share = (end - begin) / span if span else 0.0
        if share < MIN_SHARE:
            continue
        layout["shapes"].append(
            {
                "type": "rect",
                "layer": "below",
                "yref": "paper",
                "x0": begin,
                "x1": end,
                "y0": 0,
                "y1": 1,
                "fillcolor": colours[phase],
                "opacity": 0.14,
                "line": {"width": 0},
            }
        )
        if share * NARROW_PX >= LETTER_PX * len(phase):
            layout["annotations"].append(
                {
                    "x": (begin + end) / 2,
                    "y": 1,
                    "yref": "paper",
                    "yanchor": "bottom",
                    "text": labels[phase],
                    "showarrow": False,
                }
            )


def _stretches(profile: Profile) -> Iterator[tuple[str, float, float]]:
    """Each phase with the seconds of its first sample and of the first one after it."""
    samples = profile.samples
    first = samples[0]
    for sample in samples[1:]:
        if phase_of(sample) != phase_of(first):
            yield phase_of(first), first.elapsed_s, sample.elapsed_s
            first = sample
    yield phase_of(first), first.elapsed_s, samples[-1].elapsed_s
