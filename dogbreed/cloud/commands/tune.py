"""`tune`: a search for hyperparameters, on this machine or on SageMaker."""

from collections.abc import Sequence

from dogbreed.cloud.aws.extra import require_aws
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.help import print_requested_help
from dogbreed.configuration.search import LOCAL, TuneConfig
from dogbreed.search.runner_limits import check_local, check_local_search


def main(arguments: Sequence[str]) -> None:
    """Compose the search from `arguments` and run it, or print the help."""
    if print_requested_help("tune", arguments):
        return
    config = compose_as(TuneConfig, "tune", arguments)
    # Imports that --help and a mistyped key shouldn't wait for; seconds of them after the paths.
    from dogbreed.training.path_check import check_paths, check_sent_paths

    if config.launcher.name == LOCAL:
        check_local(config)
        space = check_local_search(config)
        check_paths(config)
        from dogbreed.search.local.search import run_local_search

        run_local_search(config, space)
    else:
        if config.attach is None:
            check_sent_paths(config)
        require_aws()
        from dogbreed.cloud.jobs.search import Search

        Search.from_config(config).run()
