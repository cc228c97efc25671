"""AWS: everything that imports boto3 or the SageMaker SDK; both are loaded when first needed.

    from dogbreed.cloud import Search

    search = Search("+experiment=hpo", "data.root=PHOTOS")
    search.tuner.tune()

`Search`, `Training` and `Deployment` are what launch/tune.py, train.py and deploy.py run.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dogbreed.cloud.endpoints.deployment import Deployment
    from dogbreed.cloud.jobs.search import Search
    from dogbreed.cloud.jobs.training import Training

_HOMES = {
    "Deployment": "dogbreed.cloud.endpoints.deployment",
    "Search": "dogbreed.cloud.jobs.search",
    "Training": "dogbreed.cloud.jobs.training",
}

__all__ = ["Deployment", "Search", "Training"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dogbreed.cloud' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
