"""`python launch/teardown.py`: what this project made in the account, listed and deleted."""

from dogbreed.cloud.commands.teardown import main
from dogbreed.utils.command import run_command

if __name__ == "__main__":
    run_command(main)
