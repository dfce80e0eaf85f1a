"""Registering at a deployment."""

import pytest
from gerbang.accounts.registration import NewAccount, Registered
from gerbang.core.client import Client

from tests.deployment import HOME, Deployment
from tests.unit.registration.steps import Register


@pytest.fixture
def register(deployment: Deployment) -> Register:
    def register(new: NewAccount, client: Client = HOME) -> Registered:
        return deployment.registration.register(new, client)

    return register
