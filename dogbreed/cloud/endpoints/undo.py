"""Delete what an unfinished deployment created, the latest first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from dogbreed.cloud.aws.errors import is_missing, is_unknown
from dogbreed.errors import CloudError, DogbreedError, Stopped
from dogbreed.training.run_folder import log


class UndoSteps:
    """The steps that undo a deployment, in the order in which it was made."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []

    def add(self, undo: Callable[[], object]) -> None:
        """Register a step, which may find nothing to undo."""
        self._steps.append(undo)

    @contextmanager
    def creating(self, undo: Callable[[], object]) -> Iterator[None]:
        """Register `undo` for what the block creates, unless AWS refuses to create it.

        The step is registered first: a signal may end the block when the request has been carried
        out, and before its response arrives.
        """
        self._steps.append(undo)
        try:
            yield
        except DogbreedError as error:
            if not (isinstance(error, Stopped) or is_unknown(error.__cause__)):
                self._steps.pop()
            raise

    def run(self) -> bool:
        """Undo everything; return whether that succeeded. A failure is logged as a warning."""
        complete = True
        while self._steps:
            try:
                self._steps.pop()()
            except (ClientError, BotoCoreError, CloudError) as error:
                cause = error.__cause__ if isinstance(error, CloudError) else error
                if isinstance(cause, ClientError) and is_missing(cause):
                    continue  # deleted already, or never created
                complete = False
                log.warning("warning: couldn't be undone: %s", " ".join(str(error).split()))
        return complete
