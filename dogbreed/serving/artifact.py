"""A trained model as a folder, written whole or not at all and read only as it was written.

    model.json         classes, preprocessing, temperature, metrics, ...; the checksums of the rest
    model.safetensors  the weights
    openvino.xml/.bin  the network as OpenVINO runs it; int8.xml/.bin, model.onnx: by choice

Neither torch nor OpenVINO is imported to read the description.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dogbreed.data.photos import VERSIONS, Preprocessing
from dogbreed.errors import ArtifactError, ConfigError
from dogbreed.files import whole

SCHEMA_VERSION = 1
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"


@dataclass(frozen=True, kw_only=True)
class Description:
    """What model.json says.

    A logit's index is an index into `classes` (folder names) and `display_names`. The probabilities
    of `views` views of a photo are averaged, then calibrated by `temperature`; an answer below
    `threshold` (a probability) is "unknown". `forms` names the exported forms by their files, each
    with its measured agreement.
    """

    classes: tuple[str, ...]
    display_names: tuple[str, ...]
    backbone: Mapping[str, str]
    head: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    views: int = 1
    temperature: float = 1.0
    threshold: float = 0.0
    dtype: str = "float32"
    forms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    data_fingerprint: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """What identifies the model: two of the same identity give the same answers.

        It includes the checksums of the weights and of the exported forms.
        """
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def pixels(self) -> Preprocessing:
        """How a photo becomes the pixels that this model was trained on.

        Raises:
            ArtifactError: in a way that this version doesn't know.
        """
        wanted = {"version": VERSIONS[0], **self.preprocessing}
        try:
            known = Preprocessing(
                size_px=wanted["size_px"],
                crop_share=wanted["crop_share"],
                version=wanted["version"],
            )
        except (ConfigError, KeyError):
            known = None
        if known is None or known.version not in VERSIONS or known.describe() != wanted:
            raise ArtifactError(
                f"The model was trained with a preprocessing that this dogbreed doesn't have "
                f"({wanted}): use the version of dogbreed that wrote it."
            )
        return known


def write_artifact(folder: Path, write_files: Callable[[Path], Description]) -> Description:
    """Write a model to `folder`, replacing what was there; the description with its checksums.

    `write_files` puts weights and exported forms into the folder that it is given, and says what
    they are.

    Raises:
        ArtifactError: `folder` holds something else than a model.
    """
    folder = folder.resolve()  # what a link points at is replaced, not the link
    if folder.exists() and not (folder / DESCRIPTION).is_file() and not _is_empty(folder):
        raise ArtifactError(f"{folder} holds other things than a model: name a new folder.")
    with whole(folder) as beside:
        beside.mkdir()
        description = write_files(beside)
        sums = {path.name: _sha256(path) for path in sorted(beside.iterdir())}
        values = {
            "schema_version": SCHEMA_VERSION,
            **asdict(description),
            "sha256": sums,
        }
        values["own_sha256"] = _own_sum(values)
        (beside / DESCRIPTION).write_text(json.dumps(values, indent=1), "utf-8")
        replaced = folder.with_name(f"{beside.name}.old")
        if folder.exists():
            folder.rename(replaced)
    shutil.rmtree(replaced, ignore_errors=True)
    return read_description(folder)


def write_weights(path: Path, tensors: Mapping[str, Any]) -> None:
    """Torch tensors as a safetensors file."""
    from safetensors.torch import save

    # Through memory: safetensors' own writer has no word for a full disk.
    path.write_bytes(save({name: tensor.contiguous() for name, tensor in tensors.items()}))


def find_artifact(path: Path) -> Path:
    """The model's folder for a run's folder, the model's folder itself, or a file in it.

    Raises:
        ArtifactError: there is no model at `path`.
    """
    for folder in (path / "model", path, path.parent):
        with _reading(folder / DESCRIPTION) as description:
            if description.is_file():
                return folder
    raise ArtifactError(
        f"{path} holds no trained model (no {DESCRIPTION}): train one (python -m dogbreed.train), "
        "or give the folder of a run that finished."
    )


def read_description(folder: Path) -> Description:
    """What model.json says.

    Raises:
        ArtifactError: it is missing, damaged, edited or of a newer schema.
    """
    path = folder / DESCRIPTION
    try:
        with _reading(path):
            text = path.read_text("utf-8")
        values: dict[str, Any] = json.loads(text)
        version = int(values.pop("schema_version"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing: train again, or copy the whole folder.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path} is damaged: train again, or copy the folder anew.") from error
    if version > SCHEMA_VERSION:
        raise ArtifactError(
            f"{path} has schema version {version}, this dogbreed reads up to {SCHEMA_VERSION}: "
            "install a newer dogbreed."
        )
    own_sum = values.pop("own_sha256", None)
    if own_sum != _own_sum({"schema_version": version, **values}):
        raise ArtifactError(
            f"{path} was changed after it was written (its own checksum doesn't fit): copy the "
            "folder anew, or train again with what you wanted to change."
        )
    missing = {f.name for f in fields(Description)} - set(values)
    if missing:
        raise ArtifactError(f"{path} lacks {', '.join(sorted(missing))}: train again.")
    known = {f.name: values[f.name] for f in fields(Description)}
    known["classes"], known["display_names"] = (
        tuple(known["classes"]),
        tuple(known["display_names"]),
    )
    return Description(**known)


def checked_file(folder: Path, description: Description, name: str) -> Path:
    """The path of one of the artifact's files, once its checksum is right.

    Raises:
        ArtifactError: the file is missing or not the one that was written.
    """
    path = folder / name
    with _reading(path):
        if not path.is_file():
            raise ArtifactError(f"{path} is missing: train again, or copy the whole folder.")
        found = _sha256(path)
    if found != description.sha256.get(name):
        raise ArtifactError(f"{path} isn't the file that {DESCRIPTION} was written for: copy anew.")
    return path


def read_tensors(folder: Path, description: Description) -> dict[str, Any]:
    """The weights, as torch tensors, once their checksum is right.

    Raises:
        ArtifactError: the file is missing or not the one that was written.
    """
    from dogbreed.serving.tensors import read_safetensors

    return read_safetensors(checked_file(folder, description, WEIGHTS))


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


@contextmanager
def _reading(path: Path) -> Iterator[Path]:
    """Turn what the system says of a file that is there and can't be read into a sentence."""
    try:
        yield path
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ArtifactError(
            f"{path} can't be read ({error.strerror}): see to its owner and its mode, or give "
            "another folder."
        ) from error


def _own_sum(values: Mapping[str, Any]) -> str:
    """The checksum of the description itself, however it is laid out."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
