"""An AWS account of its own for a test.

A test module takes it with `pytest_plugins = ("contract.fixtures",)`.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from contract.policies import denied

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount


@pytest.fixture
def job_variables() -> dict[str, str]:
    """What every job has in its environment; for a test module to add to."""
    return {"OMP_NUM_THREADS": "1"}


@pytest.fixture
def account(
    monkeypatch: pytest.MonkeyPatch, job_variables: dict[str, str]
) -> Iterator["SageMakerAccount"]:
    """An empty account with a bucket and the three roles, and this process's credentials for it."""
    from contract.faults import POLICIES_OF
    from contract.sagemaker_server import SageMakerAccount

    from dogbreed.cloud.endpoints import serving_wheels
    from dogbreed.cloud.jobs import packages
    from dogbreed.cloud.wheels.wheel_files import WheelSet

    # Jobs and endpoints run in the tests' own environment, which has all packages.
    nothing = WheelSet(versions={}, wheels=())
    for module in (packages, serving_wheels):
        monkeypatch.setattr(module, "resolve_wheels", lambda *given: nothing)
    for name in list(os.environ):
        if name.startswith(("AWS_", "SAGEMAKER_", "SM_")):
            monkeypatch.delenv(name)
    with SageMakerAccount(variables=job_variables) as account:
        for name, value in account.environment().items():
            monkeypatch.setenv(name, value)
        yield account
        # Whatever a test does: what is made has the tag by which it is found, and the policies that
        # the project hands out are enough for it.
        for key, policies in POLICIES_OF.items():
            needs = [
                need
                for need in account.needs[key]
                if not need.resource.endswith(account.beyond_our_policies)
            ]
            assert denied(policies, needs) == [], policies
        assert account.untagged == []
        assert account.without_owner == []
