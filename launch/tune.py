"""`python launch/tune.py +experiment=hpo`: a search for hyperparameters, here or on SageMaker."""

from collections.abc import Sequence

from dogbreed.configuration import composing as cli
from dogbreed.configuration.search import LOCAL, TuneConfig
from dogbreed.search.runner_limits import check_local, check_local_search
from dogbreed.utils.command import run_command

PURPOSE = (
    "Search for the best hyperparameters: on SageMaker, or on this machine with launcher=local.\n"
    "Shows the trials and keeps the best, which launch/train.py trains on all photos."
)
USAGE = "python launch/tune.py [+experiment=NAME] [GROUP=CHOICE ...] [KEY=VALUE ...]"
EXAMPLE = "python launch/tune.py +experiment=hpo launcher=local data.root=PHOTOS search.trials=20"


def main(arguments: Sequence[str]) -> None:
    """Compose the search from `arguments` and run it, or print the help."""
    if {"-h", "--help"} & set(arguments):
        cli.print_help(USAGE, PURPOSE, EXAMPLE, TuneConfig, "tune")
        return
    config = cli.compose_as(TuneConfig, "tune", arguments)
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
        from dogbreed.cloud.jobs.tuning import search_on_sagemaker

        search_on_sagemaker(config)


if __name__ == "__main__":
    run_command(main)
