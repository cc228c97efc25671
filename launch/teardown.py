"""`python launch/teardown.py`: what this project made in the account, listed and deleted."""

import sys
from collections.abc import Sequence

from dogbreed.configuration import composing as cli
from dogbreed.configuration.deploy import TeardownConfig
from dogbreed.utils.command import run_command

PURPOSE = (
    "List what this project made in the AWS account and still is there, by its tag; delete it if\n"
    "endpoint=NAME or all=true says so, and look again. Exit code 1: something is left."
)
USAGE = "python launch/teardown.py [endpoint=NAME | all=true] [KEY=VALUE ...]"
EXAMPLE = "python launch/teardown.py endpoint=photos"


def main(arguments: Sequence[str]) -> None:
    """List, or delete what `arguments` choose, or print the help; exits 1 if something is left."""
    if {"-h", "--help"} & set(arguments):
        cli.print_help(USAGE, PURPOSE, EXAMPLE, TeardownConfig, "teardown")
        return
    config = cli.compose_as(TeardownConfig, "teardown", arguments)
    from dogbreed.cloud.endpoints.teardown import tear_down

    if not tear_down(config):
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
