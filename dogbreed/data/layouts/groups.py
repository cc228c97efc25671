"""data.group: photos that must stay in one split, by a regular expression over their paths.

A column of data.labels gives groups too (label_columns.py).
"""

import re
from collections.abc import Sequence
from pathlib import Path

from dogbreed.configuration.schema import nearest
from dogbreed.errors import ConfigError, DataError

# Python's engine can take exponential time for patterns such as (a+)+b; Ctrl-C ends that. The text
# is bounded by the system's longest path, the pattern by this.
MAX_PATTERN_CHARACTERS = 1000


def match_groups(
    pattern: str, root: Path, paths: Sequence[Path], columns: Sequence[str] = ()
) -> dict[Path, str]:
    """The group of each photo whose path below `root`, with slashes, has a match.

    It is the text of the pattern's first (group), or of the complete match if it has none.
    `columns` are those that might have been meant.

    Raises:
        ConfigError: no regular expression.
        DataError: it matches no path.
    """
    expression = _compiled(pattern)
    part = 1 if expression.groups else 0
    groups = {}
    for path in paths:
        match = expression.search(path.relative_to(root).as_posix())
        if match is not None and match[part]:
            groups[path] = match[part]
    if not groups:
        what = "is no column of data.labels, and as" if columns else "as"
        raise DataError(
            f"data.group={pattern}: {what} a regular expression it matches no photo, such as "
            f"{paths[0].relative_to(root).as_posix()}.{nearest(pattern, columns)} Write a column "
            "of data.labels, or a pattern whose first (group) is the same in the paths of photos "
            "that belong together."
        )
    return groups


def _compiled(pattern: str) -> re.Pattern[str]:
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise ConfigError(
            f"data.group: must have at most {MAX_PATTERN_CHARACTERS:,} characters, not "
            f"{len(pattern):,}."
        )
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(f"data.group={pattern}: is no regular expression: {error}.") from error
