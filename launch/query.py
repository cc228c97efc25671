"""`python launch/query.py photo.jpg`: photos classified by an endpoint."""

from dogbreed.cloud.commands.query import main
from dogbreed.utils.command import run_command

if __name__ == "__main__":
    run_command(main)
