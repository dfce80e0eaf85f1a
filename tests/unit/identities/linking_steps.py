"""A signed-in user links identities, and unlinks them."""

from copy import replace
from typing import Final

from gerbang.accounts.identity_sign_in import VerifiedIdentity
from gerbang.mail.jobs import MailKind
from gerbang.sessions.sessions import Authenticated, SignedIn
from gerbang.storage.accounts import User

from tests.deployment import ABROAD, HOME
from tests.unit.mail_deployment import MailDeployment

GOOGLE: Final = VerifiedIdentity(provider="google", subject="1001", email="Bob@Work.example", name="Bob Martin")
APPLE: Final = VerifiedIdentity(provider="apple", subject="2001", email="bob@private.example", name="")
UNVERIFIED: Final = replace(GOOGLE, email_verified=False)


def caller_of(post: MailDeployment, session: SignedIn) -> Authenticated:
    return post.base.sessions.authenticate(session.tokens.access_token)


def link(post: MailDeployment, session: SignedIn, identity: VerifiedIdentity = GOOGLE) -> SignedIn:
    return post.base.linked_identities.link(caller_of(post, session), identity, HOME)


def unlink(post: MailDeployment, session: SignedIn, provider: str | None = "google") -> None:
    post.base.linked_identities.unlink(caller_of(post, session), provider, HOME)


def current_user(post: MailDeployment, session: SignedIn) -> User:
    return post.user(session.user.user_id)


def sign_in_with(post: MailDeployment, identity: VerifiedIdentity) -> str:
    return post.google.sign_in(identity, ABROAD).user.user_id


def mail_kinds(post: MailDeployment) -> list[MailKind]:
    return [job.kind for job in post.queue.jobs]
