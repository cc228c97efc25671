"""`python -m dogbreed.evaluate data.root=PHOTOS`: a trained model's metrics on labelled photos."""

from collections.abc import Sequence

from dogbreed.configuration import composing as cli
from dogbreed.configuration.run import EvaluateRunConfig
from dogbreed.errors import ConfigError
from dogbreed.utils.command import run_command

PURPOSE = (
    "Evaluate a trained model on labelled photos, without training: metrics with intervals, the\n"
    "report and predictions.csv, as after a training. The folder of photos has one folder per\n"
    "class; classes that the model doesn't know are reported and left out."
)
USAGE = "python -m dogbreed.evaluate data.root=PHOTOS [KEY=VALUE ...]"
EXAMPLE = "python -m dogbreed.evaluate model=outputs/latest data.root=PHOTOS"


def main(arguments: Sequence[str]) -> None:
    """Evaluate the model that `arguments` name, or print the help."""
    if {"-h", "--help"} & set(arguments):
        cli.print_help(USAGE, PURPOSE, EXAMPLE, EvaluateRunConfig, "evaluate")
        return
    config = cli.compose_as(EvaluateRunConfig, "evaluate", arguments)
    if config.data.root is None:
        raise ConfigError(f"No photos are given: write {EXAMPLE}.")
    # Seconds of imports that --help and a mistyped key shouldn't wait for.
    from dogbreed.training.evaluate_model import evaluate_model

    evaluate_model(config)


if __name__ == "__main__":
    run_command(main)
