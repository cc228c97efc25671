"""A packed model in a real Ray Serve, started as AWS's container starts it.

The container's adapter before it passes on what is asked and answered here; of the headers only
Content-Type and Accept.
"""

from collections.abc import Iterator

import pytest
from servers.every_server import Contract, packed
from servers.started import missing, ray_serve

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(missing(java=False)), reason=missing(java=False) or ""),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ray_serve(packed().archive) as address:
        yield f"{address}/"


class TestRayServe(Contract):
    """All that is asked of every server."""
