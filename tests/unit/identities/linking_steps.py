"""A signed-in user links identities, and unlinks them."""

from copy import replace
from typing import Final

from gerbang.accounts.identity_sign_in import VerifiedIdentity
from gerbang.mail.jobs import MailKind
from gerbang.sessions.sessions import Authenticated, SignedIn
from gerbang.storage.accounts import User

from tests.deployment import ABROAD, HOME
from tests.unit.mail_deployment import MailDeployment

GOOGLE_IDENTITY: Final = VerifiedIdentity(
    provider="google", subject="1001", email="Bob@Work.example", name="Bob Martin"
)
APPLE_IDENTITY: Final = VerifiedIdentity(provider="apple", subject="2001", email="bob@private.example", name="")
UNVERIFIED: Final = replace(GOOGLE_IDENTITY, email_verified=False)


def caller_of(app: MailDeployment, session: SignedIn) -> Authenticated:
    return app.base.sessions.authenticate(session.tokens.access_token)


def link(app: MailDeployment, session: SignedIn, identity: VerifiedIdentity = GOOGLE_IDENTITY) -> SignedIn:
    return app.base.linked_identities.link(caller_of(app, session), identity, HOME)


def unlink(app: MailDeployment, session: SignedIn, provider: str | None = "google") -> None:
    app.base.linked_identities.unlink(caller_of(app, session), provider, HOME)


def current_user(app: MailDeployment, session: SignedIn) -> User:
    return app.user(session.user.user_id)


def sign_in_with(app: MailDeployment, identity: VerifiedIdentity) -> str:
    return app.google.sign_in(identity, ABROAD).user.user_id


def mail_kinds(app: MailDeployment) -> list[MailKind]:
    return [job.kind for job in app.queue.jobs]
