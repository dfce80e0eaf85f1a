"""gerbang.accounts.identity_sign_in: a verified address links an identity to an account (security.md 108)."""

from copy import replace
from datetime import timedelta

import pytest
from gerbang.accounts.identity_sign_in import GOOGLE, LinkedToAnother, ProviderEmailUnverified
from gerbang.accounts.verification import AccountDisabled
from gerbang.sessions.sessions import SessionEnded, SignedIn

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, by_email
from tests.unit.access import password_works, session_works
from tests.unit.identities.steps import (
    BOB_AT_GOOGLE,
    BOB_SUBJECT,
    OTHER_SUBJECT,
    account_count,
    disable_without_new_epoch,
    sign_in,
    verify_address,
)
from tests.unit.mail_deployment import MailDeployment, in_memory_only

# Accounts with a verified or an unverified address


@pytest.mark.covers("108")
def test_linking_to_an_unverified_account_removes_its_password_and_sessions(
    app: MailDeployment, database: Database
) -> None:
    strangers_session = app.register(BOB)

    owners_session = sign_in(app)

    assert owners_session.user.user_id == strangers_session.user.user_id
    assert owners_session.user == app.user(owners_session.user.user_id)
    assert (owners_session.user.subjects, owners_session.user.email_verified_at) == (
        {GOOGLE: BOB_SUBJECT},
        app.base.clock(),
    )
    assert session_works(app, owners_session)
    assert not session_works(app, strangers_session)
    with pytest.raises(SessionEnded):
        app.base.sessions.refresh(strangers_session.tokens.refresh_token)
    assert not password_works(app)
    assert account_count(database) == 1
    assert app.base.recorded.events[-1] == "identity_linked"


def test_linking_to_a_verified_account_keeps_its_password_and_sessions(app: MailDeployment) -> None:
    registered = app.register(BOB)
    verify_address(app)
    app.base.clock.advance(timedelta(seconds=5))

    linked = sign_in(app)

    assert linked.user.user_id == registered.user.user_id
    assert linked.user == app.user(linked.user.user_id)
    assert linked.user.updated_at == app.base.clock()
    assert session_works(app, registered)
    assert password_works(app)


@in_memory_only
def test_the_next_sign_in_after_linking_changes_only_its_time(app: MailDeployment) -> None:
    registered = app.register(BOB)
    verify_address(app)
    sign_in(app)
    before = app.user(registered.user.user_id)
    app.base.clock.advance(timedelta(seconds=5))

    next_session = sign_in(app)

    assert app.user(next_session.user.user_id) == replace(before, last_sign_in_at=app.base.clock())


def test_linking_does_not_overwrite_name_and_address(app_in_memory: MailDeployment) -> None:
    registered = app_in_memory.register(BOB)

    linked = sign_in(app_in_memory, replace(BOB_AT_GOOGLE, email="BOB@EXAMPLE.COM", name="Robert"))

    assert linked.user.user_id == registered.user.user_id
    assert (linked.user.name, linked.user.email_as_typed) == (BOB.name, BOB.email)


def test_a_session_opened_while_the_owner_links_is_ended(app: MailDeployment) -> None:
    app.register(BOB)
    strangers_session: list[SignedIn] = []
    meanwhile = app.meanwhile(
        lambda: strangers_session.append(app.base.sign_in.sign_in(by_email(BOB.email), ABROAD)),
    )

    owners_session = sign_in(meanwhile)

    assert [session_works(app, session) for session in (*strangers_session, owners_session)] == [False, True]


def test_linking_is_retried_when_the_epoch_of_the_account_changes(app: MailDeployment) -> None:
    bob = app.register(BOB).user
    meanwhile = app.meanwhile(lambda: app.end_sessions(bob))

    assert session_works(app, sign_in(meanwhile))


# Addresses that the provider has not verified

UNVERIFIED = replace(BOB_AT_GOOGLE, email_verified=False)


