"""Files and folders that every walk skips, and how many: those of systems, closed ones, links.

Storage devices, operating systems and tools save thumbnails, deleted files and copies of photos
beside the photos. They would be counted as photos, and leak from one split into another.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

# Compared without regard to case. Sources: Synology's, QNAP's and NetApp's documentation of their
# shares, Samba's vfs_recycle and vfs_fruit, github/gitignore (Global/).
_NAMES = frozenset(
    {
        # Synology and QNAP
        "@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin", "@recycle", "@recycle_bin",
        "@recently-snapshot", "@transcode", "@upload_cache", "@__thumb",
        # NetApp, Buffalo, servers for Apple's clients
        "~snapshot", "trashbox", "network trash folder", "temporary items",
        "thevolumesettingsfolder", "thefindbycontentfolder",
        # Windows
        "$recycle.bin", "system volume information", "thumbs.db", "ehthumbs.db",
        "ehthumbs_vista.db", "desktop.ini", "found.000", "found.001", "$extend",
        # macOS, Linux, Android
        "__macosx", "icon\r", "lost+found", "lost.dir",
        # photo managers, Python
        "picasa.ini", "zbthumbnail.info", "pspbrwse.jbf", "__pycache__",
    }
)  # fmt: skip
# A class may well be called "recycler"; the bin of Windows XP is always written so.
_EXACT_NAMES = frozenset({"RECYCLER"})
_PREFIXES = ("synophoto_", "synoindex_", "synovideo_", "albumart_{", "thumbs.db:")
_SUFFIXES = (
    "@synoeastream", "@synoresource", ".lrdata", ".lrcat-data", ".photoslibrary", ".aplibrary",
    ".migratedphotolibrary",
)  # fmt: skip
# What this package writes into its drawn samples: nothing that their user has to know of.
SAMPLES_MARKER = ".drawing"
_SHOWN = 3
MAX_NAMED_LINKS = 1000  # of which each is named; the rest is counted


def system_kind(name: str) -> str | None:
    """What a hidden or system file or folder of this name is counted as; None for any other.

    Hidden ones are those whose names start with a dot: .git, .ipynb_checkpoints, .@__thumb,
    .Trash-1000, .DS_Store and the like.
    """
    if name.startswith("."):
        return "._*" if name.startswith("._") else name
    lowered = name.lower()
    if lowered in _NAMES or name in _EXACT_NAMES:
        return name
    if lowered.startswith(_PREFIXES):
        return next(f"{name[: len(start)]}*" for start in _PREFIXES if lowered.startswith(start))
    if lowered.endswith(_SUFFIXES):
        return next(f"*{name[-len(end) :]}" for end in _SUFFIXES if lowered.endswith(end))
    return None


class SkippedLinks:
    """Symbolic links that lead out of the folder that is walked; the first ones by name.

    Attributes:
        count: how many there are.
        targets: of the first `MAX_NAMED_LINKS`, where each leads.
    """

    def __init__(self) -> None:
        self.count = 0
        self.targets: dict[Path, str] = {}

    def add(self, path: Path, target: str) -> None:
        """Count a link, and note where it leads."""
        self.count += 1
        if len(self.targets) < MAX_NAMED_LINKS:
            self.targets[path] = target


class Skipped:
    """What walks have skipped: system files by kind, unreadable folders, links that lead out."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.unreadable: dict[Path, str] = {}
        self.links = SkippedLinks()

    def visible(self, name: str) -> bool:
        """Whether a file or folder of this name belongs to the user's; counts it if it doesn't."""
        kind = system_kind(name)
        if kind is not None and name != SAMPLES_MARKER:
            self.kinds[kind] += 1
        return kind is None

    def system_line(self) -> str | None:
        """How many system files and folders were skipped, in one line; None if there were none."""
        if not self.kinds:
            return None
        total = self.kinds.total()
        named = _listed(f"{count:,} {kind!a}" for kind, count in self.kinds.most_common())
        return f"skipped {total:,} hidden or system files and folders: {named}"

    def unreadable_line(self) -> str | None:
        """Which folders can't be read, in one line; None if all could be."""
        if not self.unreadable:
            return None
        named = _listed(f"{path} ({reason})" for path, reason in self.unreadable.items())
        return f"skipped {len(self.unreadable):,} folders that can't be read: {named}"

    def links_line(self, root: Path | None = None) -> str | None:
        """How many links were skipped, named below `root`, in one line; None if there were none."""
        if not self.links.count:
            return None
        paths = (path.relative_to(root) if root else path for path in self.links.targets)
        named = _listed(map(str, paths), self.links.count)
        return (
            f"skipped {self.links.count:,} symbolic links that lead out of the folder "
            f"(data.links=true follows them): {named}"
        )

    def lines(self) -> list[str]:
        """Each line, as far as there is something to report."""
        found = (self.system_line(), self.unreadable_line(), self.links_line())
        return [line for line in found if line]


def _listed(texts: Iterable[str], count: int | None = None) -> str:
    """The first few of the texts in one line, and how many more there are; `count`: of them all."""
    texts = list(texts)
    count = len(texts) if count is None else count
    more = f" and {count - _SHOWN:,} more" if count > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more
