"""A stored account and its first session."""

import pytest
from gerbang.sessions.sessions import Sessions, SignedIn
from gerbang.storage.accounts import User

from tests.deployment import HOME, Deployment
from tests.unit.sessions.steps import new_account


@pytest.fixture
def alice(deployment: Deployment) -> User:
    """A stored account."""
    return new_account(deployment, "alice")


@pytest.fixture
def sessions(deployment: Deployment) -> Sessions:
    return deployment.sessions


@pytest.fixture
def first(sessions: Sessions, alice: User) -> SignedIn:
    """A session that was just opened."""
    return sessions.open(alice, HOME, "password")
