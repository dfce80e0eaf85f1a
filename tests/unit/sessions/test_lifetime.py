"""How long sessions and their tokens are valid (security.md 84, 85), and what a restored or cleaned table changes."""

from datetime import timedelta

import pytest
from gerbang.core.clock import to_epoch
from gerbang.sessions.claims import InvalidToken, TokenExpired
from gerbang.sessions.sessions import SessionEnded, Sessions, SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.store import Delete, Put, Update

from tests.deployment import HOME, SECOND, Choices, Deployment
from tests.fakes import FakeClock
from tests.unit.sessions.steps import (
    assert_ended,
    authenticate,
    family_of,
    generation_of,
    key_of,
    new_account,
    refresh,
    with_choices,
)


@pytest.mark.covers("85")
def test_an_unused_session_expires(sessions: Sessions, first: SignedIn, clock: FakeClock) -> None:
    clock.advance(Choices().lifetime)

    with pytest.raises(InvalidToken):
        refresh(sessions, first)


def test_every_refresh_extends_the_session(sessions: Sessions, first: SignedIn, clock: FakeClock) -> None:
    session = first
    for _ in range(10):
        clock.advance(Choices().lifetime - SECOND)
        session = refresh(sessions, session)

    assert authenticate(sessions, session).family.generation == 11


@pytest.mark.covers("84")
def test_no_refresh_extends_the_absolute_lifetime(deployment: Deployment, alice: User, clock: FakeClock) -> None:
    sessions = with_choices(deployment, Choices(longest=timedelta(days=10)))
    session = sessions.open(alice, HOME, "password")
    for _ in range(9):
        clock.advance(timedelta(days=1))
        session = refresh(sessions, session)
    clock.advance(timedelta(days=1) - SECOND)
    last = refresh(sessions, session)
    assert authenticate(sessions, last).family.expires_at == clock() + SECOND

    clock.advance(SECOND)

    with pytest.raises(InvalidToken):
        refresh(sessions, last)
    with pytest.raises(TokenExpired):
        authenticate(sessions, last)


def test_no_access_token_outlives_its_session(deployment: Deployment, alice: User, clock: FakeClock) -> None:
    choices = Choices(access_lifetime=timedelta(days=1), lifetime=timedelta(hours=1), longest=timedelta(minutes=90))
    sessions = with_choices(deployment, choices)

    opened = sessions.open(alice, HOME, "password").tokens
    assert (opened.expires_in, opened.expires_at) == (timedelta(hours=1), clock() + timedelta(hours=1))

    clock.advance(timedelta(minutes=50))
    refreshed = sessions.refresh(opened.refresh_token).tokens
    assert (refreshed.expires_in, refreshed.expires_at) == (timedelta(minutes=40), clock() + timedelta(minutes=40))

    clock.advance(timedelta(minutes=9))
    forgiven = sessions.refresh(opened.refresh_token)
    assert (forgiven.tokens.expires_in, forgiven.tokens.expires_at) == (timedelta(minutes=31), refreshed.expires_at)
    assert authenticate(sessions, forgiven).family.expires_at == forgiven.tokens.expires_at


def test_an_access_token_expires_after_its_lifetime(sessions: Sessions, first: SignedIn, clock: FakeClock) -> None:
    clock.advance(Choices().access_lifetime - SECOND)
    authenticate(sessions, first)
    clock.advance(SECOND)

    with pytest.raises(TokenExpired):
        authenticate(sessions, first)


@pytest.mark.covers("F35")
def test_an_expired_session_is_rejected_before_ttl_deletes_it(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    """F35: DynamoDB may delete expired items days late."""
    key = key_of(deployment, first)
    deployment.store.write(Update(key, {"expires_at": to_epoch(clock())}))

    assert_ended(sessions, first)
    assert generation_of(deployment, first) == 1


@pytest.mark.covers("F36")
def test_a_deleted_session_is_not_recreated(deployment: Deployment, sessions: Sessions, first: SignedIn) -> None:
    """F36."""
    deployment.store.write(Delete(key_of(deployment, first)))

    assert_ended(sessions, first)
    assert family_of(deployment, first) is None


@pytest.mark.covers("F44")
def test_a_token_newer_than_a_restored_table_is_rejected(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    """F44: the backup has an older generation of the session."""
    backup = deployment.store.get(key_of(deployment, first))
    assert backup is not None
    second = refresh(sessions, first)
    deployment.store.write(Put(key_of(deployment, first), backup))

    with pytest.raises(SessionEnded):
        authenticate(sessions, second)


@pytest.mark.covers("F35")
def test_an_expired_guest_is_rejected_before_ttl_deletes_it(
    deployment: Deployment, sessions: Sessions, clock: FakeClock
) -> None:
    guest = new_account(deployment, "guest", is_guest_until=timedelta(minutes=30))
    session = sessions.open(guest, HOME, "anonymous")
    clock.advance(timedelta(minutes=30))

    assert_ended(sessions, session)
