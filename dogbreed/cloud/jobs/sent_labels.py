"""data.labels of a launch, as jobs get them: one table of the photos that are sent, beside them.

Whatever file a user has, the table has one form. Its splits are the user's; those that the launcher
sampled are sampled in the job again, in the same way, as they are from folders.
"""

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

from dogbreed.cloud.aws.photo_objects import OBJECTS
from dogbreed.cloud.container.photo_listing import ListedPhoto
from dogbreed.data.layouts.splits import TRAIN, PhotoFolders

FILE = "dogbreed-labels.csv"  # beside the photos
GROUP = "group"


@dataclass(frozen=True)
class SentLabels:
    """The table as a file, and the keys with which a job reads it."""

    data: bytes
    settings: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """The digest of the table in hex."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def listed(self) -> ListedPhoto:
        """The table in the listing of the photos; its object is named by its content as theirs."""
        return ListedPhoto(FILE, f"{OBJECTS}{self.sha256}", len(self.data), f"sha256:{self.sha256}")


def sent_labels(folders: PhotoFolders) -> SentLabels:
    """The labels of photos that were read with data.labels."""
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(("path", "label", "split", GROUP))
    for sample in folders.all_samples():
        split = TRAIN if sample.split in folders.split_locally else sample.split
        path = sample.path.relative_to(folders.root).as_posix()
        label, group = folders.classes[sample.label], folders.groups.get(sample.path, "")
        writer.writerow((path, label, split, group))
    grouped = {"data.group": GROUP} if folders.groups else {}
    return SentLabels(table.getvalue().encode(), {"data.labels": FILE, **grouped})
