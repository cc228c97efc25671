"""`python launch/deploy.py`: a model as a SageMaker endpoint, or a batch job over photos."""

from dogbreed.cloud.commands.deploy import main
from dogbreed.utils.command import run_command

if __name__ == "__main__":
    run_command(main)
