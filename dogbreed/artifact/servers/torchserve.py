"""TorchServe, in AWS's PyTorch container."""

from datetime import date

from dogbreed.artifact.servers.base import ImageCatalog, Server, ServingImage
from dogbreed.configuration.deploy import PYTORCH, RAY, SERVERS

# Source: aws/deep-learning-containers, docs/src/data/pytorch/2.6-*-inference*.yml.
VERSION, TAG = "2.6.0", "py312"
END_OF_PATCH = date(2026, 6, 30)

# One worker, as OpenVINO computes on all cores at once, and requests as large as we take (its own
# limit is 6.5 MB).
ENVIRONMENT = {
    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    "TS_MAX_REQUEST_SIZE": str(26 * 2**20),
    "TS_MAX_RESPONSE_SIZE": str(26 * 2**20),
}


def _image(catalog: ImageCatalog, processor: str) -> ServingImage:
    entry = catalog.table("pytorch.json")["inference"]["versions"][VERSION]
    host = catalog.host(entry["registries"])
    return ServingImage(
        uri=f"{host}/{entry['repository']}:{VERSION}-{processor}-{TAG}",
        note=(
            f"AWS hasn't patched its container PyTorch {VERSION} since {END_OF_PATCH}, and has no "
            f"newer one of {PYTORCH}: deploy.server={RAY} is its successor"
        ),
    )


SERVERS.register(
    PYTORCH,
    Server(
        files={"code/inference.py": "inference.py"},
        image=_image,
        environment=ENVIRONMENT,
        glibc_minor=35,  # Ubuntu 22.04
    ),
)
