"""The web page: its files, and its HTML for a model."""

from pathlib import Path
from typing import Any

from dogbreed.artifact.description import Description
from dogbreed.utils.nouns import counted

FILES = Path(__file__).parent / "page_files"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def pages(description: Description, *, token: bool = False) -> dict[str, tuple[str, bytes]]:
    """Each path with its media type and content; `token`: requests need one."""
    html = _html(description, token).encode()
    return {"/": ("text/html; charset=utf-8", html), **static_files()}


def static_files() -> dict[str, tuple[str, bytes]]:
    """The paths whose content is the same for every model."""
    return {
        f"/{path.name}": (f"{TYPES[path.suffix]}; charset=utf-8", path.read_bytes())
        for path in sorted(FILES.iterdir())
        if path.suffix in TYPES
    }


def sign_in_page() -> bytes:
    """The HTML of the form that asks for the server's token."""
    return (FILES / "sign_in.html").read_bytes()


def rendered(template: str, **values: Any) -> str:
    """A template of FILES as HTML, with these values."""
    # Imported while the worker loads the model, which takes longer.
    from dogbreed.utils.templates import environment

    return environment(FILES).get_template(template).render(**values)


def _html(description: Description, token: bool) -> str:
    from dogbreed.serving.requests.invocations import MAX_BYTES

    test = description.metrics.get("test", {})
    noun = description.noun
    return rendered(
        "page.html.j2",
        noun=noun,
        known=counted(len(description.classes), noun),
        labels=sorted(description.display_names, key=str.casefold),
        threshold=description.threshold,
        token=token,
        max_bytes=MAX_BYTES,
        top1=test.get("top1"),
        top1_ci95=test.get("ci95", {}).get("top1"),
        test_photos=test.get("n"),
    )
