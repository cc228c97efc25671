"""A photo sent to a new endpoint, so that its first question isn't a user's."""

import io
from pathlib import Path

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.endpoints.client import Client
from dogbreed.cloud.endpoints.photo_size import to_send
from dogbreed.cloud.endpoints.query import as_text, latency
from dogbreed.data.decoding.photos import read_bytes
from dogbreed.errors import PhotoError
from dogbreed.training.run_folder import log

PATIENCE_S = 300.0
TOP_K = 3
MAX_PX = 1024


def read_trial(photo: str | None) -> tuple[str, bytes]:
    """The photo's name for people, and its bytes as they are sent; None: one that is drawn.

    Raises:
        PhotoError: it can't be used.
    """
    if photo is None:
        return _drawn()
    try:
        return photo, to_send(read_bytes(Path(photo)), MAX_PX)
    except PhotoError as error:
        raise PhotoError(error.reason, f"photo={photo}: {error}.") from error


def try_out(account: Account, endpoint: str, name: str, photo: bytes, place: str) -> None:
    """Ask twice, as the first answer takes longer; print the classes and the times.

    `place` leads another command to this account, see `same_place`.

    Raises:
        CloudError, PhotoError: it doesn't answer.
    """
    asker = Client(account, endpoint, patience_s=PATIENCE_S, place=place)
    first = asker.ask(photo, top_k=TOP_K)
    reply = asker.ask(photo, top_k=TOP_K)
    for line in as_text(name, reply):
        log.info("%s", line)
    log.info("  the first time in %s", latency(first))


def _drawn() -> tuple[str, bytes]:
    import numpy as np

    from dogbreed.data.sets.drawing import BREEDS, draw_photo

    drawn, quality = draw_photo(BREEDS[0], np.random.default_rng(0))
    packed = io.BytesIO()
    drawn.save(packed, "JPEG", quality=quality)
    return f"a drawn photo ({BREEDS[0].name})", packed.getvalue()
