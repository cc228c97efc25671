"""Which model a command uses, in one line: its run, how it was chosen, its classes, its top-1."""

from collections.abc import Mapping

from dogbreed.artifact.description import Description
from dogbreed.run_records.best import ChosenRun
from dogbreed.utils.nouns import counted

_SPLITS = {"valid": "validation", "test": "test"}


def model_line(chosen: ChosenRun, description: Description) -> str:
    """The line; metrics that model.json lacks are left out."""
    reason = f" ({chosen.reason})" if chosen.reason else ""
    shares = {
        title: description.metrics[split]["top1"]
        for split, title in _SPLITS.items()
        if isinstance(description.metrics.get(split), Mapping)
        and isinstance(description.metrics[split].get("top1"), int | float)
    }
    top1 = ", ".join(f"{title} {100 * share:.1f}%" for title, share in shares.items())
    return (
        f"model: {chosen.folder}{reason}: {counted(len(description.classes), 'class', 'classes')}"
        f"{f'; top-1: {top1}' if top1 else ''}"
    )
