"""A trained model as a folder: model.safetensors and model.json, written whole or not at all."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dogbreed.errors import ArtifactError
from dogbreed.files import whole

SCHEMA_VERSION = 1
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"


def write_artifact(
    folder: Path, tensors: Mapping[str, Any], description: Mapping[str, Any]
) -> None:
    """Write `tensors` (torch) and `description` (JSON) to `folder`, replacing what was there."""
    from safetensors.torch import save

    # Through memory: safetensors' own writer has no word for a full disk.
    weights = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    whole_description = {
        "schema_version": SCHEMA_VERSION,
        **description,
        "sha256": {WEIGHTS: hashlib.sha256(weights).hexdigest()},
    }
    text = json.dumps(whole_description, indent=1)
    with whole(folder) as beside:
        beside.mkdir()
        (beside / WEIGHTS).write_bytes(weights)
        (beside / DESCRIPTION).write_text(text, "utf-8")
        if folder.exists():
            shutil.rmtree(folder)


def find_artifact(path: Path) -> Path:
    """The model's folder for a run's folder, the model's folder itself, or a file in it.

    Raises:
        ArtifactError: there is no model at `path`.
    """
    for folder in (path / "model", path, path.parent):
        if (folder / DESCRIPTION).is_file():
            return folder
    raise ArtifactError(
        f"{path} holds no trained model (no {DESCRIPTION}): give a run's folder, as outputs/latest."
    )


def read_description(folder: Path) -> dict[str, Any]:
    """What model.json says.

    Raises:
        ArtifactError: it is missing, damaged or of a newer schema.
    """
    path = folder / DESCRIPTION
    try:
        description: dict[str, Any] = json.loads(path.read_text("utf-8"))
        version = int(description["schema_version"])
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing: train again, or copy the whole folder.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is damaged: train again, or copy the folder anew.") from error
    if version > SCHEMA_VERSION:
        raise ArtifactError(
            f"{path} has schema version {version}, this dogbreed reads up to {SCHEMA_VERSION}: "
            "install a newer dogbreed."
        )
    return description


def read_tensors(folder: Path, description: Mapping[str, Any]) -> dict[str, Any]:
    """The weights, as torch tensors, once their checksum is right.

    Raises:
        ArtifactError: the file is missing or not the one that was written.
    """
    from safetensors.torch import load_file

    path = folder / WEIGHTS
    if not path.is_file():
        raise ArtifactError(f"{path} is missing: train again, or copy the whole folder.")
    if _sha256(path) != description.get("sha256", {}).get(WEIGHTS):
        raise ArtifactError(f"{path} isn't the file that {DESCRIPTION} was written for: copy anew.")
    tensors: dict[str, Any] = load_file(path)
    return tensors


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
