"""gerbang.accounts.guests: accounts without a name, which last as long as their session."""

import json
from base64 import urlsafe_b64decode
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.registration import NewAccount
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import NotAPerson, SessionEnded, SignedIn
from gerbang.sessions.tokens import InvalidToken
from gerbang.storage.store import Delete

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, HOME, PASSWORD, Choices, by_email
from tests.fakes import FakeClock, MemoryStore, at_once
from tests.unit.mail_fakes import (
    MailDeployment,
    Scene,
    calls_of,
    every_mishap,
    in_memory_only,
    mailing_in_memory,
)

SECOND = timedelta(seconds=1)
LIFETIME = Choices().lifetime


def admit(post: MailDeployment) -> SignedIn:
    return post.guests.admit(HOME)


def refresh(post: MailDeployment, held: SignedIn) -> SignedIn:
    return post.base.sessions.refresh(held.tokens.refresh_token)


def claims_of(held: SignedIn) -> dict[str, Any]:
    payload = held.tokens.access_token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def account_of(database: Database, held: SignedIn) -> dict[str, Any]:
    (item,) = database.items("Users", f"USER#{held.user.user_id}")
    return dict(item)


# Who a guest is: security.md 113


def test_a_guest_has_an_id_of_its_own_and_no_name(post: MailDeployment, database: Database) -> None:
    first, second = admit(post), admit(post)

    assert first.user.user_id != second.user.user_id
    standing = post.base.sessions.authenticate(first.tokens.access_token)
    assert standing.user == first.user
    assert standing.family.method == "anonymous"
    assert (standing.user.name, standing.user.email, standing.user.number) == ("", None, None)
    assert {str(item["pk"]).partition("#")[0] for item in database.items("Users")} == {"USER"}  # no markers


def test_the_token_of_a_guest_says_that_it_is_one(post_in_memory: MailDeployment) -> None:
    guest = admit(post_in_memory)

    for held in (guest, refresh(post_in_memory, guest)):
        claims = claims_of(held)
        assert (claims["role"], claims["is_anonymous"], claims["email"]) == ("anonymous", True, "")
        assert claims["sub"] == guest.user.user_id


def test_a_guest_is_let_in_by_one_transaction(post_in_memory: MailDeployment) -> None:
    assert [method for method, _ in calls_of(post_in_memory, admit)] == ["commit", "write"]


# How long a guest lasts


