"""Requests for changes of Bob's address, and their confirmation."""

from datetime import timedelta
from typing import Any

from gerbang.accounts.email_change import HalfConfirmed
from gerbang.accounts.user_update import UserChanges
from gerbang.core.emails import EmailAddress
from gerbang.mail.jobs import MailKind
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import User

from tests.deployment import ABROAD, HOME
from tests.unit.mail_deployment import MailDeployment
from tests.unit.mail_fakes import code_in

NEW_EMAIL = EmailAddress("Bob@New.example")
OTHER_EMAIL = EmailAddress("bob@other.example")
CURRENT_CODE = MailKind.EMAIL_CHANGE_CURRENT
NEW_CODE = MailKind.EMAIL_CHANGE_NEW


def request_change(app: MailDeployment, session: SignedIn, email: EmailAddress = NEW_EMAIL) -> dict[MailKind, str]:
    """Request a change of address; return the mailed codes by the kind of mail."""
    before = len(app.queue.jobs)
    caller = app.base.sessions.authenticate(session.tokens.access_token)
    app.base.user_update.update(caller, UserChanges(email=email), HOME, PasswordPolicy())
    return deliver_from(app, before)


def deliver_from(app: MailDeployment, first: int) -> dict[MailKind, str]:
    """Deliver the jobs from the given one on; return the codes by the kind of mail."""
    codes: dict[MailKind, str] = {}
    for job in app.queue.jobs[first:]:
        sent = len(app.outbox.sent)
        app.base.clock.advance(timedelta(seconds=1))
        app.deliver(job)
        codes |= {message.kind: code_in(message) for message in app.outbox.sent[sent:]}
    return codes


def confirm(app: MailDeployment, email: str, code: str, client: Any = ABROAD) -> SignedIn | HalfConfirmed:
    return app.email_change.confirm(str(email), code, client)


def current_user(app: MailDeployment, session: SignedIn) -> User:
    return app.user(session.user.user_id)


def change_address(app: MailDeployment, session: SignedIn, email: EmailAddress = NEW_EMAIL) -> SignedIn:
    """Request a change and confirm it; return the session that the last confirmation opens."""
    codes = request_change(app, session, email)
    current = current_user(app, session).email
    if CURRENT_CODE in codes:
        assert isinstance(confirm(app, str(current), codes[CURRENT_CODE]), HalfConfirmed)
    signed_in = confirm(app, email, codes[NEW_CODE])
    assert isinstance(signed_in, SignedIn)
    return signed_in
