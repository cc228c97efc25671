"""The endpoint on a local machine: `python -m dogbreed.serve`, with a web page."""

import importlib.util
from collections.abc import Sequence

from dogbreed.configuration import composing as cli
from dogbreed.configuration.run import ServeConfig
from dogbreed.errors import EngineError
from dogbreed.utils.command import run_command

PURPOSE = (
    "Classify photos over HTTP as a SageMaker endpoint does (/ping, /invocations), with a web\n"
    "page to drop photos on, and Prometheus metrics (/metrics). Ctrl-C stops it once all requests\n"
    "are answered."
)
USAGE = "python -m dogbreed.serve [KEY=VALUE ...]"
EXAMPLE = "python -m dogbreed.serve model=outputs/latest port=8080"
EXTRA = ("fastapi", "uvicorn", "httptools", "prometheus_client")


def main(arguments: Sequence[str]) -> None:
    """Serve the model of `arguments` until a signal, or print the help."""
    if {"-h", "--help"} & set(arguments):
        cli.print_help(USAGE, PURPOSE, EXAMPLE, ServeConfig, "serve")
        return
    config = cli.compose_as(ServeConfig, "serve", arguments)
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
