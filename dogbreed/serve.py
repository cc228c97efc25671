"""The endpoint on your own machine: `python -m dogbreed.serve`, with a page to drop a photo on."""

import importlib.util
from collections.abc import Sequence

from dogbreed.configuration import composing as cli
from dogbreed.configuration.run import ServeConfig
from dogbreed.errors import EngineError
from dogbreed.utils.command import run_command

PURPOSE = (
    "Answer for photos over HTTP as an endpoint of SageMaker does (/ping, /invocations), with a\n"
    "page to drop a photo on, and figures for Prometheus (/metrics). Ctrl-C stops it once what it\n"
    "was asked is answered."
)
USAGE = "python -m dogbreed.serve [KEY=VALUE ...]"
EXAMPLE = "python -m dogbreed.serve model=outputs/latest port=8080"
EXTRA = ("fastapi", "uvicorn", "httptools", "prometheus_client")


def main(arguments: Sequence[str]) -> None:
    """Serve the model that `arguments` name until a signal comes, or print the help."""
    if {"-h", "--help"} & set(arguments):
        cli.print_help(USAGE, PURPOSE, EXAMPLE, ServeConfig, "serve")
        return
    config = cli.compose_as(ServeConfig, "serve", arguments)
    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise EngineError(
            f"To serve, {', '.join(missing)} must be installed: pip install 'dogbreed[serve]'."
        )
    # Imports that --help and a mistyped key shouldn't wait for.
    from dogbreed.serving.http.server import serve

    serve(config)


if __name__ == "__main__":
    run_command(main)
