"""`python launch/tune.py +experiment=hpo`: a search for hyperparameters."""

from dogbreed.cloud.commands.tune import main
from dogbreed.utils.command import run_command

if __name__ == "__main__":
    run_command(main)
