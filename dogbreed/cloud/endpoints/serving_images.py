"""AWS's containers that a model is served in."""

import difflib
from collections.abc import Mapping
from typing import Any

from dogbreed.artifact.servers.base import ServingImage
from dogbreed.cloud.aws.images import has_gpu, sdk_table
from dogbreed.cloud.aws.regions import domain_of
from dogbreed.configuration.deploy import SERVERS, ServingConfig
from dogbreed.errors import CloudError


def serving_image(region: str, deploy: ServingConfig) -> ServingImage:
    """The image `deploy.image_uri`, or else AWS's newest for `deploy.server`.

    Raises:
        CloudError: AWS has none in that region, or the SageMaker SDK is missing.
    """
    if deploy.image_uri:
        return ServingImage(uri=deploy.image_uri)
    processor = "gpu" if deploy.instance_type and has_gpu(deploy.instance_type) else "cpu"
    image: ServingImage = SERVERS[deploy.server].image(_SdkCatalog(region), processor)
    return image


class _SdkCatalog:
    """The images of a region by the SageMaker SDK's tables."""

    def __init__(self, region: str) -> None:
        self._region = region

    def table(self, name: str) -> Any:
        """The content of a table."""
        return sdk_table(name)

    def host(self, registries: Mapping[str, str]) -> str:
        """The address of the registry."""
        region = self._region
        if region not in registries:
            near = difflib.get_close_matches(region, registries, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise CloudError(
                f"AWS has no container of that server in region {region!r}.{hint} Set "
                "launcher.region, or name a container of yours as deploy.image_uri."
            )
        return f"{registries[region]}.dkr.ecr.{region}.{domain_of(region)}"
