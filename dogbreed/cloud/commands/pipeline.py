"""`pipeline`: the workflow as a SageMaker Pipeline."""

from collections.abc import Sequence

from dogbreed.cloud.aws.extra import require_aws
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.help import print_requested_help
from dogbreed.configuration.pipeline import PipelineConfig


def main(arguments: Sequence[str]) -> None:
    """Compose the pipeline from `arguments` and create it, or print the help."""
    if print_requested_help("pipeline", arguments):
        return
    config = compose_as(PipelineConfig, "pipeline", arguments)
    # Imports that --help and a mistyped key shouldn't wait for; seconds of them after the paths.
    from dogbreed.training.path_check import check_sent_paths
    from dogbreed.training.run_folder import log_to_terminal

    check_sent_paths(config)
    require_aws()
    from dogbreed.cloud.pipelines.launch import launch_pipeline

    log_to_terminal()
    launch_pipeline(config)
