"""`deploy`: a trained model as an endpoint of SageMaker, or a batch job over photos."""

from collections.abc import Sequence

from dogbreed.cloud.aws.extra import require_aws
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.configuration.help import print_requested_help


def main(arguments: Sequence[str]) -> None:
    """Compose the deployment from `arguments` and run it, or print the help."""
    if print_requested_help("deploy", arguments):
        return
    config = compose_as(DeployConfig, "deploy", arguments)
    require_aws()
    # Seconds of imports that --help and a mistyped key shouldn't wait for.
    from dogbreed.cloud.endpoints.deployment import Deployment

    Deployment.from_config(config).deploy()
