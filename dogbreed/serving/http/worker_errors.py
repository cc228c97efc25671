"""Why a worker process can't be used, or a photo not by any."""

from dogbreed.errors import EngineError


class WorkerError(EngineError):
    """A worker that doesn't come up."""


class WorkerRefusal(WorkerError):
    """A worker that says why it can't be: the next one would say the same."""


class ModelUnreadable(WorkerRefusal):
    """A worker that can't read the model's folder: it is gone, or replaced in part."""


class ModelReplaced(WorkerError):
    """A worker that has loaded another model than the one that is served."""


class PoisonRequest(Exception):
    """A photo at which the worker dies when it has no other."""
