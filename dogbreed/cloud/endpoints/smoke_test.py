"""Smoke test of a new endpoint: send one photo, log the prediction and the latency."""

import io
from pathlib import Path

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.endpoints.async_client import connect
from dogbreed.cloud.endpoints.downscale import downscaled
from dogbreed.cloud.endpoints.query import as_text, latency
from dogbreed.data.decoding.photos import read_bytes
from dogbreed.errors import PhotoError
from dogbreed.training.run_folder import log

RETRY_S = 300.0  # until a new endpoint must answer
TOP_K = 3
MAX_PX = 1024


def read_smoke_photo(photo: str | None) -> tuple[str, bytes]:
    """The name of a photo and the bytes to send; None: a generated photo.

    Raises:
        PhotoError: it is unreadable.
    """
    if photo is None:
        return _generated()
    try:
        return photo, downscaled(read_bytes(Path(photo)), MAX_PX)
    except PhotoError as error:
        raise PhotoError(error.reason, f"photo={photo}: {error}.") from error


def run_smoke_test(
    account: Account, endpoint: str, name: str, photo: bytes, arguments: str
) -> None:
    """Invoke the endpoint twice, as the first call is slower; log prediction and latencies.

    `arguments` are those of `account_arguments`, for commands in error messages.

    Raises:
        CloudError, PhotoError: it returns no prediction.
    """
    client = connect(account, endpoint, patience_s=RETRY_S, arguments=arguments)
    first = client.invoke(photo, top_k=TOP_K)
    reply = client.invoke(photo, top_k=TOP_K)
    for line in as_text(name, reply):
        log.info("%s", line)
    log.info("  the first call took %s", latency(first))


def _generated() -> tuple[str, bytes]:
    import numpy as np

    from dogbreed.data.sets.drawing import BREEDS, draw_photo

    photo, quality = draw_photo(BREEDS[0], np.random.default_rng(0))
    packed = io.BytesIO()
    photo.save(packed, "JPEG", quality=quality)
    return f"a generated photo ({BREEDS[0].name})", packed.getvalue()
