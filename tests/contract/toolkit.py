"""Starts the training toolkit's `train`, the entry point of SageMaker's PyTorch containers.

It is the real one, with two things put in its way first. Its module for PyTorch imports torch,
which takes seconds, to learn the version: here it meets a stand-in that knows nothing else (what it
starts imports the real torch). And where the hosts of a job are called algo-1, algo-2, ... and
nothing else listens on port 7777, there torchrun's meeting point is algo-1:7777; here all hosts are
this machine, which doesn't know these names, and several jobs share its ports.
"""

import os
import sys
import sysconfig
import types
from importlib.metadata import version

# The folder of `train` itself, as if that had been called: this one must not come into the job.
sys.path[0] = sysconfig.get_path("scripts")

torch = types.ModuleType("torch")
torch.__version__ = version("torch")  # type: ignore[attr-defined]
sys.modules["torch"] = torch

from sagemaker_pytorch_container import training  # type: ignore[import-untyped, unused-ignore] # noqa: E402
from sagemaker_training import environment, torch_distributed  # type: ignore[import-untyped, unused-ignore] # noqa: E402
from sagemaker_training.cli.train import main  # type: ignore[import-untyped, unused-ignore] # noqa: E402

environment.Environment.master_hostname = "127.0.0.1"
training.MASTER_PORT = torch_distributed.MASTER_PORT = os.environ.pop("EMULATED_MASTER_PORT")

main()
