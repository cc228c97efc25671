"""Models as an attacker writes them: everything may be wrong but the checksums."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Values = dict[str, Any]


def sealed(values: Mapping[str, Any]) -> str:
    """The text of a model.json whose own checksum is right."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return json.dumps({**values, "own_sha256": hashlib.sha256(text.encode()).hexdigest()})


def values_of(model: Path) -> Values:
    """What a model.json says, without its own checksum."""
    values: Values = json.loads((model / "model.json").read_text("utf-8"))
    del values["own_sha256"]
    return values


def copy_of(model: Path, folder: Path, change: Callable[[Values], object] | None = None) -> Path:
    """A copy of a model's folder with changed values; the other files are the same ones."""
    shutil.copytree(model, folder, copy_function=os.link)
    rewrite(folder, change or (lambda values: None))
    return folder


def rewrite(model: Path, change: Callable[[Values], object]) -> None:
    """Change what model.json says."""
    values = values_of(model)
    change(values)
    (model / "model.json").unlink()
    (model / "model.json").write_text(sealed(values), "utf-8")


def replace_file(model: Path, name: str, data: bytes) -> None:
    """Put other content into a file, and its checksum into model.json."""
    (model / name).unlink()
    (model / name).write_bytes(data)
    sums = {"sha256": {**values_of(model)["sha256"], name: hashlib.sha256(data).hexdigest()}}
    rewrite(model, lambda values: values.update(sums))
