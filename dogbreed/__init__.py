"""From folders of photographs to a trained classifier. Public names are imported on first use."""

import importlib
from typing import TYPE_CHECKING, Any

from dogbreed.utils.environment import restrain_dependencies
from dogbreed.utils.version import __version__

if TYPE_CHECKING:
    from dogbreed.data_module import BreedDataModule
    from dogbreed.debug.debugger import Debugger
    from dogbreed.debug.profiling.time_profiler import TimeProfiler
    from dogbreed.debug.recording.records import read_recording
    from dogbreed.errors import DogbreedError
    from dogbreed.feature_arrays import load_features
    from dogbreed.fitting import fit
    from dogbreed.model import BreedClassifier, load_classifier
    from dogbreed.run import Run
    from dogbreed.serving.predictor import Predictor, load

restrain_dependencies()

_HOMES = {
    "BreedClassifier": "dogbreed.model",
    "BreedDataModule": "dogbreed.data_module",
    "Debugger": "dogbreed.debug.debugger",
    "DogbreedError": "dogbreed.errors",
    "Predictor": "dogbreed.serving.predictor",
    "Run": "dogbreed.run",
    "TimeProfiler": "dogbreed.debug.profiling.time_profiler",
    "fit": "dogbreed.fitting",
    "load": "dogbreed.serving.predictor",
    "load_classifier": "dogbreed.model",
    "load_features": "dogbreed.feature_arrays",
    "read_recording": "dogbreed.debug.recording.records",
}

__all__ = [
    "BreedClassifier",
    "BreedDataModule",
    "Debugger",
    "DogbreedError",
    "Predictor",
    "Run",
    "TimeProfiler",
    "__version__",
    "fit",
    "load",
    "load_classifier",
    "load_features",
    "read_recording",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dogbreed' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
