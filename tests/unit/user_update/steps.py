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


def update(post: MailDeployment, session: SignedIn, **changes: Any) -> User:
    caller = post.base.sessions.authenticate(session.tokens.access_token)
    return post.base.user_update.update(caller, UserChanges(**changes), HOME, POLICY)


def stored(post: MailDeployment, session: SignedIn) -> User:
    return post.user(session.user.user_id)


def registered(post: MailDeployment, *, verified: bool = False) -> SignedIn:
    session = post.register()
    if verified:
        post.verify_email(session.user)
    return session


def queued_kinds(post: MailDeployment) -> list[MailKind]:
    return [job.kind for job in post.queue.jobs]


def with_autoconfirm(post: MailDeployment) -> MailDeployment:
    return post.with_choices(Choices(autoconfirm=True))
