"""The main job: `python -m dogbreed.train` trains a classifier on folders of photographs."""

from collections.abc import Sequence

from dogbreed.configuration import composing as cli
from dogbreed.utils.clock import SET_UP, Clock
from dogbreed.utils.command import run_command

PURPOSE = (
    "Train a classifier on folders of photographs: the frozen backbone runs once per photo, the\n"
    "head trains on what it gave. Without arguments: six classes of drawn photos, for a first look."
)
USAGE = "python -m dogbreed.train [GROUP=CHOICE ...] [KEY=VALUE ...]"
EXAMPLE = "python -m dogbreed.train data.root=PHOTOS optim.lr=0.003 trainer.epochs=40"


def main(arguments: Sequence[str]) -> None:
    """Compose the configuration from `arguments` and run the job, or print the help."""
    if {"-h", "--help"} & set(arguments):
        cli.print_help(USAGE, PURPOSE, EXAMPLE)
        return
    clock = Clock()
    config = cli.compose(arguments)
    # Imports that --help and a mistyped key shouldn't wait for; seconds of them after the paths.
    from dogbreed.training.path_check import check_paths

    check_paths(config)
    from dogbreed.training.run import train

    clock.add(SET_UP, clock.total())
    train(config, clock)


if __name__ == "__main__":
    run_command(main)
