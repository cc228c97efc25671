"""A trained model as the model.tar.gz that serves it, in AWS's TorchServe and Ray Serve containers.

model.json, model.safetensors, openvino.xml/.bin, ...   the artifact's files
deployment.py, config.yaml                              what Ray Serve starts
code/inference.py                                       what TorchServe calls
code/requirements.txt                                   what both install first
code/dogbreed/                                          the modules that answer
"""

import gzip
import tarfile
from collections.abc import Iterator
from pathlib import Path

from dogbreed.artifact.file_names import DESCRIPTION
from dogbreed.artifact.folder import checked_file, find_artifact, read_description
from dogbreed.errors import ArtifactError
from dogbreed.utils.files import whole

CODE = "code"
REQUIREMENTS = "requirements.txt"
# Where each adapter lies in the archive.
_ADAPTERS = {
    "config.yaml": "config.yaml",
    "deployment.py": "deployment.py",
    f"{CODE}/inference.py": "inference.py",
    f"{CODE}/{REQUIREMENTS}": REQUIREMENTS,
}
# What the predictor needs, and the network in torch, which computes where OpenVINO can't be
# installed and explains everywhere. A test holds that these import nothing beyond themselves.
_MODULES = (
    "__init__.py",
    "config.py",
    "csv_cells.py",
    "environment.py",
    "errors.py",
    "files.py",
    "machine.py",
    "network.py",
    "os_errors.py",
    "printable.py",
    "schema.py",
    "user_paths.py",
    "backbone/__init__.py",
    "backbone/architecture.py",
    "backbone/weights.py",
    "data/__init__.py",
    "data/camera_raw.py",
    "data/colour.py",
    "data/decoding_pool.py",
    "data/decoding_process.py",
    "data/depth.py",
    "data/formats.py",
    "data/heif.py",
    "data/icc.py",
    "data/jpeg_end.py",
    "data/libtiff.py",
    "data/links.py",
    "data/loading.py",
    "data/photo_memory.py",
    "data/photos.py",
    "data/png_chunks.py",
    "data/structure/__init__.py",
    "data/structure/base.py",
    "data/structure/bmp.py",
    "data/structure/check.py",
    "data/structure/coded.py",
    "data/structure/exif.py",
    "data/structure/gif.py",
    "data/structure/ifd.py",
    "data/structure/iso.py",
    "data/structure/iso_boxes.py",
    "data/structure/iso_items.py",
    "data/structure/jpeg.py",
    "data/structure/png.py",
    "data/structure/riff.py",
    "data/structure/tiff.py",
    "debug/__init__.py",
    "debug/config.py",
    "serving/__init__.py",
    "serving/artifact.py",
    "serving/artifact_files.py",
    "serving/base64_text.py",
    "serving/bodies.py",
    "serving/cam.py",
    "serving/compressed.py",
    "serving/description.py",
    "serving/description_schema.py",
    "serving/explain.py",
    "serving/forms.py",
    "serving/grad_cam.py",
    "serving/invocations.py",
    "serving/memory_budget.py",
    "serving/multipart.py",
    "serving/prediction.py",
    "serving/predictor.py",
    "serving/request_errors.py",
    "serving/room.py",
    "serving/strict_json.py",
    "serving/tensors.py",
)

# What the TorchServe container is to be told, as environment variables of the model: one worker,
# as OpenVINO computes on all cores at once, and requests as large as we take (its own limit is
# 6.5 MB).
TORCHSERVE_ENVIRONMENT = {
    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    "TS_MAX_REQUEST_SIZE": str(26 * 2**20),
    "TS_MAX_RESPONSE_SIZE": str(26 * 2**20),
}
# And the Ray Serve container: else Ray reports its usage to its maker.
RAY_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0"}

# Weights hardly get smaller, whatever time they are given.
_LEVEL = 1


def pack_model(folder: Path, target: Path, *, install: bool = True) -> None:
    """Write the model of a run's or a model's folder to `target`, whole or not at all.

    The same model gives the same bytes. With `install` false the container installs nothing and
    its own torch computes, as it must where it has no network: both containers end at once when
    something can't be installed.

    Raises:
        ArtifactError: there is no model, one of its files is missing or changed, or this dogbreed
            was installed without its adapters.
        OSError: `target` can't be written.
    """
    members = dict(_members(find_artifact(folder), install=install))
    with (
        whole(target) as beside,
        beside.open("wb") as file,
        # Neither the archive nor its members say when, where or by whom they were made.
        gzip.GzipFile("", "wb", compresslevel=_LEVEL, fileobj=file, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tape,
    ):
        for name, path in sorted(members.items()):
            member = tarfile.TarInfo(name)
            member.size = path.stat().st_size
            with path.open("rb") as content:
                tape.addfile(member, content)


def adapters_dir() -> Path:
    """The folder of the adapters: inside the installed package, or at the checkout's top."""
    package = _package()
    inside = package / "inference"
    return inside if inside.is_dir() else package.parent / "inference"


def _members(folder: Path, *, install: bool) -> Iterator[tuple[str, Path]]:
    """Each file's name in the archive, and where it is."""
    description = read_description(folder)
    yield DESCRIPTION, folder / DESCRIPTION
    for name in description.sha256:
        yield name, checked_file(folder, description, name)
    adapters = adapters_dir()
    for name, source in _ADAPTERS.items():
        if not (adapters / source).is_file():
            raise ArtifactError(
                f"{adapters / source} is missing: install dogbreed anew, or pack in a checkout."
            )
        if install or source != REQUIREMENTS:
            yield name, adapters / source
    for module in _MODULES:
        yield f"{CODE}/dogbreed/{module}", _package() / module


def _package() -> Path:
    return Path(__file__).parents[1]
