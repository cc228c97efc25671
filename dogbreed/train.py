"""`python -m dogbreed.train`: train a classifier on folders of photos."""

from collections.abc import Sequence

from dogbreed.configuration.composing import compose
from dogbreed.configuration.help import print_requested_help
from dogbreed.utils.clock import SET_UP, Clock
from dogbreed.utils.command import run_command


def main(arguments: Sequence[str]) -> None:
    """Compose the configuration from `arguments` and train, or print the help."""
    if print_requested_help("train", arguments):
        return
    clock = Clock()
    config = compose(arguments)
    # Imports that --help and a mistyped key shouldn't wait for; seconds of them after the paths.
    from dogbreed.training.path_check import check_paths

    check_paths(config)
    from dogbreed.training.run import train

    clock.add(SET_UP, clock.total())
    train(config, clock)


if __name__ == "__main__":
    run_command(main)
