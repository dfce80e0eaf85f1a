"""A registered account."""

import pytest
from gerbang.storage.accounts import User

from tests.deployment import ALICE, Deployment


@pytest.fixture
def alice(deployment: Deployment) -> User:
    return deployment.register(ALICE)
