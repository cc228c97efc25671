"""`python -m dogbreed.evaluate data.root=PHOTOS`: a trained model's metrics on labelled photos."""

from collections.abc import Sequence

from dogbreed.configuration.commands import BY_NAME, typed
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.help import print_requested_help
from dogbreed.configuration.run import EvaluateRunConfig
from dogbreed.errors import ConfigError
from dogbreed.utils.command import run_command


def main(arguments: Sequence[str]) -> None:
    """Evaluate the model that `arguments` name, or print the help."""
    if print_requested_help("evaluate", arguments):
        return
    config = compose_as(EvaluateRunConfig, "evaluate", arguments)
    if config.data.root is None:
        command = f"{typed('evaluate')} {BY_NAME['evaluate'].example}"
        raise ConfigError(f"No photos are given: write {command}.")
    # Seconds of imports that --help and a mistyped key shouldn't wait for.
    from dogbreed.training.evaluate_model import evaluate_model

    evaluate_model(config)


if __name__ == "__main__":
    run_command(main)
