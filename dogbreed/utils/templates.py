"""HTML from templates: what is put in is escaped, and printable, whatever the template says."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dogbreed.utils.printable import printable


def environment(*folders: Path) -> Environment:
    """Jinja for the templates of these folders."""
    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        finalize=_finalized,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _finalized(value: Any) -> Any:
    """A text that comes from outside; HTML that a template has made is so already."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
