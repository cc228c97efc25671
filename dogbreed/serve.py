"""`python -m dogbreed.serve`: the endpoint on this machine, with a page to drop a photo on."""

import importlib.util
from collections.abc import Sequence

from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.help import print_requested_help
from dogbreed.configuration.run import ServeConfig
from dogbreed.errors import EngineError
from dogbreed.utils.command import run_command

EXTRA = ("fastapi", "uvicorn", "httptools", "prometheus_client")


def main(arguments: Sequence[str]) -> None:
    """Serve the model that `arguments` name until a signal arrives, or print the help."""
    if print_requested_help("serve", arguments):
        return
    config = compose_as(ServeConfig, "serve", arguments)
    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise EngineError(
            f"To serve, {', '.join(missing)} must be installed: pip install 'dogbreed[serve]'."
        )
    # Imported late, so that --help and a mistyped key don't wait for it.
    from dogbreed.serving.http.server import serve

    serve(config)


if __name__ == "__main__":
    run_command(main)
