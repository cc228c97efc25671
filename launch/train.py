"""`python launch/train.py`: the best of a search trained on all photos."""

from dogbreed.cloud.commands.final import main
from dogbreed.utils.command import run_command

if __name__ == "__main__":
    run_command(main)
