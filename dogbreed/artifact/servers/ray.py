"""Ray Serve, in AWS's container of it."""

from dogbreed.artifact.servers.base import ImageCatalog, Server, ServingImage
from dogbreed.configuration.deploy import RAY, SERVERS

# Else Ray reports its usage to its maker.
ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0"}


def _image(catalog: ImageCatalog, processor: str) -> ServingImage:
    table = catalog.table("ray-serve.json")
    # The tag of the major version moves with AWS's patches; the others stay as they are.
    entry = table["versions"][table["version_aliases"]["latest"]]
    tag = f"{entry['tag_prefix']}-{entry['container_version'][processor]}"
    return ServingImage(uri=f"{catalog.host(entry['registries'])}/{entry['repository']}:{tag}")


SERVERS.register(
    RAY,
    Server(
        files={"config.yaml": "config.yaml", "deployment.py": "deployment.py"},
        image=_image,
        environment=ENVIRONMENT,
        # Source: aws/deep-learning-containers, docker/ray/pyproject.toml and uv.lock. Not Pillow,
        # which has known vulnerabilities (12.3 in 2026-08).
        python="3.13",
        carries=frozenset(
            {"torch", "torchvision", "numpy", "pyyaml", "safetensors", "huggingface-hub"}
        ),
    ),
)
