"""Which columns of a file of labels hold the photo, its class, its split and its group."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from dogbreed.configuration.run import ColumnsConfig
from dogbreed.configuration.schema import nearest
from dogbreed.data.layouts.label_file import LabelFile
from dogbreed.errors import DataError

# Headers of public data sets in lower case, without what separates words; those of photos in the
# order in which they are preferred: a path says more than an id.
PHOTO_HEADERS = (
    *("path", "filepath", "imagepath", "imgpath", "photopath"),
    *("filename", "imagename", "imgname", "photoname", "imagefile"),
    *("file", "image", "img", "photo", "picture", "imageid", "imgid", "photoid", "id", "uuid"),
)
LABEL_HEADERS = (
    *("label", "labels", "labelname", "class", "classname", "breed", "category", "species"),
    *("variety", "target"),
)
SPLIT_HEADERS = ("split", "subset", "set", "partition")
_SHOWN = 10


class Columns(NamedTuple):
    """Places in a row; None: there is no such column."""

    photo: int
    label: int
    split: int | None
    group: int | None


def find_columns(file: LabelFile, names: ColumnsConfig, group: str | None) -> Columns:
    """The columns that are named, or else recognised by their headers; `group` is data.group.

    Raises:
        DataError: there is no such column, or several may be meant.
    """
    photos = _named(file, "photo", names.photo) or _recognised(file, PHOTO_HEADERS)[:1]
    labels = _named(file, "label", names.label) or _recognised(file, LABEL_HEADERS)
    splits = _named(file, "split", names.split) or _recognised(file, SPLIT_HEADERS)
    return Columns(
        photo=_only(file, "photo", photos),
        label=_only(file, "label", labels),
        split=_only(file, "split", splits) if splits else None,
        group=file.header.index(group) if group in file.header else None,
    )


def recognises(file: LabelFile) -> bool:
    """Whether photos and labels have columns that are recognised by their headers."""
    return bool(_recognised(file, PHOTO_HEADERS)) and len(_recognised(file, LABEL_HEADERS)) == 1


def _named(file: LabelFile, kind: str, name: str | None) -> list[int]:
    """The column of a key; none if that is null."""
    places = [place for place, header in enumerate(file.header) if header == name]
    if name is None or len(places) == 1:
        return places
    problem = f"has {len(places)} columns of this name" if places else "has no such column"
    raise DataError(
        f"data.columns.{kind}={name}: {file.path} {problem}.{nearest(name, file.header)} Its first "
        f"line has {_listed(file.header)}."
    )


def _recognised(file: LabelFile, headers: Sequence[str]) -> list[int]:
    """The columns with one of these headers, in the order of `headers`."""
    found = [re.sub(r"[\W_]+", "", header.casefold()) for header in file.header]
    return [place for header in headers for place, name in enumerate(found) if name == header]


def _only(file: LabelFile, kind: str, places: Sequence[int]) -> int:
    if not places:
        raise DataError(
            f"data.labels={file.path}: no column has a name that is known for a {kind}: write "
            f"data.columns.{kind}=NAME. The first line of the file has {_listed(file.header)}."
        )
    if len(places) > 1:
        named = _listed([file.header[place] for place in places])
        raise DataError(
            f"data.labels={file.path}: {named} may each be the column of the {kind}: choose one, "
            f"such as data.columns.{kind}={file.header[places[0]]}."
        )
    return places[0]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(f"{name:.80}" for name in names[:_SHOWN]) + more
