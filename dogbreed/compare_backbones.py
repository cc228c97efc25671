"""`python -m dogbreed.compare_backbones data.root=PHOTOS`: which backbone suits these photos."""

from collections.abc import Sequence

from dogbreed.configuration.commands import typed
from dogbreed.configuration.composing import compose_as, override_name
from dogbreed.configuration.help import print_requested_help
from dogbreed.configuration.run import CompareConfig
from dogbreed.errors import ConfigError
from dogbreed.utils.command import run_command

NAME = "compare-backbones"
# Keys of a training that have no meaning here.
_CHOSEN = {"model.backbone", "model.weights"}


def main(arguments: Sequence[str]) -> None:
    """Compare the backbones on the photos that `arguments` name, or print the help."""
    if print_requested_help(NAME, arguments):
        return
    config = compose_as(CompareConfig, NAME, arguments)
    _check(config, arguments)
    # Imports that --help and a mistyped key shouldn't wait for; seconds of them after the paths.
    from dogbreed.training.path_check import check_paths

    check_paths(config)
    from dogbreed.training.compare_backbones import compare_backbones

    compare_backbones(config, arguments)


def _check(config: CompareConfig, arguments: Sequence[str]) -> None:
    """Raise a ConfigError for keys of a training that can't be set here."""
    chosen = next((each for each in arguments if override_name(each) in _CHOSEN), None)
    if chosen is not None:
        raise ConfigError(
            f"{chosen}: {typed(NAME)} chooses the backbone: name those to choose from, "
            "backbones=[NAME,NAME=WEIGHTS]."
        )
    if config.data.feature_set is not None:
        raise ConfigError(
            f"data.feature_set={config.data.feature_set}: has the features of one backbone: give "
            "the photos, data.root=PHOTOS."
        )


if __name__ == "__main__":
    run_command(main)
