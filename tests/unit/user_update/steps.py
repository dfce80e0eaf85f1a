"""Updating Bob's account, as its user does."""

from typing import Any

from gerbang.accounts.user_update import UserChanges
from gerbang.core.emails import EmailAddress
from gerbang.mail.jobs import MailKind
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import User

from tests.deployment import HOME, Choices
from tests.unit.mail_deployment import MailDeployment

NEW = "Another horse 2"
NEW_EMAIL = EmailAddress("Bob@New.example")
POLICY = PasswordPolicy()


def update(app: MailDeployment, session: SignedIn, **changes: Any) -> User:
    caller = app.base.sessions.authenticate(session.tokens.access_token)
    return app.base.user_update.update(caller, UserChanges(**changes), HOME, POLICY)


def stored(app: MailDeployment, session: SignedIn) -> User:
    return app.user(session.user.user_id)


def registered(app: MailDeployment, *, verified: bool = False) -> SignedIn:
    session = app.register()
    if verified:
        app.verify_email(session.user)
    return session


def queued_kinds(app: MailDeployment) -> list[MailKind]:
    return [job.kind for job in app.queue.jobs]


def with_autoconfirm(app: MailDeployment) -> MailDeployment:
    return app.with_choices(Choices(autoconfirm=True))
