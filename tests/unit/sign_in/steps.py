"""Signing in as Alice, with right and wrong passwords."""

import pytest
from gerbang.accounts.sign_in import Credentials, InvalidCredentials
from gerbang.core.client import Client
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.store import Gone, Plus, Update, Value, Written

from tests.deployment import ALICE, HOME, Deployment, by_email

UNKNOWN = "unknown@example.com"

LEGACY_HASH = "$2y$05$8CXi2nJpM08aaEcGdQ0j8.aAJhrrbbPRRWdueqTju3alqDBv0sKQO"
"""Of PASSWORD, by password_hash() of PHP 8.2."""


def sign_in(deployment: Deployment, credentials: Credentials | None = None, client: Client = HOME) -> SignedIn:
    return deployment.sign_in.sign_in(credentials or by_email(), client)


def fail_to_sign_in(deployment: Deployment, email: str = ALICE.email, client: Client = HOME) -> None:
    """Sign in with a wrong password."""
    with pytest.raises(InvalidCredentials):
        sign_in(deployment, by_email(email, "wrong"), client)


def change(deployment: Deployment, user: User, **changes: Value | Gone | Plus) -> None:
    assert isinstance(deployment.store.write(Update(deployment.users.key(user.user_id), changes)), Written)
