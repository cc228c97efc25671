"""Which split a folder's name stands for: train, valid or test, in the spellings people use."""

import re
import unicodedata
from typing import NamedTuple

from dogbreed.data.layouts.splits import TEST, TRAIN, VALID

_WORDS = {
    **dict.fromkeys(("train", "training", "trn", "tr", "trainval"), TRAIN),
    **dict.fromkeys(("valid", "val", "validation", "validate"), VALID),
    **dict.fromkeys(("dev", "devel", "development", "eval", "evaluation"), VALID),
    **dict.fromkeys(("test", "tests", "testing", "tst", "holdout", "heldout"), TEST),
}
# Words beside such a word that say nothing of the photos: train_images, 01-train.
_FILLERS = frozenset(
    {
        "set", "sets", "data", "dataset", "datasets", "split", "splits", "subset", "part",
        "image", "images", "img", "imgs", "photo", "photos", "pic", "pics", "picture", "pictures",
        "sample", "samples", "example", "examples", "file", "files", "folder", "folders", "dir",
        "directory", "jpg", "jpgs", "jpeg", "jpegs", "png", "pngs", "class", "classes", "labeled",
        "labelled", "resized", "cropped", "crops", "small", "large", "full", "final", "new",
        "clean",
        "cleaned", "original", "originals", "raw", "aug", "augmented", "balanced", "processed",
        "preprocessed", "sorted", "all", "my", "the", "for", "of", "v", "x", "px", "phase", "step",
        "stage", "fold", "copy",
    }
)  # fmt: skip
_MIN_LETTERS_JOINED = 3  # of a filler that is written together with the word: trainset


class SplitName(NamedTuple):
    """The split that a name stands for, and what else the name says: {"shoes"} in shoes_train.

    `evaluation`: the name says eval or evaluation, which is the test split beside a validation.
    """

    split: str
    rest: frozenset[str]
    evaluation: bool = False


def split_name(name: str) -> SplitName | None:
    """The split that a folder's name stands for; None if no word of it, or words of two splits do.

    Words end at anything but letters, at digits and at a capital (TrainImages). Training and
    validation in one (trainval, train_val) are training photos.
    """
    found: set[str] = set()
    rest: set[str] = set()
    words = _words(name)
    for word in words:
        split = _split_of(word)
        if split is not None:
            found.add(split)
        elif word not in _FILLERS and not word.isdecimal():
            rest.add(word)
    if found == {TRAIN, VALID}:
        found = {TRAIN}
    if len(found) != 1:
        return None
    return SplitName(found.pop(), frozenset(rest), any(word.startswith("eval") for word in words))


def _words(name: str) -> list[str]:
    text = unicodedata.normalize("NFKC", name)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    text = re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", " ", text)
    text = re.sub(r"(?<![^\W_])(hold|held)[\W_]+out(?![^\W_])", r"\1out", text.casefold())
    return [word for word in re.split(r"[\W_]+", text) if word]


def _split_of(word: str) -> str | None:
    """The split of one word, which may have a filler joined to it: trainset, imagestrain."""
    if word in _WORDS:
        return _WORDS[word]
    for known, split in _WORDS.items():
        for filler in (word.removeprefix(known), word.removesuffix(known)):
            if (
                len(filler) >= _MIN_LETTERS_JOINED
                and len(word) == len(known) + len(filler)
                and filler in _FILLERS
            ):
                return split
    return None
