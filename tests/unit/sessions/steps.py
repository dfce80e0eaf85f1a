"""What tests of sessions do: make an account, refresh, authenticate, and end sessions."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta

import pytest
from gerbang.core.clock import to_epoch
from gerbang.sessions.email_policy import UnverifiedAddress
from gerbang.sessions.sessions import Authenticated, SessionEnded, Sessions, SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.families import Family
from gerbang.storage.store import Key, Plus, Update, Written

from tests.deployment import Choices, Deployment
from tests.fakes import Call, MeanwhileStore

GRACE = Choices().grace


def new_account(deployment: Deployment, name: str, *, is_guest_until: timedelta | None = None) -> User:
    now = deployment.clock()
    user = User(
        user_id=deployment.new_id(),
        name=name,
        email=f"{name}@example.com",
        created_at=now,
        updated_at=now,
        is_anonymous=is_guest_until is not None,
        expires_at=None if is_guest_until is None else now + is_guest_until,
    )
    assert deployment.store.commit(*deployment.users.creation(user).values()) == ()
    return user


def with_choices(deployment: Deployment, choices: Choices) -> Sessions:
    return replace(deployment, choices=choices).sessions


def refresh(sessions: Sessions, session: SignedIn) -> SignedIn:
    return sessions.refresh(session.tokens.refresh_token)


def authenticate(sessions: Sessions, session: SignedIn) -> Authenticated:
    return sessions.authenticate(session.tokens.access_token)


def key_of(deployment: Deployment, session: SignedIn) -> Key:
    return deployment.families.key(session.user.user_id, session.family_id)


def family_of(deployment: Deployment, session: SignedIn) -> Family | None:
    return deployment.families.read(deployment.store.get(key_of(deployment, session)))


def generation_of(deployment: Deployment, session: SignedIn) -> int:
    family = family_of(deployment, session)
    assert family is not None
    return family.generation


def raise_epoch(deployment: Deployment, user: User) -> None:
    """End the sessions of an account, as a password reset does."""
    assert isinstance(deployment.store.write(Update(deployment.users.key(user.user_id), {"epoch": Plus(1)})), Written)


def disable(deployment: Deployment, user: User) -> None:
    change = Update(deployment.users.key(user.user_id), {"disabled_at": to_epoch(deployment.clock())})
    assert isinstance(deployment.store.write(change), Written)


def overtaken_by(deployment: Deployment, session: SignedIn, happens: Callable[[], object]) -> Sessions:
    """Return the service on a store where something happens just before a session's item is written."""
    meanwhile = MeanwhileStore(deployment.store, before=writes_family(session), happens=happens)
    return replace(deployment, store=meanwhile).sessions


def assert_ended(sessions: Sessions, *tokens: SignedIn) -> None:
    for session in tokens:
        with pytest.raises(SessionEnded):
            authenticate(sessions, session)
        with pytest.raises(SessionEnded):
            refresh(sessions, session)


def writes_family(session: SignedIn) -> Callable[[Call], bool]:
    return lambda call: call.method == "write" and call.keys[0].sk == session.family_id


def requiring_verified_email(deployment: Deployment) -> Sessions:
    return with_choices(deployment, Choices(unverified=UnverifiedAddress.REFUSED))
