"""Errors of worker processes."""

from dogbreed.errors import EngineError


class WorkerError(EngineError):
    """A worker process can't be started."""


class WorkerRefusal(WorkerError):
    """A worker process reports why it can't start: another one would report the same."""


class ModelUnreadable(WorkerRefusal):
    """A worker process can't read the model's folder: it was removed, or partly replaced."""


class ModelReplaced(WorkerError):
    """A worker process has loaded another model than the one that is served."""


class PoisonRequest(Exception):
    """A photo that crashes the worker process, as the only one that it has."""
