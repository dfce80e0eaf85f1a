"""gerbang.accounts.guests: accounts without a name, which last as long as their session possibly can."""

import json
from base64 import urlsafe_b64decode
from copy import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.registration import NewAccount
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.clock import to_epoch
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.sessions import NotAPerson, SessionEnded, SignedIn
from gerbang.storage.store import Delete

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, HOME, PASSWORD, Choices, by_email
from tests.fakes import FakeClock, MemoryStore, PassingStore, at_once
from tests.unit.faulty_runs import Scenario, calls_of, faulty_runs
from tests.unit.mail_fakes import MailDeployment, in_memory_only, mailing_in_memory

SECOND = timedelta(seconds=1)
LIFETIME = Choices().lifetime
LONGEST = Choices().longest


def admit(post: MailDeployment) -> SignedIn:
    return post.guests.admit(HOME)


def refresh(post: MailDeployment, session: SignedIn) -> SignedIn:
    return post.base.sessions.refresh(session.tokens.refresh_token)


def claims_of(session: SignedIn) -> dict[str, Any]:
    payload = session.tokens.access_token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def account_of(database: Database, session: SignedIn) -> dict[str, Any]:
    (item,) = database.items("Users", f"USER#{session.user.user_id}")
    return dict(item)


# Who a guest is: security.md 113


@pytest.mark.covers("113")
def test_a_guest_has_an_id_of_its_own_and_no_name(post: MailDeployment, database: Database) -> None:
    first, second = admit(post), admit(post)

    assert first.user.user_id != second.user.user_id
    authenticated = post.base.sessions.authenticate(first.tokens.access_token)
    assert authenticated.user == first.user
    assert authenticated.family.amr[0].method == "anonymous"
    assert (authenticated.user.name, authenticated.user.email, authenticated.user.number) == ("", None, None)
    assert {str(item["pk"]).partition("#")[0] for item in database.items("Users")} == {"USER"}  # no markers


@pytest.mark.covers("113")
def test_the_token_of_a_guest_says_that_it_is_one(post_in_memory: MailDeployment) -> None:
    guest = admit(post_in_memory)

    for session in (guest, refresh(post_in_memory, guest)):
        claims = claims_of(session)
        assert (claims["role"], claims["is_anonymous"], claims["email"]) == ("anonymous", True, "")
        assert claims["sub"] == guest.user.user_id


def test_a_guest_is_let_in_by_one_transaction(post_in_memory: MailDeployment) -> None:
    assert [method for method, _ in calls_of(post_in_memory, admit)] == ["commit", "write"]


# How long a guest lasts


def test_ttl_sweeps_a_guest_after_its_longest_possible_session(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    guest = admit(post)

    assert account_of(database, guest)["expires_at"] == to_epoch(clock() + LONGEST)
    (family,) = database.items("RefreshTokenFamilies")
    assert family["expires_at"] == to_epoch(clock() + LIFETIME)


def test_no_refresh_writes_to_a_guests_account(post: MailDeployment, database: Database, clock: FakeClock) -> None:
    guest = admit(post)
    before = account_of(database, guest)
    clock.advance(LIFETIME - SECOND)
    watched = PassingStore(post.base.store)

    refresh(post.on(watched), guest)

    assert [call.method for call in watched.calls] == ["get", "write"]
    assert account_of(database, guest) == before


def test_a_guest_that_goes_on_refreshing_lives_until_the_longest_session_ends(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    until = clock() + LONGEST
    guest = admit(post)
    while clock() + LIFETIME < until:
        clock.advance(LIFETIME - SECOND)
        guest = refresh(post, guest)
    clock.advance(until - clock() - SECOND)
    last = refresh(post, guest)
    assert post.base.sessions.authenticate(last.tokens.access_token).user.is_anonymous

    clock.advance(SECOND)

    with pytest.raises(InvalidToken):
        refresh(post, last)
    assert not post.user(guest.user.user_id).may_sign_in(clock())
    assert database.items("RefreshTokenFamilies")  # F35: its items may still be there


def test_a_guest_whose_refresh_was_forgiven_lives_as_long_as_its_session(
    post: MailDeployment, clock: FakeClock
) -> None:
    guest = admit(post)
    clock.advance(LIFETIME - SECOND)
    lost = refresh(post, guest)  # the answer is lost
    forgiven = refresh(post, guest)
    assert forgiven.tokens.refresh_token == lost.tokens.refresh_token
    clock.advance(LIFETIME - SECOND)

    again = refresh(post, forgiven)

    assert post.base.sessions.authenticate(again.tokens.access_token).user.user_id == guest.user.user_id


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


@pytest.mark.covers("115")
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


def test_no_credentials_sign_in_as_a_guest(post_in_memory: MailDeployment) -> None:
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
        new = NewAccount(email=EmailAddress(f"person-{number}@example.com"), password=PASSWORD, name="Person")
        base.registration.register(new, HOME)
        admit(post)

    with pytest.raises(TooManyAttempts) as caught:
        admit(post)

    assert (caught.value.limit, caught.value.retry_after) == ("registration", LIFETIME)
    assert post.guests.admit(ABROAD).user.is_anonymous


@pytest.mark.covers("34")
def test_of_forty_guests_at_once_thirty_are_let_in(post: MailDeployment, database: Database) -> None:
    outcomes = at_once([partial(admit, post)] * 40)

    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 30
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 10
    assert len(database.items("Users", "USER#")) == 30


# Faults


def test_after_any_fault_there_is_no_guest_without_a_session_nor_a_session_without_a_guest() -> None:
    for mishap in faulty_runs(lambda: Scenario(mailing_in_memory(), admit)):
        base = mishap.deployment.base
        assert isinstance(base.store, MemoryStore)
        guests, sessions = base.store.items(base.tables["Users"]), base.store.items(base.tables["RefreshTokenFamilies"])
        assert [guest["user_id"] for guest in guests] == [session["user_id"] for session in sessions], mishap
        if isinstance(mishap.outcome, SignedIn):
            assert base.sessions.authenticate(mishap.outcome.tokens.access_token).user.is_anonymous, mishap
        else:
            assert isinstance(mishap.failure, DependencyUnavailable), mishap


def test_an_id_that_is_taken_is_given_to_no_second_guest(post: MailDeployment, database: Database) -> None:
    ids = iter(["00000001-0000-4000-8000-00000000000a"] * 2)
    repeating = replace(post.guests, new_id=lambda: next(ids))
    repeating.admit(HOME)

    with pytest.raises(DependencyUnavailable):
        repeating.admit(HOME)

    assert len(database.items("Users")) == len(database.items("RefreshTokenFamilies")) == 1
