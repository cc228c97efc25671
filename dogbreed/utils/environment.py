"""Keeps dependencies from sending telemetry and from writing into the home folder."""

import os
import sys
from pathlib import Path

from dogbreed.utils.user_paths import NO_HOME, optional_cache_dir

# ONNX Runtime and MLflow, which SageMaker's SDK imports, read theirs once, when they are imported
# (ONNX Runtime's Privacy.md, 1.31); that of wandb is for reports of its own errors.
NO_REPORTS = {
    "ORT_DISABLE_TELEMETRY": "1",
    "NNCF_CI": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
}


def restrain_dependencies() -> None:
    """Turn off telemetry and home-folder writes, in this process and those it starts.

    `import dogbreed` calls it, so that no dependency is imported before. Variables that the user
    has set stay unchanged.
    """
    for name, value in NO_REPORTS.items():
        os.environ.setdefault(name, value)
    # `import openvino` writes an id below the home folder and sends telemetry. Where this package
    # can't be imported, OpenVINO and NNCF use their own stubs instead (OpenVINO 2026.4).
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    _ensure_home()
    _move_matplotlib()


def _ensure_home() -> None:
    """Set HOME where it is missing: NNCF and platformdirs (SageMaker's SDK) need it to import."""
    try:
        Path.home()
    except RuntimeError:  # no HOME, and a user without a passwd entry: common in containers
        os.environ["HOME"] = NO_HOME


def _move_matplotlib() -> None:
    """Move Matplotlib's cache into ours; torchmetrics imports it where it is installed.

    Its import creates two folders below the home folder. An existing one stays in use.
    """
    settings = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    if os.path.isdir(Path(settings, "matplotlib")):  # noqa: PTH112 (no error for a closed home)
        return
    folder = optional_cache_dir("matplotlib")
    if folder is not None:  # else Matplotlib uses a temporary one
        os.environ.setdefault("MPLCONFIGDIR", str(folder))
