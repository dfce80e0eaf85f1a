"""Authenticating a caller: forged tokens (security.md 87), and calls that guests may not make."""

from copy import replace
from datetime import timedelta

import pytest
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.sessions import NotAPerson, SessionEnded, Sessions, SignedIn
from gerbang.storage.accounts import User

from tests.deployment import ABROAD, HOME, Deployment
from tests.unit.sessions.steps import authenticate, family_of, new_account, refresh


@pytest.mark.covers("87")
def test_a_forged_token_is_rejected_and_does_not_end_the_session(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    """A stranger with a valid session of their own knows every id, but cannot sign."""
    mallory = sessions.open(new_account(deployment, "mallory"), ABROAD, "password")
    header, _, signature = mallory.tokens.refresh_token.split(".")
    payload = first.tokens.refresh_token.split(".")[1]

    with pytest.raises(InvalidToken):
        sessions.refresh(f"{header}.{payload}.{signature}")

    assert authenticate(sessions, refresh(sessions, first)).user.user_id == alice.user_id


def test_a_signed_token_that_names_another_users_session_is_rejected(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    """A session's key contains its user, so the session is not found."""
    mallory = new_account(deployment, "mallory")
    family = family_of(deployment, first)
    assert family is not None
    forged = deployment.tokens.pair(mallory, replace(family, user_id=mallory.user_id), at=deployment.clock())

    with pytest.raises(SessionEnded):
        sessions.authenticate(forged.access_token)
    with pytest.raises(SessionEnded):
        sessions.refresh(forged.refresh_token)


def test_authenticate_person_rejects_guests(deployment: Deployment, sessions: Sessions) -> None:
    guest = new_account(deployment, "guest", is_guest_until=timedelta(days=7))
    session = sessions.open(guest, HOME, "anonymous")

    assert authenticate(sessions, session).user.is_anonymous
    with pytest.raises(NotAPerson):
        sessions.authenticate_person(session.tokens.access_token)


def test_authenticate_person_accepts_registered_users(sessions: Sessions, alice: User, first: SignedIn) -> None:
    assert sessions.authenticate_person(first.tokens.access_token).user.user_id == alice.user_id
