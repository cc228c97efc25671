"""The token that a server's requests must bring, from the configuration or the environment."""

import os
import re

from dogbreed.errors import ConfigError

TOKEN_VARIABLE = "DOGBREED_TOKEN"
# What may follow "Bearer" (RFC 6750, 2.1).
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def take_token(configured: str | None) -> str | None:
    """The token; None if there is none.

    It is removed from the environment: worker processes, which decode untrusted photos, don't need
    it.

    Raises:
        ConfigError: it is empty or has characters that a header can't contain; it isn't shown.
    """
    variable = os.environ.pop(TOKEN_VARIABLE, None)
    token = variable if configured is None else configured
    if token is not None and not _TOKEN.fullmatch(token):
        name = TOKEN_VARIABLE if configured is None else "token"
        fault = "has characters that a token can't have" if token else "is empty"
        raise ConfigError(
            f"{name} {fault}: use letters, digits and -._~+/ only, best at random: "
            f"{TOKEN_VARIABLE}=$(openssl rand -hex 16)"
        )
    return token
