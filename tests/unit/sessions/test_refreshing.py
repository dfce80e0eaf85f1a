"""Refreshing a session: rotation, concurrent refreshes (F6, security.md 82), and lost responses (F9, D6)."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta
from itertools import count

import pytest
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.sessions.email_policy import EmailNotVerified
from gerbang.sessions.sessions import Sessions, SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.families import Authentication
from gerbang.storage.store import Update

from tests.deployment import HOME, Choices, Deployment
from tests.fakes import Call, FakeClock, Fault, FaultyStore, MeanwhileStore, RecordingLog, at_once
from tests.unit.sessions.steps import (
    GRACE,
    authenticate,
    generation_of,
    key_of,
    new_account,
    refresh,
    requiring_verified_email,
    with_choices,
    writes_family,
)


def test_a_refresh_keeps_the_sign_in_method(sessions: Sessions, alice: User, clock: FakeClock) -> None:
    opened = sessions.open(alice, HOME, "oauth")
    signed_in_at = clock()
    clock.advance(timedelta(hours=1))

    family = authenticate(sessions, refresh(sessions, opened)).family

    assert (family.amr, family.aal) == ((Authentication(method="oauth", at=signed_in_at),), "aal1")


@pytest.mark.covers("80")
def test_a_refresh_replaces_the_refresh_token(
    deployment: Deployment, sessions: Sessions, first: SignedIn, log: RecordingLog
) -> None:
    """Each refresh token is used once."""
    second = refresh(sessions, first)

    assert second.tokens.refresh_token != first.tokens.refresh_token
    assert second.family_id == first.family_id
    assert generation_of(deployment, first) == 2
    assert authenticate(sessions, second).family.generation == 2
    assert log.events[-1] == "session_refreshed"


def test_a_session_can_be_refreshed_many_times(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    session = first
    for _ in range(20):
        clock.advance(timedelta(hours=1))
        session = refresh(sessions, session)
        authenticate(sessions, session)

    assert generation_of(deployment, first) == 21


@pytest.mark.covers("91")
def test_a_refresh_returns_the_account_as_it_is_now(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    """Security.md 91: the account is read again; nothing is copied from the token."""
    deployment.store.write(Update(deployment.users.key(alice.user_id), {"name": "Alice Cooper"}))

    assert refresh(sessions, first).user.name == "Alice Cooper"


# Concurrent refreshes


@pytest.mark.covers("F6", "80", "82")
def test_fifty_concurrent_refreshes_return_the_same_successor(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    outcomes = at_once([lambda: refresh(sessions, first)] * 50)

    refreshed = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert [outcome for outcome in outcomes if not isinstance(outcome, SignedIn)] == []
    assert len({session.tokens.refresh_token for session in refreshed}) == 1
    assert generation_of(deployment, first) == 2
    for session in (refreshed[0], refreshed[-1]):
        assert authenticate(sessions, session).family.generation == 2
    assert authenticate(sessions, refresh(sessions, refreshed[0])).family.generation == 3


def test_concurrent_refreshes_return_the_same_successor_without_grace_too(
    deployment: Deployment, first: SignedIn
) -> None:
    strict = with_choices(deployment, Choices(grace=timedelta(0)))

    outcomes = at_once([lambda: refresh(strict, first)] * 20)

    assert (
        len({session.tokens.refresh_token if isinstance(session, SignedIn) else repr(session) for session in outcomes})
        == 1
    )
    assert generation_of(deployment, first) == 2


def test_a_repeated_refresh_returns_an_identical_refresh_token(
    sessions: Sessions, first: SignedIn, clock: FakeClock, log: RecordingLog
) -> None:
    clock.advance(timedelta(hours=2, microseconds=987_654))
    second = refresh(sessions, first)
    clock.advance(timedelta(seconds=29))

    repeated = refresh(sessions, first)

    assert repeated.tokens.refresh_token == second.tokens.refresh_token
    assert log.events[-1] == "refresh_forgiven"


# Lost responses to our own writes


def second_write_of_family(session: SignedIn) -> Callable[[Call], bool]:
    """Match the write that records a late refresh."""
    writes = count(1)
    return lambda call: writes_family(session)(call) and next(writes) == 2


@pytest.mark.covers("F9", "D6")
def test_a_write_that_the_sdk_retries_is_not_mistaken_for_theft(
    deployment: Deployment, first: SignedIn, log: RecordingLog
) -> None:
    """The repeated write fails because the first one succeeded. Only the nonce tells."""
    choices = Choices(grace=timedelta(0), unconfirmed_grace=timedelta(0))
    faulty = FaultyStore(deployment.store, at=writes_family(first), fault=Fault.RETRIED)
    sessions = replace(deployment, store=faulty, choices=choices).sessions

    second = refresh(sessions, first)

    assert log.events[-1] == "session_refreshed"
    assert authenticate(deployment.sessions, second).family.generation == 2
    assert authenticate(deployment.sessions, refresh(deployment.sessions, second)).family.generation == 3


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.ANSWER_LOST])
def test_a_refresh_whose_write_failed_returns_no_token_and_can_be_repeated(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock, fault: Fault
) -> None:
    faulty = FaultyStore(deployment.store, at=writes_family(first), fault=fault)
    with pytest.raises(DependencyUnavailable):
        refresh(replace(deployment, store=faulty).sessions, first)
    clock.advance(timedelta(days=2))

    second = refresh(sessions, first)

    assert generation_of(deployment, first) == 2
    assert authenticate(sessions, second).family.generation == 2


def test_a_refresh_whose_tokens_could_not_be_signed_can_be_repeated(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock, log: RecordingLog
) -> None:
    """The write has been done; to the client this is a lost response."""

    def fail() -> str:
        raise DependencyUnavailable("secret")

    failing = replace(sessions, tokens=replace(deployment.tokens, new_id=fail))
    with pytest.raises(DependencyUnavailable):
        refresh(failing, first)
    assert generation_of(deployment, first) == 2
    assert "session_refreshed" not in log.events
    clock.advance(timedelta(days=2))

    second = refresh(sessions, first)

    assert log.events[-1] == "refresh_forgiven"
    assert generation_of(deployment, first) == 2
    assert authenticate(sessions, refresh(sessions, second)).family.generation == 3


def test_tokens_are_signed_from_the_item_that_the_write_returned(deployment: Deployment, first: SignedIn) -> None:
    """Not from the claims of the refresh token: here the table has another time of sign-in."""
    earlier = to_epoch(deployment.clock()) - 3600
    deployment.store.write(Update(key_of(deployment, first), {"created_at": earlier}))

    second = refresh(deployment.sessions, first)

    claims = deployment.tokens.read_refresh(second.tokens.refresh_token, at=deployment.clock())
    assert to_epoch(claims.signed_in_at) == earlier


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.ANSWER_LOST])
def test_a_late_refresh_that_could_not_be_recorded_can_be_repeated(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock, fault: Fault
) -> None:
    second = refresh(sessions, first)
    clock.advance(GRACE)
    faulty = FaultyStore(deployment.store, at=second_write_of_family(first), fault=fault)
    with pytest.raises(DependencyUnavailable):
        refresh(replace(deployment, store=faulty).sessions, first)

    assert refresh(sessions, first).tokens.refresh_token == second.tokens.refresh_token


def test_recording_a_late_refresh_does_not_recreate_an_ended_session(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    """An item created by that write would have no expiry and stay for ever."""
    refresh(sessions, first)
    clock.advance(GRACE)
    meanwhile = MeanwhileStore(
        deployment.store,
        before=second_write_of_family(first),
        happens=lambda: sessions.close(first.tokens.access_token),
    )

    refresh(replace(deployment, store=meanwhile).sessions, first)

    assert deployment.store.get(key_of(deployment, first)) is None


# Addresses that must be verified first: RequireVerifiedEmail


def test_a_session_cannot_be_refreshed_before_the_address_is_verified(
    deployment: Deployment, alice: User, first: SignedIn
) -> None:
    sessions = requiring_verified_email(deployment)

    with pytest.raises(EmailNotVerified) as caught:
        refresh(sessions, first)

    assert caught.value.user_id == alice.user_id
    assert generation_of(deployment, first) == 1
    assert authenticate(sessions, first).user.user_id == alice.user_id  # the access token stays valid until it expires

    verified = Update(deployment.users.key(alice.user_id), {"email_verified_at": to_epoch(deployment.clock())})
    deployment.store.write(verified)

    assert authenticate(sessions, refresh(sessions, first)).family.generation == 2


def test_an_unverified_address_can_refresh_by_default(sessions: Sessions, first: SignedIn) -> None:
    assert first.user.email_verified_at is None
    assert authenticate(sessions, refresh(sessions, first)).family.generation == 2


def test_a_guest_can_refresh_without_a_verified_address(deployment: Deployment) -> None:
    sessions = requiring_verified_email(deployment)
    guest = new_account(deployment, "guest", is_guest_until=timedelta(days=90))

    assert refresh(sessions, sessions.open(guest, HOME, "anonymous")).user.is_anonymous
