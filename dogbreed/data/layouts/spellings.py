"""Class folders that are spellings of one class: found, shown, and how to put them together."""

import shlex
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from dogbreed.data.layouts.class_names import spelling_key
from dogbreed.data.layouts.nesting import ClassPhotos
from dogbreed.errors import DataError

_SHOWN = 3


def refuse_spellings(root: Path, classes: Iterable[ClassPhotos]) -> None:
    """Raise a DataError if folders with photos are spellings of one class, in any splits.

    Two classes that look the same can't be distinguished in an answer. They aren't put
    together here: where they really are two classes, only their owner knows.
    """
    alike: dict[str, dict[str, list[ClassPhotos]]] = defaultdict(lambda: defaultdict(list))
    for class_photos in classes:
        if class_photos.paths:
            alike[spelling_key(class_photos.name)][class_photos.name].append(class_photos)
    twins = [spellings for spellings in alike.values() if len(spellings) > 1]
    if not twins:
        return
    more = [f"  and {len(twins) - _SHOWN:,} more"] if len(twins) > _SHOWN else []
    raise DataError(
        f"{root}: {_counted(len(twins))} spelled in several ways, each of which would be a class "
        "of its own:",
        *(line for spellings in twins[:_SHOWN] for line in _lines(root, spellings)),
        *more,
        "Put the photos of a class into one folder, as the commands do (a file whose name is taken "
        "stays where it is), or rename a folder if they are two classes.",
    )


def refuse_label_spellings(file: str, photos: Mapping[str, int]) -> None:
    """The same of labels in a file, with so many photos each.

    Raises:
        DataError: two of them are spellings of one class.
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(photos):
        alike[spelling_key(name)].append(name)
    twins = [names for names in alike.values() if len(names) > 1]
    if not twins:
        return
    more = [f"  and {len(twins) - _SHOWN:,} more"] if len(twins) > _SHOWN else []
    raise DataError(
        f"data.labels={file}: {_counted(len(twins))} spelled in several ways, each of which would "
        "be a class of its own:",
        *(
            f"  {', '.join(f'{name!a} ({photos[name]:,} photos)' for name in names[:_SHOWN])}: "
            f"{_difference(names)}"
            for names in twins[:_SHOWN]
        ),
        *more,
        "Write one spelling in the file, or distinct names if they are two classes.",
    )


def _counted(classes: int) -> str:
    return "1 class is" if classes == 1 else f"{classes:,} classes are"


def _lines(root: Path, spellings: dict[str, list[ClassPhotos]]) -> list[str]:
    """One class: its folders with what distinguishes them, and the commands that join them."""
    photos = Counter(
        {
            name: sum(len(class_photos.paths) for class_photos in spellings[name])
            for name in spellings
        }
    )
    best = max(sorted(photos), key=lambda name: (name == _composed(name), photos[name]))
    folders = [class_photos for name in sorted(spellings) for class_photos in spellings[name]]
    shown = [
        f"{str(class_photos.folder.relative_to(root))!a} ({len(class_photos.paths):,} photos)"
        for class_photos in folders
    ]
    more = f" and {len(shown) - _SHOWN:,} more" if len(shown) > _SHOWN else ""
    commands = _commands(
        [class_photos for class_photos in folders if class_photos.name != best], best
    )[:_SHOWN]
    kind = _difference(list(spellings))
    return [f"  {', '.join(shown[:_SHOWN])}{more}: {kind}", *(f"    {each}" for each in commands)]


def _commands(folders: Iterable[ClassPhotos], name: str) -> list[str]:
    """The shell commands that give the folders this name, or move their photos to where it is."""
    commands: list[str] = []
    made: set[Path] = set()  # by the commands before
    for class_photos in folders:
        target = class_photos.folder.parents[class_photos.name.count("/")] / name
        here, there = _quoted(class_photos.folder), _quoted(target)
        if target in made or (target.exists() and not target.samefile(class_photos.folder)):
            commands.append(f"mv -n {here}/* {there}/ && rmdir {here}")
        else:
            commands.append(f"mv {here} {there}")
        made.add(target)
    return commands


def _quoted(path: Path) -> str:
    """The path for bash and zsh, in ASCII: a copy of it can't change how it is composed."""
    text = str(path)
    if text.isascii() and text.isprintable():
        return shlex.quote(text)
    letters = text.replace("\\", r"\\").replace("'", r"\'")
    return "$'" + "".join(map(_escaped, letters)) + "'"


def _escaped(letter: str) -> str:
    if letter.isascii() and letter.isprintable():
        return letter
    if 0xDC80 <= ord(letter) <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _difference(names: list[str]) -> str:
    """What distinguishes the spellings."""
    steps = (
        ("composed and decomposed Unicode (NFC, NFD)", _composed),
        ("letter case", lambda name: _composed(name).casefold()),
        ("spaces at the ends", lambda name: _composed(name).casefold().strip()),
    )
    for kind, normal in steps:
        if len(set(map(normal, names))) == 1:
            return f"they differ in {kind}"
    return "they differ in separators, or in characters that look alike or can't be seen"
