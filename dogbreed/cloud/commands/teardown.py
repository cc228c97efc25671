"""`teardown`: what this project made in the AWS account, listed and deleted."""

import sys
from collections.abc import Sequence

from dogbreed.cloud.aws.extra import require_aws
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.deploy import TeardownConfig
from dogbreed.configuration.help import print_requested_help


def main(arguments: Sequence[str]) -> None:
    """List, or delete what `arguments` choose, or print the help; exits 1 if anything is left."""
    if print_requested_help("teardown", arguments):
        return
    config = compose_as(TeardownConfig, "teardown", arguments)
    require_aws()
    from dogbreed.cloud.endpoints.teardown import tear_down

    if not tear_down(config):
        sys.exit(1)
