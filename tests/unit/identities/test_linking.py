"""gerbang.accounts.linked_identities: a signed-in user links identities of providers."""

from copy import replace

import pytest
from gerbang.accounts.identity_sign_in import LinkedToAnother, VerifiedIdentity
from gerbang.accounts.sign_up_policy import ManualLinkingDisabled
from gerbang.mail.jobs import MailKind
from gerbang.sessions.email_policy import EmailNotVerified, UnverifiedAddress
from gerbang.storage.accounts import Name

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, HOUR, MINUTE, Choices
from tests.fakes import Numbers
from tests.unit.access import password_works, session_works
from tests.unit.identities.linking_steps import (
    APPLE_IDENTITY,
    GOOGLE_IDENTITY,
    UNVERIFIED,
    caller_of,
    current_user,
    link,
    mail_kinds,
    sign_in_with,
    unlink,
)
from tests.unit.mail_deployment import MailDeployment

# Linking


@pytest.mark.parametrize("identity", [GOOGLE_IDENTITY, UNVERIFIED])
def test_a_linked_identity_signs_in_to_the_account(app: MailDeployment, identity: VerifiedIdentity) -> None:
    session = app.register_verified()

    linked = link(app, session, identity)

    assert linked.user == current_user(app, session)
    assert linked.user.subjects == {"google": "1001"}
    assert (linked.user.email, linked.user.name) == (BOB.email, "Bob")
    assert sign_in_with(app, identity) == session.user.user_id
    [stored] = app.users.identities_of(linked.user)
    assert (stored.provider, stored.subject, stored.email) == ("google", "1001", "Bob@Work.example")


def test_linking_keeps_the_session_of_the_caller(app: MailDeployment) -> None:
    session = app.register_verified()
    before = caller_of(app, session).family
    app.base.clock.advance(MINUTE)

    linked = link(app, session)

    family = caller_of(app, linked).family
    assert linked.family_id == session.family_id
    assert linked.tokens.refresh_token == session.tokens.refresh_token
    assert family.created_at == before.created_at
    assert [each.method for each in family.amr] == ["password", "oauth"]
    assert session_works(app, session)
    assert session_works(app, app.base.sessions.refresh(session.tokens.refresh_token))


def test_linking_a_linked_identity_again_changes_nothing(app: MailDeployment) -> None:
    session = app.register_verified()
    link(app, session)
    before = current_user(app, session)
    app.base.clock.advance(HOUR / 2)

    linked_again = link(app, session)

    assert linked_again.user == before == current_user(app, session)
    assert session_works(app, linked_again)
    assert mail_kinds(app) == [MailKind.IDENTITY_LINKED]


def test_an_identity_of_another_account_cannot_be_linked(app: MailDeployment) -> None:
    session = app.register_verified()
    other_user_id = sign_in_with(app, GOOGLE_IDENTITY)

    with pytest.raises(LinkedToAnother):
        link(app, session)

    assert current_user(app, session).subjects == {}
    assert sign_in_with(app, GOOGLE_IDENTITY) == other_user_id


