"""What launch/deploy.py sets in a container that serves, as environment variables."""

import os

from dogbreed.runtime.runner import AUTO, CUDA

# 1 on an instance type with a GPU. Whether there is one can't be found out where Ray reads the
# deployment: it hides GPUs from processes that request none.
GPU_VARIABLE = "DOGBREED_GPU"


def container_gpus() -> int:
    """How many GPUs the model computes on: one replica on one of them."""
    return 1 if os.environ.get(GPU_VARIABLE) == "1" else 0


def container_engine() -> str:
    """The engine of `Predictor.load`. OpenVINO, the default's first choice, uses no NVIDIA GPU."""
    return CUDA if container_gpus() else AUTO
