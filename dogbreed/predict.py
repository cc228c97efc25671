"""`python -m dogbreed.predict photo.jpg`: classify photos: files, folders, URLs, `-`."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from dogbreed.configuration.commands import BY_NAME, typed
from dogbreed.configuration.composing import compose_as, override_name
from dogbreed.configuration.help import print_requested_help
from dogbreed.configuration.run import PredictConfig
from dogbreed.configuration.schema import keys
from dogbreed.errors import ConfigError
from dogbreed.serving.offline.sources import STDIN, is_there
from dogbreed.serving.web.urls import is_url
from dogbreed.utils.command import run_command


def main(arguments: Sequence[str]) -> None:
    """Classify the photos among `arguments`, or print the help; exits 1 if any photo is bad."""
    if print_requested_help("predict", arguments):
        return
    options, photos = split_arguments(arguments)
    config = compose_as(PredictConfig, "predict", options)
    if not photos:
        raise no_photo("predict")
    # Half a second of imports that --help and a mistyped key shouldn't wait for.
    from dogbreed.serving.offline.predictions import predict

    if not predict(config, photos):
        sys.exit(1)


def no_photo(name: str) -> ConfigError:
    """The error of a command whose arguments have no photo."""
    return ConfigError(
        f"No photo is given: write {typed(name)} {BY_NAME[name].example} (or a folder, a URL, "
        "- for stdin)."
    )


def split_arguments(
    arguments: Sequence[str], schema: type[Any] = PredictConfig
) -> tuple[list[str], list[str]]:
    """The options, KEY=VALUE, and the photos, in whatever order they were typed.

    A photo may be called a=b.jpg: it is one if there is no key `a` and a file of that name, or if
    what is before the = cannot be a key (example.org/photo.jpg?size=3).
    """
    known = {name for name, _, _ in keys(schema)}
    options: list[str] = []
    photos: list[str] = []
    for argument in arguments:
        name = override_name(argument)
        option = "=" in argument and (name in known or not ("/" in name or is_there(argument)))
        if argument == STDIN or is_url(argument):
            photos.append(argument)
        elif option or argument.startswith("-"):
            options.append(argument)
        else:
            photos.append(_expanded(argument))
    return options, photos


def _expanded(photo: str) -> str:
    """The path with ~ at its start replaced by the home folder, unless a file has that name."""
    return photo if is_there(photo) else os.path.expanduser(photo)  # noqa: PTH111 (never raises)


if __name__ == "__main__":
    run_command(main)
