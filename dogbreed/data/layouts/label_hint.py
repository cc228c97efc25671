"""What an error of a folder without classes adds where a file of labels is in it."""

from dogbreed.data.layouts.label_columns import recognises
from dogbreed.data.layouts.label_file import read_label_file
from dogbreed.data.layouts.walk import Folder
from dogbreed.errors import DataError

MAX_BYTES = 16 * 2**20  # of a file that is read for a hint
MAX_FILES = 10
SUFFIXES = (".csv", ".tsv")


def labels_hint(top: Folder) -> list[str]:
    """The key that uses a file of labels in `top`, as a line; none if there is no such file."""
    files = [path for path in top.listing.files if path.suffix.lower() in SUFFIXES]
    for path in files[:MAX_FILES]:
        try:
            if path.stat().st_size <= MAX_BYTES and recognises(read_label_file(path, top.within)):
                return [f"{path.name} has labels of photos: data.labels={path.name} uses them."]
        except (DataError, OSError):
            continue
    return []
