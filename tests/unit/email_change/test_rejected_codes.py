"""gerbang.accounts.email_change: which codes are rejected, and how tries are limited."""

from copy import replace
from datetime import timedelta

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.email_change import HalfConfirmed
from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity
from gerbang.accounts.user_update import UserChanges
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.codes import CODE_LIFETIME, InvalidResetToken
from gerbang.mail.jobs import MailKind
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.one_time_codes import Slot

from tests.deployment import BOB, HOME
from tests.unit.email_change.steps import (
    CURRENT_CODE,
    NEW_CODE,
    NEW_EMAIL,
    OTHER_EMAIL,
    change_address,
    confirm,
    current_user,
    deliver_from,
    request_change,
)
from tests.unit.mail_deployment import MailDeployment
from tests.unit.mail_fakes import wrong_code


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12 456", "١٢٣٤٥٦", "abcdef"])
def test_a_malformed_code_is_rejected_and_not_counted(app_in_memory: MailDeployment, code: str) -> None:
    with pytest.raises(InvalidCode):
        confirm(app_in_memory, NEW_EMAIL, code)

    assert not app_in_memory.base.recorded.events


def test_a_code_works_once(app: MailDeployment) -> None:
    session = app.register_verified()
    codes = request_change(app, session)
    confirm(app, BOB.email, codes[CURRENT_CODE])

    with pytest.raises(InvalidCode):
        confirm(app, BOB.email, codes[CURRENT_CODE])

    confirm(app, NEW_EMAIL, codes[NEW_CODE])
    for email, kind in ((BOB.email, CURRENT_CODE), (str(NEW_EMAIL), NEW_CODE)):
        with pytest.raises(InvalidCode):
            confirm(app, email, codes[kind])


def test_a_code_works_only_for_its_own_address(app: MailDeployment) -> None:
    codes = request_change(app, app.register_verified())
    assert codes[CURRENT_CODE] != codes[NEW_CODE]

    for email, code in (
        (BOB.email, codes[NEW_CODE]),
        (str(NEW_EMAIL), codes[CURRENT_CODE]),
        ("x@y.example", codes[NEW_CODE]),
    ):
        with pytest.raises(InvalidCode):
            confirm(app, email, code)


def test_a_code_expires_after_ten_minutes(app: MailDeployment) -> None:
    session = app.register_verified()
    codes = request_change(app, session)
    app.base.clock.advance(CODE_LIFETIME)

    for email, kind in ((BOB.email, CURRENT_CODE), (str(NEW_EMAIL), NEW_CODE)):
        with pytest.raises(InvalidCode):
            confirm(app, email, codes[kind])


def test_a_code_for_one_change_does_not_confirm_the_next(app: MailDeployment) -> None:
    """Otherwise the owner's code for one change would confirm another one that a session thief requests."""
    session = app.register_verified()
    codes = request_change(app, session)
    app.base.clock.advance(timedelta(minutes=1))
    caller = app.base.sessions.authenticate(session.tokens.access_token)
    app.base.user_update.update(caller, UserChanges(email=OTHER_EMAIL), HOME, PasswordPolicy())

    for email, kind in ((BOB.email, CURRENT_CODE), (str(NEW_EMAIL), NEW_CODE), (str(OTHER_EMAIL), NEW_CODE)):
        with pytest.raises(InvalidCode):
            confirm(app, email, codes[kind])


def test_a_new_request_must_be_confirmed_at_both_addresses_again(app: MailDeployment) -> None:
    session = app.register_verified()
    confirm(app, BOB.email, request_change(app, session)[CURRENT_CODE])
    app.base.clock.advance(timedelta(minutes=1))

    codes = request_change(app, session, OTHER_EMAIL)

    assert isinstance(confirm(app, OTHER_EMAIL, codes[NEW_CODE]), HalfConfirmed)


@pytest.mark.parametrize("what", ["reset", "password", "sign-out"])
def test_a_reset_a_new_password_or_a_sign_out_everywhere_invalidates_both_codes(app: MailDeployment, what: str) -> None:
    session = app.register_verified()
    codes = request_change(app, session)
    if what == "reset":
        token = app.mailed_token()
        app.password_reset.reset(token, "Another horse 2", client=HOME, policy=PasswordPolicy())
    elif what == "password":
        caller = app.base.sessions.authenticate(session.tokens.access_token)
        app.base.user_update.update(caller, UserChanges(password="Another horse 2"), HOME, PasswordPolicy())
    else:
        app.change(session.user, epoch=session.user.epoch + 1)

    for email, kind in ((BOB.email, CURRENT_CODE), (str(NEW_EMAIL), NEW_CODE)):
        with pytest.raises(InvalidCode):
            confirm(app, email, codes[kind])
    assert current_user(app, session).email == BOB.email


def test_a_reset_between_the_two_codes_invalidates_the_second(app: MailDeployment) -> None:
    session = app.register_verified()
    codes = request_change(app, session)
    confirm(app, BOB.email, codes[CURRENT_CODE])
    app.password_reset.reset(app.mailed_token(), "Another horse 2", client=HOME, policy=PasswordPolicy())

    with pytest.raises(InvalidCode):
        confirm(app, NEW_EMAIL, codes[NEW_CODE])


