"""`query`: photos classified by an endpoint."""

import sys
from collections.abc import Sequence

from dogbreed.cloud.aws.extra import require_aws
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.deploy import QueryConfig
from dogbreed.configuration.help import print_requested_help
from dogbreed.predict import no_photo, split_arguments


def main(arguments: Sequence[str]) -> None:
    """Classify the photos among `arguments`, or print the help; exits 1 if any photo is bad."""
    if print_requested_help("query", arguments):
        return
    options, photos = split_arguments(arguments, QueryConfig)
    config = compose_as(QueryConfig, "query", options)
    if not photos and not config.logs:
        raise no_photo("query")
    require_aws()
    from dogbreed.cloud.endpoints.query import query

    if not query(config, photos):
        sys.exit(1)
