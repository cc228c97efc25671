"""A trained model as a folder: an atomic write; it is read only if it is as it was written.

    model.json         classes, preprocessing, temperature, metrics, ...; the checksums of the rest
    model.safetensors  the weights
    openvino.xml/.bin  the network as OpenVINO runs it; int8.xml/.bin, model.onnx: optional

Neither torch nor OpenVINO is imported to read the description.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dogbreed.artifact.description import Description
from dogbreed.artifact.description_schema import parse_description
from dogbreed.artifact.file_names import DESCRIPTION, WEIGHTS, opened
from dogbreed.errors import ArtifactError
from dogbreed.run_records.best import choose_run
from dogbreed.utils.documents import DocumentError, json_object
from dogbreed.utils.files import atomic_write

SCHEMA_VERSION = 1


def write_artifact(folder: Path, write_files: Callable[[Path], Description]) -> Description:
    """Write a model to `folder`, replacing what was there; the description with its checksums.

    `write_files` writes weights and export formats into the folder that it is given, and returns
    their description.

    Raises:
        ArtifactError: `folder` holds something else than a model; the description, or a file
            beside it, couldn't be read again.
    """
    folder = folder.resolve()  # the target of a link is replaced, not the link
    if folder.exists() and not (folder / DESCRIPTION).is_file() and not _is_empty(folder):
        raise ArtifactError(f"{folder} holds other things than a model: name a new folder.")
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        description = write_files(temporary)
        sums = {path.name: _sha256(path) for path in sorted(temporary.iterdir())}
        values = {
            "schema_version": SCHEMA_VERSION,
            **asdict(description),
            "sha256": sums,
        }
        values["own_sha256"] = _own_sum(values)
        (temporary / DESCRIPTION).write_text(json.dumps(values, indent=1), "utf-8")
        read_description(temporary)
        replaced = folder.with_name(f"{temporary.name}.old")
        if folder.exists():
            folder.rename(replaced)
    shutil.rmtree(replaced, ignore_errors=True)
    return read_description(folder)


def write_weights(path: Path, tensors: Mapping[str, Any]) -> None:
    """Torch tensors as a safetensors file."""
    from safetensors.torch import save

    # Through memory: safetensors' own writer doesn't report a full disk as an OSError.
    path.write_bytes(save({name: tensor.contiguous() for name, tensor in tensors.items()}))


def find_artifact(path: Path) -> Path:
    """The model's folder for a run's folder, the model's folder itself, or a file in it.

    `latest` and `best` are runs in outputs/, as `choose_run` finds them.

    Raises:
        ArtifactError: there is no model at `path`.
    """
    path = choose_run(path).folder
    for folder in (path / "model", path, path.parent):
        try:
            if (folder / DESCRIPTION).is_file():
                return folder
        except OSError as error:
            raise ArtifactError(
                f"{folder} can't be read ({error.strerror}): see to its owner and its mode, or "
                "give another folder."
            ) from error
    raise ArtifactError(
        f"{path} holds no trained model (no {DESCRIPTION}): train one (python -m dogbreed.train), "
        "or give the folder of a run that finished."
    )


def read_description(folder: Path) -> Description:
    """The content of model.json.

    Raises:
        ArtifactError: it is missing, damaged, edited, of a newer schema, or has a key that is
            outside its bounds.
    """
    path = folder / DESCRIPTION
    try:
        with opened(path) as file:
            values = json_object(file.read())
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{path} is missing: train again, or copy the complete folder."
        ) from error
    except DocumentError as error:
        raise ArtifactError(
            f"{path} is damaged (it {error}): train again, or copy the folder again."
        ) from error
    _check_version(path, values.get("schema_version"))
    own_sum = values.pop("own_sha256", None)
    if own_sum != _own_sum(values):
        raise ArtifactError(
            f"{path} was changed after it was written (its own checksum doesn't fit): copy the "
            "folder again, or train again with what you wanted to change."
        )
    del values["schema_version"]
    try:
        return parse_description(values)
    except ValueError as error:
        raise ArtifactError(
            f"{path}: {error}: this isn't a model that dogbreed wrote: train again, or copy the "
            "folder again."
        ) from error


def _check_version(path: Path, version: Any) -> None:
    if type(version) is not int or version < 1:
        raise ArtifactError(
            f"{path} is damaged (schema_version must be an integer of at least 1): train again, or "
            "copy the folder again."
        )
    if version > SCHEMA_VERSION:
        raise ArtifactError(
            f"{path} has schema version {version}, this dogbreed reads up to {SCHEMA_VERSION}: "
            "install a newer dogbreed."
        )


def checked_file(folder: Path, description: Description, name: str) -> Path:
    """The path of one of the artifact's files, once its checksum is right.

    Raises:
        ArtifactError: the file is missing, isn't a regular file, or isn't the one that was written.
    """
    path = folder / name
    try:
        with opened(path) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{path} is missing: train again, or copy the complete folder."
        ) from error
    if found != description.sha256.get(name):
        raise ArtifactError(
            f"{path} isn't the file that {DESCRIPTION} was written for: copy the folder again."
        )
    return path


def read_tensors(folder: Path, description: Description) -> dict[str, Any]:
    """The weights, as torch tensors, once their checksum is right.

    Raises:
        ArtifactError: the file is missing or not the one that was written.
    """
    from dogbreed.artifact.tensors import read_safetensors

    return read_safetensors(checked_file(folder, description, WEIGHTS))


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _own_sum(values: Mapping[str, Any]) -> str:
    """The checksum of the description itself, whatever its whitespace."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