@pytest.mark.parametrize("what", ["reset", "password", "change", "code", "recovery", "identity"])
def test_proof_by_the_owner_of_the_address_cancels_the_change_of_a_stranger(app: MailDeployment, what: str) -> None:
    """Otherwise the stranger could have the next code mailed to their own address: `/resend` needs no token."""
    session = app.register()
    request_change(app, session)
    assert current_user(app, session).new_email is not None
    match what:
        case "reset":
            app.password_reset.reset(app.mailed_token(), "Another horse 2", client=HOME, policy=PasswordPolicy())
        case "password":
            caller = app.base.sessions.authenticate(session.tokens.access_token)
            changed = app.base.user_update.update(
                caller, UserChanges(password="Another horse 2"), HOME, PasswordPolicy()
            )
            assert changed == replace(current_user(app, session), updated_at=changed.updated_at)
            assert app.base.recorded.events.count("email_change_requested") == 1
        case "change":
            app.password_change.change(
                session.tokens.access_token,
                current=BOB.password,
                new="Another horse 2",
                client=HOME,
                policy=PasswordPolicy(),
            )
        case "identity":
            app.google.sign_in(VerifiedIdentity(provider=GOOGLE, subject="g-1", email=BOB.email, name="Bob"), HOME)
        case _:
            kind = MailKind.RECOVERY_CODE if what == "recovery" else MailKind.SIGN_IN_CODE
            slot = Slot.RECOVERY if what == "recovery" else Slot.EMAIL
            redeemed = app.code_sign_in.redeem(BOB.email, app.mailed_code(kind=kind), HOME, slots=(slot,))
            assert redeemed.signed_in.user == current_user(app, session)

    after = current_user(app, session)
    assert (after.new_email, after.new_email_as_typed, after.email_change_sent_at) == (None, None, None)
    app.base.clock.advance(timedelta(minutes=1))
    before = len(app.queue.jobs)
    app.base.email_change_mails.request_again(BOB.email, None, HOME.address)
    assert deliver_from(app, before).keys() == set()


def test_one_request_can_change_address_and_password(app: MailDeployment) -> None:
    session = app.register_verified()
    caller = app.base.sessions.authenticate(session.tokens.access_token)
    changes = UserChanges(email=NEW_EMAIL, password="Another horse 2")

    app.base.user_update.update(caller, changes, HOME, PasswordPolicy())

    assert app.queue.jobs.pop().kind is MailKind.PASSWORD_CHANGED
    codes = deliver_from(app, 0)
    confirm(app, BOB.email, codes[CURRENT_CODE])
    assert isinstance(confirm(app, NEW_EMAIL, codes[NEW_CODE]), SignedIn)


def test_codes_of_a_disabled_account_are_rejected(app: MailDeployment) -> None:
    session = app.register_verified()
    codes = request_change(app, session)
    app.disable(session.user)

    with pytest.raises(InvalidCode):
        confirm(app, NEW_EMAIL, codes[NEW_CODE])


def test_codes_of_an_expired_guest_are_rejected(app: MailDeployment) -> None:
    guest = app.guests.admit(HOME)
    codes = request_change(app, guest)
    app.change(guest.user, expires_at=1)

    with pytest.raises(InvalidCode):
        confirm(app, NEW_EMAIL, codes[NEW_CODE])


def test_codes_and_tokens_mailed_to_the_old_address_are_rejected(app: MailDeployment) -> None:
    session = app.register_verified()
    sign_in_code, token = app.mailed_code(), app.mailed_token()

    change_address(app, session)

    for email in (BOB.email, NEW_EMAIL):
        with pytest.raises(InvalidCode):
            app.code_sign_in.sign_in(email, sign_in_code, HOME)
    with pytest.raises(InvalidResetToken):
        app.password_reset.reset(token, "Another horse 2", client=HOME, policy=PasswordPolicy())


def test_a_code_for_a_change_cannot_be_used_to_sign_in(app: MailDeployment) -> None:
    codes = request_change(app, app.register_verified())

    with pytest.raises(InvalidCode):
        app.code_sign_in.sign_in(BOB.email, codes[CURRENT_CODE], HOME)


# Limits


def test_wrong_codes_are_counted_by_address_and_a_right_one_clears_them(app: MailDeployment) -> None:
    session = app.register_verified()
    codes = request_change(app, session)
    wrong = wrong_code(codes[NEW_CODE])
    for _ in range(4):
        with pytest.raises(InvalidCode):
            confirm(app, NEW_EMAIL, wrong)

    confirm(app, NEW_EMAIL, codes[NEW_CODE])

    for _ in range(5):
        with pytest.raises(InvalidCode):
            confirm(app, NEW_EMAIL, wrong)
    with pytest.raises(TooManyAttempts):
        confirm(app, NEW_EMAIL, codes[NEW_CODE])


def test_an_address_without_tries_left_gets_no_code(app: MailDeployment) -> None:
    session = app.register_verified()
    for _ in range(5):
        with pytest.raises(InvalidCode):
            confirm(app, NEW_EMAIL, "123456")

    with pytest.raises(TooManyAttempts):
        request_change(app, session)
