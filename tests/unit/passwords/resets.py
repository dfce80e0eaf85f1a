"""Resetting Bob's password, with right and wrong tokens."""

import pytest
from gerbang.core.client import Client
from gerbang.mail.codes import InvalidResetToken
from gerbang.passwords.policy import PasswordPolicy
from gerbang.storage.accounts import User

from tests.deployment import HOME
from tests.unit.mail_deployment import MailDeployment

NEW = "Another horse 2"
POLICY = PasswordPolicy()
LEGACY_HASH = "md5:5f4dcc3b5aa765d61d8327deb882cf99"


def reset(app: MailDeployment, token: str, password: str = NEW, client: Client = HOME) -> None:
    app.password_reset.reset(token, password, client=client, policy=POLICY)


def unknown_token(app: MailDeployment, user: User) -> str:
    """A token of the right form that was never mailed."""
    return app.reset_tokens.token("never asked", user)


def assert_rejected(app: MailDeployment, token: str) -> None:
    with pytest.raises(InvalidResetToken):
        reset(app, token)


def client_number(number: int) -> Client:
    """A client with its own address."""
    return Client(address=f"198.51.100.{number + 100}")