def test_an_account_can_have_one_identity_of_each_provider(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.register_verified()
    link(app_in_memory, session)
    link(app_in_memory, session, APPLE_IDENTITY)

    with pytest.raises(LinkedToAnother):
        link(app_in_memory, session, replace(GOOGLE_IDENTITY, subject="1002"))

    assert current_user(app_in_memory, session).subjects == {"google": "1001", "apple": "2001"}


def test_an_account_with_an_unverified_address_cannot_link_an_identity_with_another_address(
    app_in_memory: MailDeployment,
) -> None:
    session = app_in_memory.register(BOB)

    for identity in (GOOGLE_IDENTITY, replace(UNVERIFIED, email=BOB.email)):
        with pytest.raises(EmailNotVerified):
            link(app_in_memory, session, identity)

    assert current_user(app_in_memory, session).subjects == {}


def test_an_identity_with_the_unverified_address_verifies_it_and_keeps_the_password(app: MailDeployment) -> None:
    session = app.register(BOB)

    linked = link(app, session, replace(GOOGLE_IDENTITY, email="Bob@Example.com"))

    assert linked.user.email_verified_at == app.base.clock()
    assert linked.user == current_user(app, session)
    assert password_works(app)
    assert session_works(app, session)


def test_with_manual_linking_disabled_linking_and_unlinking_are_rejected(app_in_memory: MailDeployment) -> None:
    app = app_in_memory.with_choices(Choices(manual_linking=False))
    session = app.register_verified()

    for step in (link, unlink):
        with pytest.raises(ManualLinkingDisabled):
            step(app, session)


# Guests


def test_a_guest_becomes_a_registered_account_with_the_address_of_the_identity(
    app: MailDeployment, database: Database
) -> None:
    guest = app.guests.admit(HOME, role="authenticated")
    app.base.clock.advance(MINUTE)

    linked = link(app, guest)

    user = linked.user
    assert user == current_user(app, guest)
    assert user.user_id == guest.user.user_id
    assert (user.is_anonymous, user.expires_at, user.name) == (False, None, "Bob Martin")
    assert (user.email, user.email_as_typed) == ("bob@work.example", "Bob@Work.example")
    assert (user.email_verified_at, user.credit_balance) == (app.base.clock(), 5000)
    assert user.number is not None
    [account] = [item for item in database.items("Users", "USER#") if item["sk"] == "ACCOUNT"]
    assert "created_month" in account
    assert "expires_at" not in account
    assert app.users.find_id(Name.EMAIL, "bob@work.example") == user.user_id
    assert app.users.find_id(Name.NUMBER, user.number) == user.user_id
    assert mail_kinds(app) == []
    assert {"registered", "identity_linked"} <= set(app.base.recorded.events)


@pytest.mark.parametrize(
    "identity", [replace(GOOGLE_IDENTITY, email=BOB.email), UNVERIFIED, replace(GOOGLE_IDENTITY, email="bob")]
)
def test_a_guest_gets_no_taken_unverified_or_invalid_address(app: MailDeployment, identity: VerifiedIdentity) -> None:
    owner = app.register_verified()
    guest = app.guests.admit(HOME)

    linked = link(app, guest, identity)

    user = linked.user
    assert user == current_user(app, guest)
    assert (user.is_anonymous, user.expires_at, user.email, user.email_verified_at) == (False, None, None, None)
    assert user.number is not None
    assert sign_in_with(app, identity) == guest.user.user_id
    assert app.users.find_id(Name.EMAIL, BOB.email) == owner.user.user_id


def test_a_taken_number_is_drawn_again(app: MailDeployment) -> None:
    alice = app.register(ALICE).user
    assert alice.number is not None
    base = replace(app.base, new_number=Numbers(alice.number, 77))

    assert link(replace(app, base=base), app.guests.admit(HOME)).user.number == 77


def test_an_account_without_an_address_gets_the_address_of_its_next_identity(app_in_memory: MailDeployment) -> None:
    guest = app_in_memory.guests.admit(HOME)
    link(app_in_memory, guest, UNVERIFIED)

    linked = link(app_in_memory, guest, APPLE_IDENTITY)

    assert (linked.user.email, linked.user.number) == (
        "bob@private.example",
        current_user(app_in_memory, guest).number,
    )
    assert linked.user.credit_balance == 5000


def test_an_account_without_an_address_can_refresh_where_addresses_must_be_verified(
    app_in_memory: MailDeployment,
) -> None:
    base = replace(app_in_memory.base, choices=Choices(unverified=UnverifiedAddress.REFUSED))
    app = replace(app_in_memory, base=base)

    linked = link(app, app.guests.admit(HOME), UNVERIFIED)

    assert session_works(app, app.base.sessions.refresh(linked.tokens.refresh_token))
