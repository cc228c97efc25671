"""A comparison of backbones as lines of plain text in 80 columns."""

import textwrap
from collections.abc import Iterator, Sequence

from dogbreed.evaluation.backbones import FailedBackbone, MeasuredBackbone, top1

WIDTH = 80
_LICENCE_WIDTH = 13
_MAX_NAME = 18  # what the other columns leave; a longer name has a line of its own
_NO_BREAK_SPACE = "\xa0"  # textwrap breaks no line at it
_HEADS = ("valid", "test (95 % interval)", "photos/s", "MB", "licence")


def backbone_table(
    measured: Sequence[MeasuredBackbone], failed: Sequence[FailedBackbone]
) -> list[str]:
    """A row for each backbone in the given order, then those that failed with the reason."""
    rows = [(each.label, _cells(each)) for each in measured]
    width = max([8, *(len(name) for name, _ in rows if len(name) <= _MAX_NAME)])
    lines = [f"{'backbone':<{width}}{_joined(_HEADS)}"]
    for name, cells in rows:
        if len(name) > width:
            lines += [name, f"{'':<{width}}{_joined(cells)}"]
        else:
            lines.append(f"{name:<{width}}{_joined(cells)}")
    for each in failed:
        lines += wrapped(f"{each.label}: not measured: {each.reason}", indent="  ")
    return lines


def backbone_notes(measured: Sequence[MeasuredBackbone]) -> list[str]:
    """What the numbers mean, which differences they don't show, and licences of several words."""
    best = measured[0]
    engine = f"{best.details['engine']} {best.details['precision']}"
    lines = wrapped(
        f"Top-1 in % of a linear probe. The {len(best.valid):,} validation photos have chosen its "
        f"strength and the order of this table; the {len(best.test):,} test photos have chosen "
        f"nothing. Photos/s are of one view, with decoding ({engine}); cached: none was computed."
    )
    close = [f"{each.label} ({points:+.1f} points)" for each, points in _close(measured)]
    if close:
        lines += wrapped(
            f"The test photos don't tell {best.label} from {', '.join(close)}: the 95 % interval "
            "of the difference includes 0."
        )
    for licence in dict.fromkeys(each.licence for each in measured):
        if _short_licence(licence) != licence:
            names = ", ".join(each.label for each in measured if each.licence == licence)
            lines += wrapped(f"Licence of {names}: {licence}.")
    return lines


def wrapped(text: str, indent: str = "") -> list[str]:
    """The text in lines of 80 columns; all but the first begin with `indent`."""
    glued = text.replace(" %", _NO_BREAK_SPACE + "%")
    lines = textwrap.wrap(glued, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
    return [line.replace(_NO_BREAK_SPACE, " ") for line in lines]


def _close(measured: Sequence[MeasuredBackbone]) -> Iterator[tuple[MeasuredBackbone, float]]:
    """Backbones whose difference from the first isn't certain, with the points of test top-1."""
    for each in measured[1:]:
        points, (low, high) = each.behind(measured[0])
        if low <= 0 <= high:
            yield each, points


def _cells(each: MeasuredBackbone) -> tuple[str, ...]:
    valid, test = top1(each.valid), top1(each.test)
    low, high = test["ci95"]
    rate = each.features.photos_per_s
    return (
        f"{100 * valid['top1']:.1f}",
        f"{100 * test['top1']:.1f} ({100 * low:.1f} to {100 * high:.1f})",
        "cached" if rate is None else f"{rate:.1f}",
        f"{each.megabytes:.1f}",
        _short_licence(each.licence),
    )


def _short_licence(licence: str) -> str:
    """What is before a semicolon, cut to the width of its column."""
    name = licence.partition(";")[0]
    return name if len(name) <= _LICENCE_WIDTH else f"{name[: _LICENCE_WIDTH - 1]}…"


def _joined(cells: Sequence[str]) -> str:
    valid, test, rate, megabytes, licence = cells
    return f"{valid:>7}{test:>22}{rate:>10}{megabytes:>8}  {licence}"
