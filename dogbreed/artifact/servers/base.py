"""What a server is: the files that it starts, its environment, its container.

A server of your own, in a module that is loaded as an extension (dogbreed.utils.registry):

    SERVERS.register("mine", Server(files={"app.py": Path(__file__).with_name("app.py")}, ...))

Its container unpacks model.tar.gz, which has the model's files at its top, the packed modules of
dogbreed in code/, and the files of every server. deploy.server=mine deploys it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class ImageCatalog(Protocol):
    """AWS's container images in a region, by the tables of the SageMaker SDK."""

    def table(self, name: str) -> Any:
        """The content of a table such as "pytorch.json"."""

    def host(self, registries: Mapping[str, str]) -> str:
        """The address of the registry; CloudError where the region has none."""


@dataclass(frozen=True, kw_only=True)
class ServingImage:
    """A container to serve in; `note` is a sentence for people."""

    uri: str
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that answers for a packed model.

    Args:
        files: each file's name in model.tar.gz, and where it is: a path, or a name in inference/.
        image: the container for "cpu" or "gpu" in the catalog's region.
        environment: variables of the container.
        modules: where the adapter's imports begin; these and all that they import are packed.
        python: the container's Python, such as "3.12", and its glibc, 2.`glibc_minor`.
        carries: packages that the container has, which an archive needn't bring along.
    """

    files: Mapping[str, str | Path]
    image: Callable[[ImageCatalog, str], ServingImage]
    environment: Mapping[str, str] = field(default_factory=dict)
    python: str = "3.12"
    glibc_minor: int = 34  # Amazon Linux 2023
    carries: frozenset[str] = frozenset({"torch", "torchvision", "numpy"})
    # Requests, the predictor, and the process that decodes photos.
    modules: tuple[str, ...] = (
        "dogbreed.serving.requests.invocations",
        "dogbreed.serving.container",
        "dogbreed.serving.predictor",
        "dogbreed.data.decoding.process",
    )
