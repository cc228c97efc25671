"""Photos classified: `python -m dogbreed.predict photo.jpg`, or a folder, a URL, `-`."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from dogbreed.configuration import composing as cli
from dogbreed.configuration.run import PredictConfig
from dogbreed.configuration.schema import keys
from dogbreed.errors import ConfigError
from dogbreed.serving.offline.sources import STDIN, is_there
from dogbreed.serving.offline.urls import is_url
from dogbreed.utils.command import run_command

PURPOSE = (
    "Classify photos with a trained model. PHOTO is a file, a folder (with its subfolders: the\n"
    "predictions go into a file, and the same command resumes after a stop), a URL, or - for the\n"
    "standard input. Exit code 0: every photo was classified; 1: some couldn't be."
)
USAGE = "python -m dogbreed.predict [KEY=VALUE ...] PHOTO ..."
EXAMPLE = "python -m dogbreed.predict model=outputs/latest photo.jpg"


def main(arguments: Sequence[str]) -> None:
    """Classify the photos among `arguments`, or print the help; exits 1 if any is bad."""
    if {"-h", "--help"} & set(arguments):
        cli.print_help(USAGE, PURPOSE, EXAMPLE, PredictConfig, "predict")
        return
    options, given = split_arguments(arguments)
    config = cli.compose_as(PredictConfig, "predict", options)
    if not given:
        raise ConfigError(f"No photo is given: write {EXAMPLE} (or a folder, a URL, - for stdin).")
    # Imported late, so that --help and a mistyped key don't wait half a second for it.
    from dogbreed.serving.offline.predictions import predict

    if not predict(config, given):
        sys.exit(1)


def split_arguments(
    arguments: Sequence[str], schema: type[Any] = PredictConfig
) -> tuple[list[str], list[str]]:
    """The options, KEY=VALUE, and the photos, in whatever order they were typed.

    A photo may be called a=b.jpg: it is one if there is no key `a` and a file of that name, or if
    what is before the = is none of a key's (example.org/photo.jpg?size=3).
    """
    known = {name for name, _, _ in keys(schema)}
    options: list[str] = []
    given: list[str] = []
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        option = equals and (name in known or not ("/" in name or is_there(argument)))
        if argument == STDIN or is_url(argument):
            given.append(argument)
        elif option or argument.startswith("-"):
            options.append(argument)
        else:
            given.append(_expanded(argument))
    return options, given


def _expanded(photo: str) -> str:
    """The path with ~ at its start replaced by the home folder, unless a file is called so."""
    return photo if is_there(photo) else os.path.expanduser(photo)  # noqa: PTH111 (never raises)


if __name__ == "__main__":
    run_command(main)
