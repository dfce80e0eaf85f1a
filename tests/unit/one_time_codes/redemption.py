"""Redeems mailed codes of both slots, also codes that create an account."""

from copy import replace
from dataclasses import dataclass
from typing import Final

import pytest
from gerbang.accounts.code_sign_in import InvalidCode, Redeemed
from gerbang.core.emails import EmailAddress
from gerbang.limits.rate_limits import digest
from gerbang.mail.jobs import NEW_USER_METADATA, NEW_USER_NAME, SLOT, MailJob, MailKind
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name, User
from gerbang.storage.one_time_codes import OneTimeCode, Slot

from tests.deployment import BOB, HOME
from tests.unit.mail_deployment import MailDeployment
from tests.unit.mail_fakes import code_in

EITHER: Final = (Slot.EMAIL, Slot.RECOVERY)
NEW_EMAIL: Final = EmailAddress("  New.Person@Example.com ")
METADATA: Final = '{"plan":"pro","tags":["a"]}'


def redeem(
    app: MailDeployment, code: str, email: EmailAddress = BOB.email, *, slots: tuple[Slot, ...] = EITHER
) -> SignedIn:
    return redemption(app, code, email, slots=slots).signed_in


def redemption(
    app: MailDeployment, code: str, email: EmailAddress = BOB.email, *, slots: tuple[Slot, ...] = EITHER
) -> Redeemed:
    return app.base.code_sign_in_with_sign_up.redeem(email, code, HOME, slots=slots)


def reason_of_failure(
    app: MailDeployment, code: str, email: EmailAddress = BOB.email, *, slots: tuple[Slot, ...] = EITHER
) -> str:
    """Redeem a code that is rejected; return the reason."""
    with pytest.raises(InvalidCode) as error:
        redeem(app, code, email, slots=slots)
    return str(error.value)


def stored_code(app: MailDeployment, slot: Slot, email: str = BOB.email) -> OneTimeCode | None:
    return app.codes.read(app.base.store.get(app.codes.key(slot, digest(email))))


def is_spent(app: MailDeployment, slot: Slot, email: str = BOB.email) -> bool:
    code = stored_code(app, slot, email)
    assert code is not None
    return code.spent_at is not None


def sign_up_job(app: MailDeployment, email: str = NEW_EMAIL) -> MailJob:
    payload = {SLOT: Slot.RECOVERY.value, NEW_USER_NAME: "New", NEW_USER_METADATA: METADATA}
    return replace(app.job(MailKind.SIGN_IN_CODE, email), payload=payload)


def sign_up_code(app: MailDeployment, email: str = NEW_EMAIL) -> str:
    """Have a code mailed to an address without an account, which creates the account; return it."""
    app.deliver(sign_up_job(app, email))
    return code_in(app.outbox.last)


def account_of(app: MailDeployment, email: str = NEW_EMAIL) -> User | None:
    user_id = app.users.find_id(Name.EMAIL, email)
    return None if user_id is None else app.users.find(user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The codes in both slots of Bob's address."""

    confirmation: str
    recovery: str


def both_codes(app: MailDeployment) -> Codes:
    app.register()
    confirmation = app.mailed_code(kind=MailKind.VERIFICATION_CODE)
    return Codes(confirmation=confirmation, recovery=app.mailed_code(kind=MailKind.RECOVERY_CODE))
