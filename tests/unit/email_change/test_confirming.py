"""gerbang.accounts.email_change: an address changes when the current and the new address have confirmed it."""

from datetime import timedelta

import pytest
from gerbang.accounts.email_change import HalfConfirmed
from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity
from gerbang.core.emails import EmailAddress
from gerbang.mail.jobs import MailKind
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name
from gerbang.storage.families import Authentication

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME
from tests.unit.access import password_works, session_works
from tests.unit.email_change.steps import (
    CURRENT_CODE,
    NEW_CODE,
    NEW_EMAIL,
    OTHER_EMAIL,
    change_address,
    confirm,
    current_user,
    request_change,
)
from tests.unit.mail_deployment import MailDeployment


@pytest.mark.parametrize("order", [(CURRENT_CODE, NEW_CODE), (NEW_CODE, CURRENT_CODE)])
def test_both_addresses_confirm_in_any_order_and_the_second_confirmation_opens_a_session(
    app: MailDeployment, order: tuple[MailKind, MailKind]
) -> None:
    session = app.register_verified()
    codes, addresses = request_change(app, session), {CURRENT_CODE: BOB.email, NEW_CODE: str(NEW_EMAIL)}

    half = confirm(app, addresses[order[0]], codes[order[0]])
    assert isinstance(half, HalfConfirmed)
    assert half.user == current_user(app, session)
    assert half.user.email == BOB.email

    signed_in = confirm(app, addresses[order[1]], codes[order[1]])
    assert isinstance(signed_in, SignedIn)
    after = current_user(app, session)
    assert after == signed_in.user
    assert (after.email, after.email_as_typed, after.email_verified_at) == (
        "bob@new.example",
        "Bob@New.example",
        app.base.clock(),
    )
    assert (after.new_email, after.new_email_as_typed, after.email_change_sent_at, after.email_change_confirmed) == (
        None,
        None,
        None,
        None,
    )
    assert after.last_sign_in_at == app.base.clock()
    assert app.users.find_id(Name.EMAIL, NEW_EMAIL) == after.user_id
    assert app.users.find_id(Name.EMAIL, BOB.email) is None
    assert session_works(app, signed_in)
    family = app.base.families.read(app.base.store.get(app.base.families.key(after.user_id, signed_in.family_id)))
    assert family is not None
    assert family.amr == (Authentication(method="otp", at=app.base.clock()),)


def test_a_change_keeps_sessions_and_password(app: MailDeployment) -> None:
    session = app.register_verified()

    change_address(app, session)

    assert session_works(app, session)
    assert password_works(app, email=str(NEW_EMAIL))
    assert not password_works(app, email=BOB.email)


def test_an_unverified_current_address_need_not_confirm(app: MailDeployment) -> None:
    session = app.register()
    codes = request_change(app, session)
    assert codes.keys() == {NEW_CODE}

    assert isinstance(confirm(app, NEW_EMAIL, codes[NEW_CODE]), SignedIn)

    assert current_user(app, session).email_verified_at == app.base.clock()


def test_a_current_address_that_is_verified_meanwhile_must_confirm(app: MailDeployment) -> None:
    session = app.register()
    codes = request_change(app, session)
    app.change(session.user, email_verified_at=1)

    assert isinstance(confirm(app, NEW_EMAIL, codes[NEW_CODE]), HalfConfirmed)

    assert current_user(app, session).email == BOB.email


def test_a_guest_becomes_a_registered_account(app: MailDeployment, database: Database) -> None:
    guest = app.guests.admit(HOME)

    signed_in = change_address(app, guest)

    after = current_user(app, guest)
    assert after == signed_in.user
    assert (after.is_anonymous, after.expires_at, after.credit_balance, after.email) == (False, None, 5000, NEW_EMAIL)
    assert after.number is not None
    assert app.users.find_id(Name.NUMBER, after.number) == after.user_id
    (account,) = [item for item in database.items("Users") if item["sk"] == "ACCOUNT"]
    assert account["created_month"] == "2026-01"
    assert "expires_at" not in account
    assert session_works(app, guest)
    assert not app.base.sessions.refresh(guest.tokens.refresh_token).user.is_anonymous


def test_a_taken_number_is_drawn_again_for_a_guest(app: MailDeployment) -> None:
    taken = app.register(ALICE).user.number
    numbers = iter([taken, taken, 4711])
    app = app.with_parts(new_number=lambda: next(numbers))
    guest = app.guests.admit(HOME)

    assert change_address(app, guest).user.number == 4711


def test_a_change_keeps_the_google_identity(app: MailDeployment) -> None:
    identity = VerifiedIdentity(provider=GOOGLE, subject="1001", email=BOB.email, name="Bob")
    session = app.google.sign_in(identity, HOME)

    change_address(app, session)

    second = app.google.sign_in(identity, HOME)
    assert (second.user.user_id, second.user.email) == (session.user.user_id, NEW_EMAIL)


def test_the_old_address_can_be_registered_again(app: MailDeployment) -> None:
    session = app.register_verified()
    change_address(app, session)

    strangers_session = app.register()

    assert strangers_session.user.user_id != session.user.user_id
    assert session_works(app, session)


def test_an_address_can_be_changed_again_and_changed_back(app: MailDeployment) -> None:
    session = app.register_verified()
    change_address(app, session)
    for email in (OTHER_EMAIL, EmailAddress(BOB.email)):
        app.base.clock.advance(timedelta(minutes=2))
        change_address(app, session, email)

    assert current_user(app, session).email == BOB.email
    assert app.users.find_id(Name.EMAIL, NEW_EMAIL) is None
