"""The work of launch/query.py: photos sent to an endpoint, and its answers shown."""

import base64
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dogbreed.cloud.aws.account import Account, same_place, sign_in
from dogbreed.cloud.aws.account_keys import checked_keys
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.endpoints.client import Client, Reply, row
from dogbreed.cloud.endpoints.endpoints import check_endpoint_name
from dogbreed.cloud.endpoints.inventory import newest_endpoint
from dogbreed.cloud.endpoints.log import log_lines
from dogbreed.cloud.endpoints.photo_size import to_send
from dogbreed.configuration.commands import typed
from dogbreed.configuration.deploy import QueryConfig
from dogbreed.configuration.search import NEWEST
from dogbreed.data.decoding.photos import read_bytes
from dogbreed.errors import CloudError, OutputError, PhotoError
from dogbreed.serving.offline.answers import free_path
from dogbreed.serving.offline.sources import Found, Source, find_sources
from dogbreed.serving.offline.table import Row, json_line
from dogbreed.utils.files import atomic_write
from dogbreed.utils.os_errors import DISK_FULL
from dogbreed.utils.terminal import print_lines


def query(config: QueryConfig, given: Sequence[str]) -> bool:
    """Ask for the photos that were given; whether every one of them was answered.

    Raises:
        CloudError, ConfigError, DataError: no endpoint to ask, or nothing to ask about.
    """
    if config.endpoint != NEWEST:
        check_endpoint_name(config.endpoint)
    config = replace(config, launcher=checked_keys(config.launcher))
    found = find_sources(given, links=config.data.links) if given else Found(sources=[])
    account = sign_in(
        config.launcher,
        to_make=False,
        without="or ask a model of this machine (python -m dogbreed.predict)",
    )
    name = _endpoint(account, config)
    good = found.complete
    if found.sources:
        asker = Client(
            account, name, patience_s=config.patience_s, place=same_place(config.launcher)
        )
        bad = [source for source in found.sources if not _answer(asker, source, config)]
        good = good and not bad
    for note in found.notes:
        print_lines(note, file=sys.stderr)
    if config.logs:
        with translate_errors(f"the log of endpoint {name}"):
            lines = log_lines(account.client("logs"), name, config.log_minutes)
        print_lines(*(lines or [f"endpoint {name} wrote nothing in {config.log_minutes:g} min"]))
    return good


def _endpoint(account: Account, config: QueryConfig) -> str:
    if config.endpoint != NEWEST:
        return config.endpoint
    with translate_errors("looking for the newest endpoint"):
        name = newest_endpoint(account.client("sagemaker"))
    if name is None:
        raise CloudError(
            f"There is no endpoint of this project in {account.region}: {typed('deploy')} "
            "makes one, launcher.region=NAME looks elsewhere."
        )
    print_lines(f"endpoint {name}", file=sys.stderr)
    return name


def _answer(asker: Client, source: Source, config: QueryConfig) -> bool:
    """Ask for one photo and show what comes back; whether it was answered."""
    try:
        opener = source.opener(config.timeout_s, config.max_bytes)
        data = read_bytes(opener) if isinstance(opener, Path) else opener()
        photo = to_send(data, config.max_px)
        reply = asker.ask(photo, top_k=config.top_k, explain=config.explain)
    except PhotoError as error:
        if not sys.stdout.isatty():
            _print_json({"path": source.name, "error": str(error)})
        print_lines(f"error: {source.shown()}: {error}", file=sys.stderr)
        return False
    if sys.stdout.isatty():
        print_lines(*as_text(source.shown(), reply))
    else:
        times = {"client_ms": round(reply.client_ms, 1), "model_ms": reply.model_ms}
        _print_json(row(source.name, reply.breeds, reply.unknown) | times)
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
            f"{path} can't be written ({error.strerror}): run the command in a folder of yours."
        ) from error


def as_text(name: str, reply: Reply) -> list[str]:
    """An answer as people read it."""
    lines = [name]
    if reply.unknown:
        lines.append("   unknown: no breed is likely enough; the best guesses are")
    for breed in reply.breeds:
        lines.append(f"  {breed['probability']:6.1%}  {breed['breed']}")
    return [*lines, f"  answered in {latency(reply)}"]


def latency(reply: Reply) -> str:
    """How long an answer took, seen from here and in the model."""
    model = "" if reply.model_ms is None else f" ({reply.model_ms:.0f} ms in the model)"
    return f"{reply.client_ms:.0f} ms{model}"