@pytest.mark.covers("108")
@pytest.mark.parametrize("email", ["Bob@Example.com", "", "no address"])
@pytest.mark.parametrize("before", ["no account", "registered", "linked to another identity"])
def test_an_unknown_identity_with_an_unverified_address_is_rejected(
    app: MailDeployment, database: Database, before: str, email: str
) -> None:
    if before == "registered":
        app.register(BOB)
    if before == "linked to another identity":
        sign_in(app, OTHER_SUBJECT)
    tables = ("Users", "RefreshTokenFamilies", "RateLimits")
    items = [database.items(table) for table in tables]

    with pytest.raises(ProviderEmailUnverified) as error:
        sign_in(app, replace(UNVERIFIED, email=email))

    assert error.value.code == "provider_email_needs_verification"
    assert [database.items(table) for table in tables] == items


@pytest.mark.parametrize("email", ["Bob@Example.com", "", "no address", "alice@example.com"])
def test_a_known_identity_can_sign_in_with_any_unverified_address(app: MailDeployment, email: str) -> None:
    app.register(ALICE)
    first = sign_in(app)

    second = sign_in(app, replace(UNVERIFIED, email=email))

    assert second.user.user_id == first.user.user_id
    assert session_works(app, second)


@pytest.mark.covers("108")
def test_an_identity_with_an_unverified_address_that_is_unlinked_meanwhile_is_not_linked_again(
    app: MailDeployment,
) -> None:
    user = sign_in(app).user
    meanwhile = app.meanwhile(
        before=lambda call: call.keys[0].pk.startswith("USER#"),  # after the identity was looked up
        happens=lambda: app.base.store.commit(*app.users.unlinking(user, GOOGLE, {})),
    )

    with pytest.raises(ProviderEmailUnverified):
        sign_in(meanwhile, UNVERIFIED)

    assert app.user(user.user_id).subjects == {}


# Disabled accounts and resets


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "not linked"])
def test_a_disabled_account_cannot_sign_in(app: MailDeployment, database: Database, *, linked: bool) -> None:
    user = (sign_in(app) if linked else app.register(BOB)).user
    app.disable(user)
    before = len(database.items("RefreshTokenFamilies"))

    with pytest.raises(AccountDisabled) as error:
        sign_in(app)

    assert error.value.user_id == user.user_id
    assert len(database.items("RefreshTokenFamilies")) == before


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "not linked"])
def test_an_account_that_is_disabled_meanwhile_cannot_sign_in(
    app: MailDeployment, database: Database, *, linked: bool
) -> None:
    user = (sign_in(app) if linked else app.register(BOB)).user
    before = len(database.items("RefreshTokenFamilies"))
    meanwhile = app.meanwhile(
        lambda: disable_without_new_epoch(app, user.user_id),
    )

    with pytest.raises(AccountDisabled):
        sign_in(meanwhile)

    assert len(database.items("RefreshTokenFamilies")) == before


@pytest.mark.covers("F11")
def test_a_sign_in_succeeds_after_a_reset_during_it(app: MailDeployment) -> None:
    user = sign_in(app).user
    meanwhile = app.meanwhile(lambda: app.end_sessions(user))

    assert session_works(app, sign_in(meanwhile))


@pytest.mark.covers("107")
def test_of_two_identities_that_link_to_one_account_at_once_the_first_one_wins(
    app: MailDeployment, database: Database
) -> None:
    """Linking does not raise the epoch of an account with a verified address."""
    app.register(BOB)
    verify_address(app)
    meanwhile = app.meanwhile(lambda: sign_in(app, OTHER_SUBJECT))

    with pytest.raises(LinkedToAnother):
        sign_in(meanwhile)

    assert [item["pk"] for item in database.items("Users", "IDENTITY#")] == [f"IDENTITY#google#{OTHER_SUBJECT.subject}"]
    assert session_works(app, sign_in(app, OTHER_SUBJECT))
