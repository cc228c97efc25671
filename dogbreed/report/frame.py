"""The frame of a page in one file that fetches nothing: its style, scripts, charts and policy."""

import base64
import hashlib
import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from dogbreed.report import formatting
from dogbreed.report.charts import Chart
from dogbreed.utils.nouns import plural
from dogbreed.utils.printable import printable
from dogbreed.utils.templates import environment

HERE = Path(__file__).parent
# JSON inside HTML: nothing in it may look like a tag. (json itself writes U+2028 as an escape.)
ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section: the macro `key` in `template` writes it, from the section itself.

    `key` is its anchor in the page too; `values` are what the macro reads.
    """

    key: str
    title: str
    template: Path
    charts: tuple[Chart, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


def page(
    template: Path,
    *,
    title: str,
    sections: Sequence[Section],
    script: Path | None = None,
    **values: Any,
) -> str:
    """A page as HTML: `template` extends frame.html.j2.

    A `script` of the page's own may show photos of this machine beside the page's own pictures.
    `values` are what `template` and the sections' templates read besides.
    """
    figures, hovers = _interned(
        {chart.key: chart.figure for section in sections for chart in section.charts}
    )
    scripts = [*([_plotly()] if figures else []), _read("report.js")]
    if script is not None:
        scripts.append(script.read_text("utf-8"))
    return (
        _environment(template.parent)
        .get_template(template.name)
        .render(
            title=title,
            sections=sections,
            bodies={section.key: _body(section, values) for section in sections},
            style=Markup(_read("report.css")),
            figures=Markup(json_of(figures)),
            texts=Markup(json_of(hovers)),
            scripts=list(map(Markup, scripts)),
            policy=policy(scripts, files=script is not None),
            **values,
        )
    )


def _body(section: Section, values: Mapping[str, Any]) -> Markup:
    """What the macro of the section's key in its template writes."""
    template = _environment(section.template.parent).get_template(section.template.name)
    body: Markup = getattr(template.make_module(dict(values)), section.key)(section)
    return body


@cache
def _environment(folder: Path) -> Environment:
    templates = environment(folder, HERE)
    filters = (
        formatting.below,
        formatting.counted,
        formatting.decimal,
        formatting.percent,
        plural,
        formatting.points,
        formatting.seconds,
    )
    templates.filters |= {function.__name__: function for function in filters}
    return templates


def _interned(figures: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The figures with indices in place of their points' texts, and the texts, each once.

    The hover text of a trial is the same in every chart: report.js puts it back.
    """
    numbers: dict[str, int] = {}

    def short(trace: Mapping[str, Any]) -> Mapping[str, Any]:
        found = trace.get("text")
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            return trace
        indices = [numbers.setdefault(text, len(numbers)) for text in found]
        return {**trace, "text": indices, "interned": True}

    shorter = {
        key: {**figure, "data": [short(trace) for trace in figure["data"]]}
        for key, figure in figures.items()
    }
    return shorter, list(numbers)


def json_of(values: Any) -> str:
    """Values as JSON inside HTML, every text printable."""
    text = json.dumps(_printable(values), allow_nan=False, separators=(",", ":"))
    return text.translate(ESCAPES)


def _printable(values: Any) -> Any:
    """The same with every text printable: scripts would draw what JSON has as an escape."""
    if isinstance(values, Mapping):
        return {printable(key): _printable(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_printable(value) for value in values]
    return printable(values) if isinstance(values, str) else values


def policy(scripts: Sequence[str] = (), *, files: bool = False) -> str:
    """The pages' Content-Security-Policy: these scripts run, no other; nothing is fetched.

    By default the scripts of a page with charts. `files`: pictures may be files of this machine.
    """
    sums = (hashlib.sha256(script.encode()).digest() for script in scripts or _scripts())
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in sums)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        f"img-src data: blob:{' file:' if files else ''}; base-uri 'none'; form-action 'none'"
    )


def _scripts() -> tuple[str, str]:
    return _plotly(), _read("report.js")


def _plotly() -> str:
    """Plotly's script. Its Python side isn't imported: the figures are plain dictionaries."""
    script = importlib.resources.files("plotly") / "package_data" / "plotly.min.js"
    return script.read_text("utf-8")


def _read(name: str) -> str:
    return (HERE / name).read_text("utf-8")
