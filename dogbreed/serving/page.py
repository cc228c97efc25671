"""The page to drop a photo on: its files, filled in for a model."""

from dogbreed.serving.artifact import Description


def pages(description: Description) -> dict[str, tuple[str, bytes]]:
    """Each path of the page with its type and content."""
    return {"/": ("text/html; charset=utf-8", b"soon")}
