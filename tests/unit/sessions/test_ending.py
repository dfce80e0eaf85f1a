"""Ending one session with its access token (security.md 94, 96, 97). All of an account's: test_sign_out.py."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from gerbang.sessions.claims import InvalidToken, TokenExpired
from gerbang.sessions.sessions import SessionEnded, Sessions, SignedIn
from gerbang.storage.accounts import User

from tests.deployment import HOME, Choices, Deployment
from tests.fakes import FakeClock, RecordingLog, at_once
from tests.unit.sessions.steps import (
    assert_ended,
    authenticate,
    disable,
    family_of,
    key_of,
    overtaken_by,
    raise_epoch,
    refresh,
)


@pytest.mark.covers("96")
def test_a_sign_out_takes_effect_immediately(sessions: Sessions, first: SignedIn, log: RecordingLog) -> None:
    second = refresh(sessions, first)

    sessions.close(second.tokens.access_token)

    assert_ended(sessions, first, second)
    assert log.events[-1] == "signed_out"


@pytest.mark.covers("97")
def test_an_older_access_token_signs_out_too(sessions: Sessions, first: SignedIn) -> None:
    second = refresh(sessions, first)
    authenticate(sessions, second)

    sessions.close(first.tokens.access_token)

    assert_ended(sessions, first, second)


def test_signing_out_twice_is_an_error(sessions: Sessions, first: SignedIn) -> None:
    sessions.close(first.tokens.access_token)

    with pytest.raises(SessionEnded):
        sessions.close(first.tokens.access_token)


@pytest.mark.covers("74")
def test_a_token_with_padding_appended_is_signed_out_too(sessions: Sessions, first: SignedIn) -> None:
    """A session is ended by its id, not by the text of a token."""
    sessions.close(first.tokens.access_token)

    with pytest.raises((SessionEnded, InvalidToken)):
        sessions.authenticate(first.tokens.access_token + "=")


def test_a_sign_out_requires_an_access_token(sessions: Sessions, first: SignedIn) -> None:
    header, payload, signature = first.tokens.access_token.split(".")

    for token in (first.tokens.refresh_token, f"{header}.{payload}.{signature[::-1]}", ""):
        with pytest.raises(InvalidToken):
            sessions.close(token)
    refresh(sessions, first)


def test_an_expired_access_token_can_sign_out(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock, log: RecordingLog
) -> None:
    clock.advance(Choices().access_lifetime + timedelta(days=3))
    with pytest.raises(TokenExpired):
        authenticate(sessions, first)

    sessions.close(first.tokens.access_token)

    assert family_of(deployment, first) is None
    assert log.events[-1] == "signed_out"
    with pytest.raises(SessionEnded):
        refresh(sessions, first)
    with pytest.raises(SessionEnded):  # it has been signed out
        sessions.close(first.tokens.access_token)


def test_an_expired_session_cannot_be_signed_out(sessions: Sessions, first: SignedIn, clock: FakeClock) -> None:
    clock.advance(Choices().lifetime)

    with pytest.raises(SessionEnded):
        sessions.close(first.tokens.access_token)


@pytest.mark.parametrize("change", [raise_epoch, disable], ids=["epoch raised", "disabled"])
def test_a_session_ended_by_a_reset_or_disabling_cannot_be_signed_out(
    deployment: Deployment, alice: User, first: SignedIn, change: Callable[[Deployment, User], None]
) -> None:
    change(deployment, alice)
    deployment.clock.advance(Choices().access_lifetime)

    with pytest.raises(SessionEnded):
        deployment.sessions.close(first.tokens.access_token)


@pytest.mark.covers("F10", "94")
def test_a_sign_out_wins_against_concurrent_refreshes(deployment: Deployment, alice: User) -> None:
    """F10: in any order, no token is valid afterwards."""
    sessions = deployment.sessions
    for _ in range(5):
        session = sessions.open(alice, HOME, "password")
        refreshing, sign_out = partial(refresh, sessions, session), partial(sessions.close, session.tokens.access_token)
        calls: list[Callable[[], SignedIn | None]] = [refreshing, refreshing, sign_out, refreshing, refreshing]

        outcomes = at_once(calls)

        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert all(type(error) is SessionEnded for error in errors)
        assert outcomes[2] is None
        assert_ended(sessions, session, *(outcome for outcome in outcomes if isinstance(outcome, SignedIn)))
        assert family_of(deployment, session) is None


@pytest.mark.covers("F10")
def test_a_refresh_during_a_sign_out_is_rejected_and_recreates_nothing(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    """The sign-out happens between the read and the write of the refresh."""
    overtaken = overtaken_by(deployment, first, lambda: sessions.close(first.tokens.access_token))

    with pytest.raises(SessionEnded):
        refresh(overtaken, first)

    assert family_of(deployment, first) is None


def test_a_call_during_a_sign_out_recreates_nothing(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    overtaken = overtaken_by(deployment, first, lambda: sessions.close(first.tokens.access_token))

    authenticate(overtaken, first)

    assert deployment.store.get(key_of(deployment, first)) is None
    assert_ended(sessions, first)
