"""The chart of how long each phase of a run took, and what all charts of a profile call them."""

from typing import Any

from dogbreed.debug.profiling.profile import Phase, Profile, Sample
from dogbreed.report.charts import GREY, Chart, axis, labels
from dogbreed.report.line_charts import headed_layout
from dogbreed.report.run.wording.verdicts import words

# None is that of a line; all can be seen on white and on black. Grey is for what no phase covers.
TONES = ("#14a38b", "#b07af8", "#93a72a", "#e0609f", "#1fa9c9", "#c58a2c", "#ec7464", "#8d93f0")
INK = "#0b0f14"  # to be read on any of them


def tones(profile: Profile) -> dict[str, str]:
    """The colour of each phase, by its name."""
    names = dict.fromkeys(
        [phase.name for phase in profile.phases] + [phase_of(sample) for sample in profile.samples]
    )
    return {name: TONES[number % len(TONES)] for number, name in enumerate(names)}


def phase_of(sample: Sample) -> str:
    """A sample's phase without the part of it ("features/compute") that it was taken in."""
    return sample.phase.partition("/")[0]


def names(profile: Profile) -> dict[str, str]:
    """How a chart writes the name of each phase."""
    found = list(tones(profile))
    return dict(zip(found, labels([words(name) for name in found]), strict=True))


def phases(profile: Profile) -> Chart:
    """All phases in one bar; below it the parts of them that were measured by themselves."""
    colours = tones(profile)
    data: list[dict[str, Any]] = []
    begin = 0.0
    for phase in profile.phases:
        data.append(_bar(profile, phase, "phases", begin, colours[phase.name]))
        part_begin = begin
        for part in phase.parts:
            data.append(_bar(profile, part, "parts", part_begin, colours[phase.name]))
            part_begin += part.seconds
        begin += phase.seconds
    rest = Phase(name="the rest", seconds=max(0.0, profile.total_s - begin))
    data.append(_bar(profile, rest, "phases", begin, GREY))
    layout = headed_layout(
        axis("seconds"),
        axis(None, type="category", categoryarray=["parts", "phases"], showgrid=False),
        0,
    )
    return Chart(
        key="phases",
        title="Phases",
        reading="Above the phases one after the other, below the parts of them that were measured "
        "by themselves. The colours are those of the table.",
        figure={
            "data": data,
            "layout": layout
            | {
                "barmode": "overlay",
                "bargap": 0.12,
                "showlegend": False,
                "uniformtext": {"mode": "hide", "minsize": 11},
                "hovermode": "closest",
            },
        },
        height_px=200,
    )


def _bar(profile: Profile, phase: Phase, row: str, begin: float, colour: str) -> dict[str, Any]:
    share = phase.seconds / profile.total_s if profile.total_s else 0.0
    return {
        "type": "bar",
        "orientation": "h",
        "y": [row],
        "x": [round(phase.seconds, 4)],
        "base": [round(begin, 4)],
        "text": labels([words(phase.name)]),
        "textposition": "inside",
        "insidetextanchor": "middle",
        "insidetextfont": {"color": INK},
        "textangle": 0,
        "marker": {"color": colour, "line": {"width": 1, "color": "#fff"}},
        "hovertemplate": f"%{{text}}: {phase.seconds:.2f} s ({share:.1%})<extra></extra>",
    }
