"""Changing Bob's password, as tests of password changes do."""

from gerbang.core.client import Client
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn

from tests.deployment import HOME, PASSWORD
from tests.unit.mail_deployment import MailDeployment

NEW = "Another horse 2"
POLICY = PasswordPolicy()

LEGACY_HASH = "md5:5f4dcc3b5aa765d61d8327deb882cf99"
"""Of `password`."""


def change(
    app: MailDeployment, session: SignedIn, current: str = PASSWORD, new: str = NEW, client: Client = HOME
) -> None:
    app.password_change.change(session.tokens.access_token, current=current, new=new, client=client, policy=POLICY)


def refresh(app: MailDeployment, session: SignedIn) -> SignedIn:
    return app.base.sessions.refresh(session.tokens.refresh_token)
