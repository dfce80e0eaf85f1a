"""What tests of the mailer do: bring an account into a state, deliver a job, use what was mailed."""

import pytest
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import digest
from gerbang.mail.jobs import MailJob, MailKind
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.one_time_codes import OneTimeCode, Slot
from gerbang.storage.records import to_value
from gerbang.storage.store import Gone

from tests.deployment import BOB, HOME
from tests.unit.mail_deployment import LINKED_SUBJECT, NEW_DEVICE, MailDeployment, write_invitation
from tests.unit.mail_fakes import Fate

UNKNOWN = "unknown@example.com"
CODES = [MailKind.SIGN_IN_CODE, MailKind.VERIFICATION_CODE, MailKind.RECOVERY_CODE]
NEW_ADDRESS = "bob@new.example"


def redeem(app: MailDeployment, code: str) -> SignedIn:
    return app.code_sign_in.sign_in(BOB.email, code, HOME).signed_in


TO_ACCOUNTS = [kind for kind in MailKind if kind is not MailKind.ORGANIZATION_INVITATION]
"""Kinds of mail that only an account gets; an invitation to an organization goes to any address."""

VERIFIED_ONLY = {
    MailKind.ACCOUNT_EXISTS,
    MailKind.EMAIL_CHANGE_CURRENT,
    MailKind.IDENTITY_LINKED,
    MailKind.IDENTITY_UNLINKED,
    MailKind.REAUTHENTICATION_CODE,
    MailKind.NEW_DEVICE,
}


def prepare_account(app: MailDeployment, kind: MailKind, user: User) -> None:
    """Change an account so that a job of this kind sends it a mail."""
    if kind is MailKind.PASSWORD_REMOVED:
        app.change(user, password_hash=Gone())
    if kind in VERIFIED_ONLY:
        app.verify_email(user)
    if kind is MailKind.ORGANIZATION_INVITATION:
        app.verify_email(user)
        write_invitation(app)
    if kind is MailKind.NEW_DEVICE:
        app.change(user, devices=to_value((NEW_DEVICE,)))
    if kind is MailKind.IDENTITY_LINKED:
        app.change(user, subjects=to_value({"google": LINKED_SUBJECT}))
    if kind in {MailKind.EMAIL_CHANGE_CURRENT, MailKind.EMAIL_CHANGE_NEW}:
        app.change(user, new_email=NEW_ADDRESS)


def stored_code(app: MailDeployment, slot: Slot, email: str = BOB.email) -> OneTimeCode | None:
    return app.codes.read(app.base.store.get(app.codes.key(slot, digest(email))))


def send_and_lose_response(app: MailDeployment, job: MailJob) -> None:
    """Deliver a job. SES sends the mail, and its response is lost."""
    app.outbox.fates = [Fate.ANSWER_LOST]
    with pytest.raises(DependencyUnavailable):
        app.deliver(job)


def set_password(app: MailDeployment, token: str, password: str = "Another horse 2") -> None:
    app.password_reset.reset(token, password, client=HOME, policy=PasswordPolicy())
