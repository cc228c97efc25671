"""The registered sections of a run's report, in their order.

A section is a function from the report's content to a `Section`, and a template in which the macro
of the section's key writes it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dogbreed.evaluation.facts import Facts
from dogbreed.evaluation.mistakes import Confusion
from dogbreed.report.frame import Section
from dogbreed.report.thumbnails import Thumbnail, thumbnails
from dogbreed.utils.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Content:
    """What sections are built from: the facts of a run, and what several sections need of them.

    `confusions` are those of the test photos, most often first.
    """

    facts: Facts
    confusions: Sequence[Confusion]
    _thumbnails: dict[Path, Thumbnail] = field(default_factory=dict, repr=False)

    def photos(self, paths: Iterable[Path]) -> dict[Path, Thumbnail]:
        """The thumbnails of photos, each made once for all sections."""
        wanted = list(dict.fromkeys(paths))
        missing = [path for path in wanted if path not in self._thumbnails]
        self._thumbnails.update(thumbnails(self.facts.root, missing, self.facts.within))
        return {path: self._thumbnails[path] for path in wanted}


# None where the run has nothing for the section.
Build = Callable[[Content], Section | None]
# By the section's anchor in the page.
SECTIONS: Registry[Build] = Registry("report section", "dogbreed.report.run.sections")


def sections(content: Content) -> list[Section]:
    """The sections for which the run has content, in the order of their registration."""
    built = (build(content) for build in SECTIONS.values())
    return [section for section in built if section is not None]
