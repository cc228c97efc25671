"""`python launch/deploy.py`: a trained model as an endpoint of SageMaker, or a job over photos."""

from collections.abc import Sequence

from dogbreed.configuration import composing as cli
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.utils.command import run_command

PURPOSE = (
    "Put a trained model to use on SageMaker, the newest one by default: as an endpoint, which\n"
    "launch/query.py asks and launch/teardown.py deletes, or as a job over many photos."
)
USAGE = "python launch/deploy.py [deploy=realtime|serverless|batch] [KEY=VALUE ...]"
EXAMPLE = "python launch/deploy.py model=outputs/latest endpoint=photos deploy.ttl_hours=8"


def main(arguments: Sequence[str]) -> None:
    """Compose the deployment from `arguments` and do it, or print the help."""
    if {"-h", "--help"} & set(arguments):
        cli.print_help(USAGE, PURPOSE, EXAMPLE, DeployConfig, "deploy")
        return
    config = cli.compose_as(DeployConfig, "deploy", arguments)
    # Seconds of imports that --help and a mistyped key shouldn't wait for.
    from dogbreed.cloud.endpoints.deploy import deploy

    deploy(config)


if __name__ == "__main__":
    run_command(main)
