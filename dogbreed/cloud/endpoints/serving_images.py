"""AWS Deep Learning Containers for inference: Ray Serve and TorchServe."""

import difflib
from dataclasses import dataclass
from datetime import date

from dogbreed.cloud.aws.images import has_gpu, sdk_table
from dogbreed.cloud.aws.regions import domain_of
from dogbreed.configuration.deploy import PYTORCH, RAY, ServingConfig
from dogbreed.errors import CloudError

# Source: aws/deep-learning-containers, docs/src/data/pytorch/2.6-*-inference*.yml.
PYTORCH_VERSION, PYTORCH_TAG = "2.6.0", "py312"
PYTORCH_END_OF_PATCH = date(2026, 6, 30)


@dataclass(frozen=True, kw_only=True)
class ServingImage:
    """An inference container image; `note` is a sentence for the user."""

    uri: str
    note: str | None = None


def serving_image(region: str, deploy: ServingConfig) -> ServingImage:
    """The image `deploy.image_uri`, or else AWS's newest for `deploy.server`.

    Raises:
        CloudError: AWS has none in that region, or the SageMaker SDK is missing.
    """
    if deploy.image_uri:
        return ServingImage(uri=deploy.image_uri)
    processor = "gpu" if deploy.instance_type and has_gpu(deploy.instance_type) else "cpu"
    return (_ray if deploy.server == RAY else _pytorch)(region, processor)


def _ray(region: str, processor: str) -> ServingImage:
    table = sdk_table("ray-serve.json")
    # AWS moves the tag of the major version to patched images; other tags are fixed.
    entry = table["versions"][table["version_aliases"]["latest"]]
    host = _host(region, entry["registries"])
    tag = f"{entry['tag_prefix']}-{entry['container_version'][processor]}"
    return ServingImage(uri=f"{host}/{entry['repository']}:{tag}")


def _pytorch(region: str, processor: str) -> ServingImage:
    entry = sdk_table("pytorch.json")["inference"]["versions"][PYTORCH_VERSION]
    host = _host(region, entry["registries"])
    return ServingImage(
        uri=f"{host}/{entry['repository']}:{PYTORCH_VERSION}-{processor}-{PYTORCH_TAG}",
        note=(
            f"AWS hasn't patched its container PyTorch {PYTORCH_VERSION} since "
            f"{PYTORCH_END_OF_PATCH}, and has no newer one of {PYTORCH}: deploy.server={RAY} is "
            "its successor"
        ),
    )


def _host(region: str, registries: dict[str, str]) -> str:
    if region not in registries:
        near = difflib.get_close_matches(region, registries, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise CloudError(
            f"AWS has no container of that server in region {region!r}.{hint} Set launcher.region, "
            "or name a container of yours as deploy.image_uri."
        )
    return f"{registries[region]}.dkr.ecr.{region}.{domain_of(region)}"
