"""What dependencies would do unasked: report to their makers, and write into the home folder."""

import os
import sys
from pathlib import Path

from dogbreed.utils.user_paths import NO_HOME, optional_cache_dir

# ONNX Runtime's is read once, when it is imported (its Privacy.md, 1.31).
NO_REPORTS = {"ORT_DISABLE_TELEMETRY": "1", "NNCF_CI": "1"}


def restrain_dependencies() -> None:
    """Keep the dependencies of this process, and of those it starts, to what they are called for.

    `import dogbreed` calls it, so that no dependency can be imported before it. What the user has
    set is left as it is.
    """
    for name, value in NO_REPORTS.items():
        os.environ.setdefault(name, value)
    # `import openvino` writes an id below the home folder and reports to its maker. Where this
    # package can't be imported, OpenVINO and NNCF use their own stubs instead (OpenVINO 2026.4).
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    _have_a_home()
    _move_matplotlib()


def _have_a_home() -> None:
    """Some packages can't be imported without one: NNCF, and platformdirs for SageMaker's SDK."""
    try:
        Path.home()
    except RuntimeError:  # no HOME, and a user without an entry: usual in containers
        os.environ["HOME"] = NO_HOME


def _move_matplotlib() -> None:
    """Have Matplotlib, which torchmetrics imports where it is installed, use our cache.

    Importing it makes two folders below the home folder. Who has one already keeps it.
    """
    settings = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    if os.path.isdir(Path(settings, "matplotlib")):  # noqa: PTH112 (no error for a closed home)
        return
    folder = optional_cache_dir("matplotlib")
    if folder is not None:  # else it takes a temporary one
        os.environ.setdefault("MPLCONFIGDIR", str(folder))