def test_ttl_sweeps_a_guest_when_its_session_can_no_longer_be_refreshed(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    guest = admit(post)

    assert account_of(database, guest)["expires_at"] == to_epoch(clock() + LIFETIME)
    (family,) = database.items("RefreshTokenFamilies")
    assert family["expires_at"] == to_epoch(clock() + LIFETIME)


def test_a_refresh_moves_the_guests_end_with_the_sessions(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    guest = admit(post)
    for _ in range(3):
        clock.advance(LIFETIME - SECOND)
        guest = refresh(post, guest)

    assert account_of(database, guest)["expires_at"] == to_epoch(clock() + LIFETIME)
    assert post.base.sessions.authenticate(guest.tokens.access_token).user.is_anonymous


@in_memory_only
def test_no_refresh_moves_a_guests_end_past_the_longest_session(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    base = replace(post.base, choices=Choices(longest=LIFETIME + timedelta(days=1)))
    post = replace(post, base=base)
    admitted_at = clock()
    guest = admit(post)
    clock.advance(LIFETIME - SECOND)

    refresh(post, guest)

    assert account_of(database, guest)["expires_at"] == to_epoch(admitted_at + LIFETIME + timedelta(days=1))


def test_a_guest_past_its_end_cannot_refresh_though_its_items_are_still_there(  # F35
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    guest = admit(post)
    clock.advance(LIFETIME - SECOND)
    late = refresh(post, guest)
    clock.advance(LIFETIME)

    with pytest.raises(InvalidToken):
        refresh(post, late)

    assert not post.user(guest.user.user_id).may_sign_in(clock())
    assert database.items("RefreshTokenFamilies")


def test_a_guest_that_was_swept_cannot_refresh_and_is_not_revived(post: MailDeployment, database: Database) -> None:
    guest = admit(post)
    post.base.store.write(Delete(post.base.users.key(guest.user.user_id)))

    with pytest.raises(SessionEnded):
        refresh(post, guest)
    with pytest.raises(SessionEnded):
        post.base.sessions.authenticate(guest.tokens.access_token)

    assert database.items("Users") == []


@in_memory_only
def test_a_guest_that_signs_out_is_out(post: MailDeployment) -> None:
    guest = admit(post)

    post.base.sessions.close(guest.tokens.access_token)

    with pytest.raises(SessionEnded):
        post.base.sessions.authenticate(guest.tokens.access_token)
    with pytest.raises(SessionEnded):
        refresh(post, guest)


# What a guest may: security.md 115


def test_a_guest_opens_nothing_that_needs_a_person(post_in_memory: MailDeployment) -> None:
    guest = admit(post_in_memory)
    token = guest.tokens.access_token
    acme = post_in_memory.register(ALICE).user.organization_id
    assert acme is not None

    with pytest.raises(NotAPerson):
        post_in_memory.base.sessions.authenticate_person(token)
    with pytest.raises(NotAPerson):
        post_in_memory.password_change.change(
            token, current="", new="A new password 1", client=HOME, policy=PasswordPolicy()
        )
    with pytest.raises(NotAMember):
        post_in_memory.base.authorizer.authorize(token, acme)


def test_nobody_can_sign_in_as_a_guest(post_in_memory: MailDeployment) -> None:
    guest = admit(post_in_memory)

    for name in ("", guest.user.user_id):
        with pytest.raises(InvalidCredentials):
            post_in_memory.base.sign_in.sign_in(by_email(name, ""), HOME)


# Limits: security.md 34


@in_memory_only
def test_guests_and_registrations_of_one_client_are_counted_together(post: MailDeployment) -> None:
    base = replace(post.base, choices=Choices(registration=Limit(name="registration", attempts=4, window=LIFETIME)))
    post = replace(post, base=base)
    for number in range(2):
        new = NewAccount(email=f"somebody-{number}@example.com", password=PASSWORD, name="Somebody")
        base.registration.register(new, HOME, PasswordPolicy())
        admit(post)

    with pytest.raises(TooManyAttempts) as refusal:
        admit(post)

    assert (refusal.value.limit, refusal.value.retry_after) == ("registration", LIFETIME)
    assert post.guests.admit(ABROAD).user.is_anonymous


def test_of_forty_guests_at_once_thirty_are_let_in(post: MailDeployment, database: Database) -> None:
    outcomes = at_once([partial(admit, post)] * 40)

    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 30
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 10
    assert len(database.items("Users", "USER#")) == 30


# Faults


def test_whatever_goes_wrong_there_is_no_guest_without_a_session_nor_a_session_without_a_guest() -> None:
    for mishap in every_mishap(lambda: Scene(mailing_in_memory(), admit)):
        base = mishap.deployment.base
        assert isinstance(base.store, MemoryStore)
        guests, sessions = base.store.items(base.tables["Users"]), base.store.items(base.tables["RefreshTokenFamilies"])
        assert [guest["user_id"] for guest in guests] == [session["user_id"] for session in sessions], mishap
        if isinstance(mishap.outcome, SignedIn):
            assert base.sessions.authenticate(mishap.outcome.tokens.access_token).user.is_anonymous, mishap
        else:
            assert isinstance(mishap.failure, DependencyUnavailable), mishap


def test_an_id_that_is_taken_is_given_to_nobody_else(post: MailDeployment, database: Database) -> None:
    ids = iter(["00000001-0000-4000-8000-00000000000a"] * 2)
    repeating = replace(post.guests, new_id=lambda: next(ids))
    repeating.admit(HOME)

    with pytest.raises(DependencyUnavailable):
        repeating.admit(HOME)

    assert len(database.items("Users")) == len(database.items("RefreshTokenFamilies")) == 1
