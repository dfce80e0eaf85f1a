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
    post: MailDeployment, order: tuple[MailKind, MailKind]
) -> None:
    session = post.register_verified()
    codes, addresses = request_change(post, session), {CURRENT_CODE: BOB.email, NEW_CODE: str(NEW_EMAIL)}

    half = confirm(post, addresses[order[0]], codes[order[0]])
    assert isinstance(half, HalfConfirmed)
    assert half.user == current_user(post, session)
    assert half.user.email == BOB.email

    signed_in = confirm(post, addresses[order[1]], codes[order[1]])
    assert isinstance(signed_in, SignedIn)
    after = current_user(post, session)
    assert after == signed_in.user
    assert (after.email, after.email_as_typed, after.email_verified_at) == (
        "bob@new.example",
        "Bob@New.example",
        post.base.clock(),
    )
    assert (after.new_email, after.new_email_as_typed, after.email_change_sent_at, after.email_change_confirmed) == (
        None,
        None,
        None,
        None,
    )
    assert after.last_sign_in_at == post.base.clock()
    assert post.users.find_id(Name.EMAIL, NEW_EMAIL) == after.user_id
    assert post.users.find_id(Name.EMAIL, BOB.email) is None
    assert session_works(post, signed_in)
    family = post.base.families.read(post.base.store.get(post.base.families.key(after.user_id, signed_in.family_id)))
    assert family is not None
    assert family.amr == (Authentication(method="otp", at=post.base.clock()),)


def test_a_change_keeps_sessions_and_password(post: MailDeployment) -> None:
    session = post.register_verified()

    change_address(post, session)

    assert session_works(post, session)
    assert password_works(post, email=str(NEW_EMAIL))
    assert not password_works(post, email=BOB.email)


def test_an_unverified_current_address_need_not_confirm(post: MailDeployment) -> None:
    session = post.register()
    codes = request_change(post, session)
    assert codes.keys() == {NEW_CODE}

    assert isinstance(confirm(post, NEW_EMAIL, codes[NEW_CODE]), SignedIn)

    assert current_user(post, session).email_verified_at == post.base.clock()


def test_a_current_address_that_is_verified_meanwhile_must_confirm(post: MailDeployment) -> None:
    session = post.register()
    codes = request_change(post, session)
    post.change(session.user, email_verified_at=1)

    assert isinstance(confirm(post, NEW_EMAIL, codes[NEW_CODE]), HalfConfirmed)

    assert current_user(post, session).email == BOB.email


def test_a_guest_becomes_a_registered_account(post: MailDeployment, database: Database) -> None:
    guest = post.guests.admit(HOME)

    signed_in = change_address(post, guest)

    after = current_user(post, guest)
    assert after == signed_in.user
    assert (after.is_anonymous, after.expires_at, after.credit_balance, after.email) == (False, None, 5000, NEW_EMAIL)
    assert after.number is not None
    assert post.users.find_id(Name.NUMBER, after.number) == after.user_id
    (account,) = [item for item in database.items("Users") if item["sk"] == "ACCOUNT"]
    assert account["created_month"] == "2026-01"
    assert "expires_at" not in account
    assert session_works(post, guest)
    assert not post.base.sessions.refresh(guest.tokens.refresh_token).user.is_anonymous


def test_a_taken_number_is_drawn_again_for_a_guest(post: MailDeployment) -> None:
    taken = post.register(ALICE).user.number
    numbers = iter([taken, taken, 4711])
    post = post.with_parts(new_number=lambda: next(numbers))
    guest = post.guests.admit(HOME)

    assert change_address(post, guest).user.number == 4711


def test_a_change_keeps_the_google_identity(post: MailDeployment) -> None:
    identity = VerifiedIdentity(provider=GOOGLE, subject="1001", email=BOB.email, name="Bob")
    session = post.google.sign_in(identity, HOME)

    change_address(post, session)

    second = post.google.sign_in(identity, HOME)
    assert (second.user.user_id, second.user.email) == (session.user.user_id, NEW_EMAIL)


def test_the_old_address_can_be_registered_again(post: MailDeployment) -> None:
    session = post.register_verified()
    change_address(post, session)

    strangers_session = post.register()

    assert strangers_session.user.user_id != session.user.user_id
    assert session_works(post, session)


def test_an_address_can_be_changed_again_and_changed_back(post: MailDeployment) -> None:
    session = post.register_verified()
    change_address(post, session)
    for email in (OTHER_EMAIL, EmailAddress(BOB.email)):
        post.base.clock.advance(timedelta(minutes=2))
        change_address(post, session, email)

    assert current_user(post, session).email == BOB.email
    assert post.users.find_id(Name.EMAIL, NEW_EMAIL) is None
