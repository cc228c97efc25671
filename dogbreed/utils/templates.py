"""HTML from templates: every inserted value is escaped and printable."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dogbreed.utils.printable import printable


def environment(*folders: Path) -> Environment:
    """The Jinja environment for the templates in these folders."""
    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        finalize=_finalized,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _finalized(value: Any) -> Any:
    """Text made printable; HTML that a template has produced already is."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
