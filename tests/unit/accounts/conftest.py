"""Alice's account, and what operators do with accounts."""

import pytest
from gerbang.accounts.administration import Accounts
from gerbang.storage.accounts import User

from tests.deployment import Deployment
from tests.unit.accounts.operations import accounts_of


@pytest.fixture
def accounts(deployment: Deployment) -> Accounts:
    return accounts_of(deployment)


@pytest.fixture
def alice(deployment: Deployment) -> User:
    return deployment.register()
