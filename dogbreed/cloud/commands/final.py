"""`final`: the best of a search trained on all photos, on this machine or on SageMaker."""

from collections.abc import Sequence

from dogbreed.cloud.aws.extra import require_aws
from dogbreed.configuration.help import print_requested_help
from dogbreed.configuration.search import LOCAL, training_of
from dogbreed.search.runner_limits import check_local
from dogbreed.utils.clock import SET_UP, Clock
from dogbreed.utils.terminal import print_lines


def main(arguments: Sequence[str]) -> None:
    """Compose the training from the search's best and `arguments`; run it, or print the help."""
    if print_requested_help("final", arguments):
        return
    from dogbreed.search.final import compose_final
    from dogbreed.search.hyperparameters import as_hyperparameters, as_overrides
    from dogbreed.training.run_folder import log_to_terminal

    clock = Clock()
    log_to_terminal()
    config, best = compose_final(arguments)
    if best is not None:
        values = " ".join(as_overrides(as_hyperparameters(best.parameters)))
        print_lines(f"best of {best.search} ({best.trial}): {values}")
    # Imports that --help and a mistyped key shouldn't wait for; seconds of them after the paths.
    from dogbreed.training.path_check import check_paths, check_sent_paths

    if config.launcher.name == LOCAL:
        check_local(config)
        check_paths(config)
        from dogbreed.training.run import train

        clock.add(SET_UP, clock.total())
        train(training_of(config), clock)
    else:
        if config.attach is None:
            check_sent_paths(config)
        require_aws()
        from dogbreed.cloud.jobs.training import Training

        Training.from_config(config).run()
