"""The frame of a page in one file that fetches nothing: its style, scripts, charts and policy."""

import base64
import hashlib
import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from dogbreed.report import formatting as texts
from dogbreed.report.charts import Chart
from dogbreed.utils.printable import printable
from dogbreed.utils.templates import environment

HERE = Path(__file__).parent
# JSON inside HTML: nothing in it may look like a tag. (json itself writes U+2028 as an escape.)
ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section: `key` is its anchor and its macro, `values` what the macro reads."""

    key: str
    title: str
    charts: tuple[Chart, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


def page(template: Path, *, title: str, sections: Sequence[Section], **values: Any) -> str:
    """A page as HTML: `template` extends frame.html.j2 and has a macro for each section's key."""
    figures, hovers = _interned({c.key: c.figure for own in sections for c in own.charts})
    return (
        _environment(template.parent)
        .get_template(template.name)
        .render(
            title=title,
            sections=sections,
            style=Markup(_beside("report.css")),
            figures=Markup(_json_of(figures)),
            texts=Markup(_json_of(hovers)),
            scripts=[Markup(script) for script in _scripts()],
            policy=policy(),
            **values,
        )
    )


def _environment(folder: Path) -> Environment:
    templates = environment(folder, HERE)
    filters = (
        texts.below,
        texts.counted,
        texts.decimal,
        texts.percent,
        texts.points,
        texts.seconds,
    )
    templates.filters |= {own.__name__: own for own in filters}
    return templates


def _interned(figures: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The figures with indices in place of their points' texts, and the texts, each once.

    What a page says of a trial beside the mouse it says in every chart: report.js puts it back.
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


def _json_of(values: Any) -> str:
    text = json.dumps(_printable(values), allow_nan=False, separators=(",", ":"))
    return text.translate(ESCAPES)


def _printable(values: Any) -> Any:
    """The same with every text printable: scripts draw what JSON has as an escape."""
    if isinstance(values, Mapping):
        return {printable(key): _printable(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_printable(value) for value in values]
    return printable(values) if isinstance(values, str) else values


def policy() -> str:
    """The pages' Content-Security-Policy: their own scripts run, no other; nothing is fetched."""
    sums = (hashlib.sha256(script.encode()).digest() for script in _scripts())
    allowed = " ".join(f"'sha256-{base64.b64encode(own).decode()}'" for own in sums)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _scripts() -> tuple[str, str]:
    return _plotly(), _beside("report.js")


def _plotly() -> str:
    """Plotly's script. Its Python side isn't imported: the figures are plain dictionaries."""
    script = importlib.resources.files("plotly") / "package_data" / "plotly.min.js"
    return script.read_text("utf-8")


def _beside(name: str) -> str:
    return (HERE / name).read_text("utf-8")
