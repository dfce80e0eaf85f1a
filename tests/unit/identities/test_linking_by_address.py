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
    post: MailDeployment, database: Database
) -> None:
    strangers_session = post.register(BOB)

    owners_session = sign_in(post)

    assert owners_session.user.user_id == strangers_session.user.user_id
    assert owners_session.user == post.user(owners_session.user.user_id)
    assert (owners_session.user.subjects, owners_session.user.email_verified_at) == (
        {GOOGLE: BOB_SUBJECT},
        post.base.clock(),
    )
    assert session_works(post, owners_session)
    assert not session_works(post, strangers_session)
    with pytest.raises(SessionEnded):
        post.base.sessions.refresh(strangers_session.tokens.refresh_token)
    assert not password_works(post)
    assert account_count(database) == 1
    assert post.base.recorded.events[-1] == "identity_linked"


def test_linking_to_a_verified_account_keeps_its_password_and_sessions(post: MailDeployment) -> None:
    registered = post.register(BOB)
    verify_address(post)
    post.base.clock.advance(timedelta(seconds=5))

    linked = sign_in(post)

    assert linked.user.user_id == registered.user.user_id
    assert linked.user == post.user(linked.user.user_id)
    assert linked.user.updated_at == post.base.clock()
    assert session_works(post, registered)
    assert password_works(post)


@in_memory_only
def test_the_next_sign_in_after_linking_changes_only_its_time(post: MailDeployment) -> None:
    registered = post.register(BOB)
    verify_address(post)
    sign_in(post)
    before = post.user(registered.user.user_id)
    post.base.clock.advance(timedelta(seconds=5))

    next_session = sign_in(post)

    assert post.user(next_session.user.user_id) == replace(before, last_sign_in_at=post.base.clock())


def test_linking_does_not_overwrite_name_and_address(post_in_memory: MailDeployment) -> None:
    registered = post_in_memory.register(BOB)

    linked = sign_in(post_in_memory, replace(BOB_AT_GOOGLE, email="BOB@EXAMPLE.COM", name="Robert"))

    assert linked.user.user_id == registered.user.user_id
    assert (linked.user.name, linked.user.email_as_typed) == (BOB.name, BOB.email)


def test_a_session_opened_while_the_owner_links_is_ended(post: MailDeployment) -> None:
    post.register(BOB)
    strangers_session: list[SignedIn] = []
    meanwhile = post.meanwhile(
        lambda: strangers_session.append(post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)),
    )

    owners_session = sign_in(meanwhile)

    assert [session_works(post, session) for session in (*strangers_session, owners_session)] == [False, True]


def test_linking_is_retried_when_the_epoch_of_the_account_changes(post: MailDeployment) -> None:
    bob = post.register(BOB).user
    meanwhile = post.meanwhile(lambda: post.end_sessions(bob))

    assert session_works(post, sign_in(meanwhile))


# Addresses that the provider has not verified

UNVERIFIED = replace(BOB_AT_GOOGLE, email_verified=False)


@pytest.mark.covers("108")
@pytest.mark.parametrize("email", ["Bob@Example.com", "", "no address"])
@pytest.mark.parametrize("before", ["no account", "registered", "linked to another identity"])
def test_an_unknown_identity_with_an_unverified_address_is_rejected(
    post: MailDeployment, database: Database, before: str, email: str
) -> None:
    if before == "registered":
        post.register(BOB)
    if before == "linked to another identity":
        sign_in(post, OTHER_SUBJECT)
    tables = ("Users", "RefreshTokenFamilies", "RateLimits")
    items = [database.items(table) for table in tables]

    with pytest.raises(ProviderEmailUnverified) as error:
        sign_in(post, replace(UNVERIFIED, email=email))

    assert error.value.code == "provider_email_needs_verification"
    assert [database.items(table) for table in tables] == items


@pytest.mark.parametrize("email", ["Bob@Example.com", "", "no address", "alice@example.com"])
def test_a_known_identity_can_sign_in_with_any_unverified_address(post: MailDeployment, email: str) -> None:
    post.register(ALICE)
    first = sign_in(post)

    second = sign_in(post, replace(UNVERIFIED, email=email))

    assert second.user.user_id == first.user.user_id
    assert session_works(post, second)


@pytest.mark.covers("108")
def test_an_identity_with_an_unverified_address_that_is_unlinked_meanwhile_is_not_linked_again(
    post: MailDeployment,
) -> None:
    user = sign_in(post).user
    meanwhile = post.meanwhile(
        before=lambda call: call.keys[0].pk.startswith("USER#"),  # after the identity was looked up
        happens=lambda: post.base.store.commit(*post.users.unlinking(user, GOOGLE, {})),
    )

    with pytest.raises(ProviderEmailUnverified):
        sign_in(meanwhile, UNVERIFIED)

    assert post.user(user.user_id).subjects == {}


# Disabled accounts and resets


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "not linked"])
def test_a_disabled_account_cannot_sign_in(post: MailDeployment, database: Database, *, linked: bool) -> None:
    user = (sign_in(post) if linked else post.register(BOB)).user
    post.disable(user)
    before = len(database.items("RefreshTokenFamilies"))

    with pytest.raises(AccountDisabled) as error:
        sign_in(post)

    assert error.value.user_id == user.user_id
    assert len(database.items("RefreshTokenFamilies")) == before


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "not linked"])
def test_an_account_that_is_disabled_meanwhile_cannot_sign_in(
    post: MailDeployment, database: Database, *, linked: bool
) -> None:
    user = (sign_in(post) if linked else post.register(BOB)).user
    before = len(database.items("RefreshTokenFamilies"))
    meanwhile = post.meanwhile(
        lambda: disable_without_new_epoch(post, user.user_id),
    )

    with pytest.raises(AccountDisabled):
        sign_in(meanwhile)

    assert len(database.items("RefreshTokenFamilies")) == before


@pytest.mark.covers("F11")
def test_a_sign_in_succeeds_after_a_reset_during_it(post: MailDeployment) -> None:
    user = sign_in(post).user
    meanwhile = post.meanwhile(lambda: post.end_sessions(user))

    assert session_works(post, sign_in(meanwhile))


@pytest.mark.covers("107")
def test_of_two_identities_that_link_to_one_account_at_once_the_first_one_wins(
    post: MailDeployment, database: Database
) -> None:
    """Linking does not raise the epoch of an account with a verified address."""
    post.register(BOB)
    verify_address(post)
    meanwhile = post.meanwhile(lambda: sign_in(post, OTHER_SUBJECT))

    with pytest.raises(LinkedToAnother):
        sign_in(meanwhile)

    assert [item["pk"] for item in database.items("Users", "IDENTITY#")] == [f"IDENTITY#google#{OTHER_SUBJECT.subject}"]
    assert session_works(post, sign_in(post, OTHER_SUBJECT))
