"""The files of a model's folder: their names, their largest sizes, how they are opened.

A model may come from anybody. Other files in its folder are never read, packed or fetched.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from dogbreed.errors import ArtifactError
from dogbreed.utils.files import NotRegularError, open_plain

DESCRIPTION, WEIGHTS = "model.json", "model.safetensors"
OPENVINO, INT8, ONNX = "openvino", "int8", "onnx"
# Each export format and its files.
FORMAT_FILES = {
    OPENVINO: (f"{OPENVINO}.xml", f"{OPENVINO}.bin"),
    INT8: (f"{INT8}.xml", f"{INT8}.bin"),
    ONNX: ("model.onnx",),
}
# The description of 100,000 classes takes about 10 MB.
MAX_DESCRIPTION_BYTES = 16 * 2**20
# OpenVINO's description of torchvision's deepest networks takes about 2 MB.
MAX_GRAPH_BYTES = 64 * 2**20
# torchvision's largest network has 645 million parameters: 2.6 GB as float32.
MAX_WEIGHTS_BYTES = 4 * 2**30

FILES = frozenset(
    {DESCRIPTION, WEIGHTS, *(name for names in FORMAT_FILES.values() for name in names)}
)


def files_of(formats: Iterable[str]) -> set[str]:
    """The names of the files, less the description's, of a model that is exported in `formats`."""
    return {WEIGHTS, *(name for each in formats for name in FORMAT_FILES[each])}


def max_bytes(name: str) -> int:
    """How large the file of that name may be."""
    if name == DESCRIPTION:
        return MAX_DESCRIPTION_BYTES
    return MAX_GRAPH_BYTES if name.endswith(".xml") else MAX_WEIGHTS_BYTES


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """One of the files, opened for reading.

    No symbolic link is followed, no pipe is waited for, and the size is within its limit.

    Raises:
        FileNotFoundError: it isn't there.
        ArtifactError: it can't be read, isn't a regular file, or is too large.
    """
    try:
        descriptor = open_plain(path, os.O_RDONLY)
    except FileNotFoundError:
        raise
    except NotRegularError as error:
        raise ArtifactError(
            f"{path} is a link, a folder or a device, and a model consists of regular files: copy "
            "the model's folder (cp -rL), or give another one."
        ) from error
    except OSError as error:
        raise ArtifactError(
            f"{path} can't be read ({error.strerror}): see to its owner and its mode, or give "
            "another folder."
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        if size > max_bytes(path.name):
            raise ArtifactError(
                f"{path} has {size:,} bytes, a model's file of that name has at most "
                f"{max_bytes(path.name):,}: it isn't one that dogbreed wrote; give another folder."
            )
        yield file
