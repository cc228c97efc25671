"""An endpoint in the AWS account as an object: deploy a model, query it, delete it."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path

from sagemaker.core.resources import Endpoint

from dogbreed.cloud.aws.account import Account, account_arguments, sign_in
from dogbreed.cloud.aws.account_keys import checked_keys
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.endpoints.async_client import connect
from dogbreed.cloud.endpoints.client import Reply
from dogbreed.cloud.endpoints.deploy import deploy
from dogbreed.cloud.endpoints.downscale import downscaled
from dogbreed.cloud.endpoints.teardown import tear_down
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.deploy import DeployConfig, QueryConfig, TeardownConfig
from dogbreed.data.decoding.photos import read_bytes


class Deployment:
    """An endpoint, from the arguments of launch/deploy.py.

        deployment = Deployment("model=outputs/latest", "endpoint=breeds")
        deployment.deploy()
        deployment.query("photo.jpg").classes
        deployment.delete()

    Raises:
        ConfigError: an unknown key, or a value outside its range.
    """

    def __init__(self, *overrides: str) -> None:
        self._configure(compose_as(DeployConfig, "deploy", overrides))

    @classmethod
    def from_config(cls, config: DeployConfig) -> "Deployment":
        """The deployment of a composed configuration."""
        deployment = cls.__new__(cls)
        deployment._configure(config)
        return deployment

    @classmethod
    def attach(cls, endpoint: str, *overrides: str) -> "Deployment":
        """An endpoint that exists already; nothing is deployed."""
        return cls(*overrides, f"endpoint={endpoint}")

    def _configure(self, config: DeployConfig) -> None:
        self.config = replace(config, launcher=checked_keys(config.launcher))

    @cached_property
    def account(self) -> Account:
        """The account, signed in on first use."""
        return sign_in(self.config.launcher, needs_role=False)

    @property
    def endpoint(self) -> Endpoint:
        """The SDK's resource of the endpoint, as it is now.

        Raises:
            CloudError: there is none, or AWS refuses.
        """
        name, session = self.config.endpoint, self.account.session
        with translate_errors(f"reading endpoint {name}"):
            return Endpoint.get(name, session=session, region=session.region_name)

    def deploy(self) -> None:
        """Deploy the model, test it with a photo, and log its costs, as launch/deploy.py does.

        Raises:
            DogbreedError: one sentence with the reason and the remedy; `Stopped` after Ctrl-C names
                what is left in the account and how to delete it.
        """
        deploy(self.config)

    def query(self, photo: str | Path | bytes, *, top_k: int = 5, explain: bool = False) -> Reply:
        """The prediction for a photo, a file or its bytes; a large one is downscaled first.

        Raises:
            PhotoError: the photo is unreadable.
            CloudError: the endpoint can't be invoked, or stays busy.
        """
        max_px = compose_as(QueryConfig, "query", []).max_px
        data = photo if isinstance(photo, bytes) else read_bytes(Path(photo))
        arguments = account_arguments(self.config.launcher)
        client = connect(self.account, self.config.endpoint, arguments=arguments)
        return client.invoke(downscaled(data, max_px), top_k=top_k, explain=explain)

    def delete(self) -> bool:
        """Delete the endpoint and what was made for it; return whether all of it is gone.

        Raises:
            CloudError: AWS refuses.
        """
        config = compose_as(TeardownConfig, "teardown", [f"endpoint={self.config.endpoint}"])
        return tear_down(replace(config, launcher=self.config.launcher))
