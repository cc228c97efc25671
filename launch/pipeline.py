"""`python launch/pipeline.py`: the workflow as a SageMaker Pipeline."""

from dogbreed.cloud.commands.pipeline import main
from dogbreed.utils.command import run_command

if __name__ == "__main__":
    run_command(main)
