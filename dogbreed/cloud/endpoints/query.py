"""The command launch/query.py: send photos to an endpoint, print its predictions."""

import base64
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dogbreed.cloud.aws.account import Account, account_arguments, sign_in
from dogbreed.cloud.aws.account_keys import checked_keys
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.endpoints.async_client import AsyncClient, connect
from dogbreed.cloud.endpoints.client import Client, Reply, row
from dogbreed.cloud.endpoints.cloudwatch import log_lines
from dogbreed.cloud.endpoints.downscale import downscaled
from dogbreed.cloud.endpoints.inventory import newest_endpoint
from dogbreed.cloud.endpoints.lifecycle import check_endpoint_name
from dogbreed.configuration.commands import typed
from dogbreed.configuration.deploy import QueryConfig
from dogbreed.configuration.search import NEWEST
from dogbreed.data.decoding.photos import read_bytes
from dogbreed.errors import CloudError, OutputError, PhotoError
from dogbreed.serving.offline.predictions import free_path
from dogbreed.serving.offline.sources import Found, Source, find_sources
from dogbreed.serving.offline.table import Row, json_line
from dogbreed.utils.files import atomic_write
from dogbreed.utils.os_errors import DISK_FULL
from dogbreed.utils.terminal import print_lines


def query(config: QueryConfig, given: Sequence[str]) -> bool:
    """Send the photos `given` to the endpoint; return whether each got a prediction.

    Raises:
        CloudError, ConfigError, DataError: there is no endpoint, or no photo.
    """
    if config.endpoint != NEWEST:
        check_endpoint_name(config.endpoint)
    config = replace(config, launcher=checked_keys(config.launcher))
    found = find_sources(given, links=config.data.links) if given else Found(sources=[])
    account = sign_in(
        config.launcher,
        needs_role=False,
        alternative=f"or use a model on this machine ({typed('predict')})",
    )
    name = _endpoint(account, config)
    complete = found.complete
    if found.sources:
        arguments = account_arguments(config.launcher)
        client = connect(account, name, patience_s=config.patience_s, arguments=arguments)
        bad = [source for source in found.sources if not _predict(client, source, config)]
        complete = complete and not bad
    for note in found.notes:
        print_lines(note, file=sys.stderr)
    if config.logs:
        with translate_errors(f"reading the log of endpoint {name}"):
            lines = log_lines(account.client("logs"), name, config.log_minutes)
        nothing = f"endpoint {name} logged nothing in {config.log_minutes:.12g} min"
        print_lines(*(lines or [nothing]))
    return complete


def _endpoint(account: Account, config: QueryConfig) -> str:
    if config.endpoint != NEWEST:
        return config.endpoint
    with translate_errors("finding the newest endpoint"):
        name = newest_endpoint(account.client("sagemaker"), account.owner)
    if name is None:
        raise CloudError(
            f"{account.owner} has no endpoint of this project in {account.region}: "
            f"{typed('deploy')} creates one, endpoint=NAME queries another's, "
            "launcher.region=NAME uses another region."
        )
    print_lines(f"endpoint {name}", file=sys.stderr)
    return name


def _predict(client: Client | AsyncClient, source: Source, config: QueryConfig) -> bool:
    """Send one photo and print the prediction; return whether there was one."""
    try:
        opener = source.opener(config.timeout_s, config.max_bytes)
        data = read_bytes(opener) if isinstance(opener, Path) else opener()
        photo = downscaled(data, config.max_px)
        reply = client.invoke(photo, top_k=config.top_k, explain=config.explain)
    except PhotoError as error:
        if not sys.stdout.isatty():
            _print_json({"path": source.name, "error": str(error)})
        print_lines(f"error: {source.shown()}: {error}", file=sys.stderr)
        return False
    if sys.stdout.isatty():
        print_lines(*as_text(source.shown(), reply))
    else:
        times = {"client_ms": round(reply.client_ms, 1), "model_ms": reply.model_ms}
        _print_json(row(source.name, reply.classes, reply.unknown) | times)
    if reply.explanation is not None:
        path = free_path(Path(f"{source.inside().stem}-explained.jpg"), Path.exists)
        _write(path, base64.b64decode(reply.explanation))
        print_lines(f"{source.shown()}: explained in {path}", file=sys.stderr)
    return True


def _print_json(row: Row) -> None:
    print_lines(json_line(row).rstrip("\n"))


def _write(path: Path, picture: bytes) -> None:
    try:
        with atomic_write(path) as beside:
            beside.write_bytes(picture)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        raise OutputError(
            f"{path} can't be written ({error.strerror}): run the command in a folder that "
            "you can write to."
        ) from error


def as_text(name: str, reply: Reply) -> list[str]:
    """A prediction as lines of text."""
    lines = [name]
    if reply.unknown:
        lines.append("   unknown: no class is likely enough; the best guesses are")
    for each in reply.classes:
        lines.append(f"  {each['probability']:6.1%}  {each['label']}")
    return [*lines, f"  answered in {latency(reply)}"]


def latency(reply: Reply) -> str:
    """The latency of a prediction, in total and in the model."""
    model = "" if reply.model_ms is None else f" ({reply.model_ms:.0f} ms in the model)"
    return f"{reply.client_ms:.0f} ms{model}"
