"""`python launch/query.py photo.jpg`: classify photos with an endpoint."""

import sys
from collections.abc import Sequence

from dogbreed.configuration import composing as cli
from dogbreed.configuration.deploy import QueryConfig
from dogbreed.errors import ConfigError
from dogbreed.predict import split_arguments
from dogbreed.utils.command import run_command

PURPOSE = (
    "Classify photos with an endpoint, the newest of this project's by default. PHOTO is a file,\n"
    "a folder, a URL (fetched by this machine), or - for the standard input. Exit code 0: every\n"
    "photo was classified; 1: some couldn't be."
)
USAGE = "python launch/query.py [KEY=VALUE ...] PHOTO ..."
EXAMPLE = "python launch/query.py endpoint=photos photo.jpg"


def main(arguments: Sequence[str]) -> None:
    """Classify the photos among `arguments`, or print the help; exits 1 if any is bad."""
    if {"-h", "--help"} & set(arguments):
        cli.print_help(USAGE, PURPOSE, EXAMPLE, QueryConfig, "query")
        return
    options, given = split_arguments(arguments, QueryConfig)
    config = cli.compose_as(QueryConfig, "query", options)
    if not given and not config.logs:
        raise ConfigError(f"No photo is given: write {EXAMPLE} (or a folder, a URL, - for stdin).")
    from dogbreed.cloud.endpoints.query import query

    if not query(config, given):
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
