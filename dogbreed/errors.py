"""The error tree: every mistake a user can make ends in one of these.

    DogbreedError
    ├── ConfigError      a key or a value of the configuration, an argument (a ValueError too)
    ├── DataError        folders of photographs, splits, class names
    │   ├── PhotoError   one photograph that can't be used
    │   └── DownloadError  a public data set that can't be fetched
    ├── WeightsError     pretrained weights: missing, damaged, of another network
    ├── EngineError      the runner of the frozen backbone
    ├── StoreError       the feature store on disk
    ├── TrainingError    a training that comes to nothing
    │   └── StoppedByRule  one that a rule of the debugger ended
    ├── RecordingError   the recording of a training
    ├── SearchError      a search for hyperparameters that comes to nothing
    ├── CloudError       what AWS refuses, or can't do
    ├── ArtifactError    a trained model's folder
    ├── OutputError      a folder that results can't be written to
    └── Stopped          not a mistake: a signal ended the work after it was saved

Each message says what is wrong, where (file or key), and what to do next. The command line prints
the message alone and exits with `exit_code`; from Python the exception is raised as it is.
"""

from dogbreed.utils.printable import printable


class DogbreedError(Exception):
    """Base of every error that this package raises on purpose.

    Args:
        lines: of the message, one as a rule. What it names (files, classes, what a service says)
            is made printable here, so that it can't add a line or command a terminal.
    """

    exit_code = 1

    def __init__(self, *lines: str) -> None:
        super().__init__(*map(printable, lines))

    def __str__(self) -> str:
        return "\n".join(self.args)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: the message alone, as on the command line."""
        return f"{type(self).__name__}: {self}".split("\n")


class ConfigError(DogbreedError, ValueError):
    """A key or an argument that doesn't exist, or a value outside its type, range or choices.

    It is a ValueError too: what Python's own functions raise for such an argument.
    """

    exit_code = 2


class DataError(DogbreedError):
    """Folders that can't be read as classes of photographs."""


class PhotoError(DataError):
    """One photograph that can't be used.

    `reason` is the kind of fault as a short machine-readable word (`empty`, `truncated`, ...), the
    message is the sentence for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class DownloadError(DataError):
    """A public data set that can't be fetched, or that arrived damaged."""


class WeightsError(DogbreedError):
    """Pretrained weights that are missing, damaged, or don't fit the network."""


class EngineError(DogbreedError):
    """A runner of the frozen backbone that isn't there or gives wrong numbers."""


class StoreError(DogbreedError):
    """A feature cache that can't be written or doesn't contain what was requested."""


class TrainingError(DogbreedError):
    """A training that comes to nothing, such as a loss that isn't finite."""


class StoppedByRule(TrainingError):
    """A training that a rule of the debugger ended; the best weights so far are saved."""


class RecordingError(DogbreedError):
    """A recording that isn't there, or none of this package's."""


class SearchError(DogbreedError):
    """A search that comes to nothing, or whose files are damaged."""


class CloudError(DogbreedError):
    """What AWS refuses or can't do: credentials, rights, quotas, jobs that failed."""


class ArtifactError(DogbreedError):
    """A trained model's folder that is missing, incomplete, or changed since it was written."""


class OutputError(DogbreedError):
    """A place that results can't be written to."""


class Stopped(DogbreedError):
    """Not a mistake: a signal (Ctrl-C, SIGTERM) ended the work after it was saved."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        # What shells give for a process that a signal ended.
        self.exit_code = 128 + signal_number
